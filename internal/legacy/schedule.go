package legacy

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/connector"
	"turkey/internal/kpi"
	"turkey/internal/legacy/legacydb"
)

// kpiSchedule is a schedule as the source has it.
type kpiSchedule struct {
	ID        int64
	UserID    int64
	Service   string
	Cron      string
	Enabled   bool
	Zone      string
	LastRun   *time.Time
	CreatedAt time.Time
	UpdatedAt time.Time
}

// sourceZone is the zone of the predecessor's schedules, where theirs is none.
const sourceZone = "Asia/Kolkata"

// schedulesOf reads the schedules of users, the newest first; a source may lack the table.
func (i *kpiImport) schedulesOf(ctx context.Context, ids []int64) ([]kpiSchedule, error) {
	columns, err := i.src.columns(ctx, "job_schedules")
	if err != nil || len(columns) == 0 {
		return nil, err
	}
	return read[kpiSchedule](ctx, i.src, `SELECT id, user_id, service, coalesce(cron_expression, ''), coalesce(enabled, false), coalesce(timezone, ''), last_run_at AT TIME ZONE $1::text,
		coalesce(created_at AT TIME ZONE $1::text, now()), coalesce(updated_at AT TIME ZONE $1::text, now()) FROM public.job_schedules
		WHERE user_id = ANY ($2) ORDER BY updated_at DESC NULLS LAST, id DESC`, ids)
}

// schedules come newest first: of several for one service the newest stays.
func (i *kpiImport) schedules(ctx context.Context, tx pgx.Tx, t *tally, no int64, all []kpiSchedule) error {
	done := map[string]bool{}
	for _, s := range all {
		name := strconv.FormatInt(s.ID, 10)
		if done[s.Service] {
			t.skipped("job_schedules", name, "a newer schedule of the service took its place")
			continue
		}
		done[s.Service] = true
		if !slices.Contains([]string{connector.Meta, connector.GA4, connector.Shopify}, s.Service) || len(s.Cron) > 100 {
			t.failed("job_schedules", name, "its service or its expression cannot be stored")
			continue
		}
		n, err := i.q.ImportScheduleSystem(ctx, tx, i.judged(t, name, s, no))
		if err != nil {
			return err
		}
		t.count("job_schedules", 1, int(n))
	}
	return nil
}

// judged is the row of a schedule here. What our rules do not know is kept, disabled, and reported.
func (i *kpiImport) judged(t *tally, name string, s kpiSchedule, no int64) legacydb.ImportScheduleSystemParams {
	row := legacydb.ImportScheduleSystemParams{UserID: no, Service: s.Service, Cron: s.Cron, Enabled: s.Enabled, Zone: s.Zone, LastRunAt: s.LastRun,
		CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt}
	zone, err := time.LoadLocation(s.Zone)
	if err != nil || s.Zone == "" || s.Zone == "Local" {
		t.notes = append(t.notes, "schedule "+name+": its zone is unknown; it is "+sourceZone+" now")
		row.Zone = sourceZone
		if zone, err = time.LoadLocation(sourceZone); err != nil {
			zone = time.UTC
		}
	}
	cron, err := kpi.ParseCron(s.Cron)
	switch {
	case err != nil:
		t.notes = append(t.notes, "schedule "+name+" is disabled: "+err.Error())
		row.Enabled = false
	case s.Enabled:
		next := cron.Next(time.Now(), zone)
		row.NextRunAt = &next
	}
	return row
}
