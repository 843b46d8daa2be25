package kpi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/caller"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/kpi/kpidb"
	"turkey/internal/wire"
)

// describe makes the operation of a route.
type describe func(method, path, id, tag, summary, description string) huma.Operation

// enveloped marks an operation whose answers carry success, its errors too.
func enveloped(op huma.Operation) huma.Operation {
	op.Metadata = map[string]any{"envelope": true}
	return op
}

func (s *Service) mountSchedules(api huma.API, op describe) {
	huma.Register(api, enveloped(op(http.MethodGet, "/api/schedules", "listSchedules", "Schedules", "List schedules",
		"One per source. Those that were never set are there too, switched off.")), s.handleSchedules)
	huma.Register(api, enveloped(op(http.MethodPut, "/api/schedules/{service}", "setSchedule", "Schedules", "Set a schedule",
		"A cron expression of five fields (minute, hour, day of month, month, weekday) with lists, ranges, steps and names, in an IANA time zone. "+
			"A local time that a clock change skips runs at the next valid minute, one that it repeats runs once. Where day of month and "+
			"weekday are both restricted, either is enough.")), s.handleSetSchedule)
	huma.Register(api, enveloped(op(http.MethodPost, "/api/schedules/{service}/run", "runSchedule", "Schedules", "Run a schedule now",
		"Creates a run as the schedule would, whether or not it is switched on. Its times stay as they are.")), s.handleRunSchedule)
	huma.Register(api, enveloped(op(http.MethodGet, "/api/schedules/{service}/preview", "previewSchedule", "Schedules", "When a schedule would run",
		"The next five times. What is left out is taken from the schedule as it is.")), s.handlePreview)
}

// Schedule says when a source is collected.
type Schedule struct {
	ID        int64      `json:"id"`
	Service   string     `json:"service"`
	Cron      string     `json:"cron" example:"0 2 * * *"`
	Enabled   bool       `json:"enabled"`
	Timezone  string     `json:"timezone" example:"Europe/Berlin"`
	Misfire   string     `json:"misfire" enum:"once,each" doc:"What happens after times that no server was there for: one run, or one for each day"`
	LastRunAt *wire.Time `json:"last_run_at" format:"date-time"`
	NextRunAt *wire.Time `json:"next_run_at" format:"date-time" doc:"null: switched off"`
	CreatedAt wire.Time  `json:"created_at" format:"date-time"`
	UpdatedAt wire.Time  `json:"updated_at" format:"date-time"`
}

func scheduleOf(r kpidb.ListSchedulesRow) Schedule {
	return Schedule{ID: r.ID, Service: r.Service, Cron: r.CronExpression, Enabled: r.Enabled, Timezone: r.Timezone, Misfire: r.Misfire, LastRunAt: wire.TimePtr(r.LastRunAt),
		NextRunAt: wire.TimePtr(r.NextRunAt), CreatedAt: wire.Time(r.CreatedAt), UpdatedAt: wire.Time(r.UpdatedAt)}
}

// dataOutput is {"success":true,"data":…}.
type dataOutput[T any] struct {
	Body struct {
		Success bool   `json:"success"`
		Message string `json:"message,omitempty"`
		Data    T      `json:"data"`
	}
}

func answer[T any](v T) *dataOutput[T] {
	out := &dataOutput[T]{}
	out.Body.Success, out.Body.Data = true, v
	return out
}

// sources are the names of all that can be collected, sorted.
func (s *Service) sources() (names []string) {
	for _, name := range s.connectors.Names() {
		if _, ok := s.connectors.Source(name); ok {
			names = append(names, name)
		}
	}
	return names
}

func (s *Service) handleSchedules(ctx context.Context, _ *struct{}) (*dataOutput[[]Schedule], error) {
	user, _ := caller.UserFrom(ctx)
	conn, sources := s.db.In(db.User(user.ID)), s.sources()
	rows, err := s.q.ListSchedules(ctx, conn, sources)
	if err == nil && len(rows) < len(sources) {
		if err = s.q.AddSchedules(ctx, conn, kpidb.AddSchedulesParams{Services: sources, Cron: s.schedules.Cron, Zone: s.zone}); err == nil {
			rows, err = s.q.ListSchedules(ctx, conn, sources)
		}
	}
	if err != nil {
		return nil, err
	}
	list := make([]Schedule, len(rows))
	for i, r := range rows {
		list[i] = scheduleOf(r)
	}
	return answer(list), nil
}

// scheduled is a schedule's text, understood.
type scheduled struct {
	Cron
	text string
	zone *time.Location
}

func newScheduled(text, zone string) (scheduled, error) {
	c, err := ParseCron(text)
	if err != nil {
		return scheduled{}, fault.New(fault.Invalid, "VALIDATION_ERROR", err.Error())
	}
	z, ok := zoneNamed(zone)
	if !ok {
		if len(zone) > 50 || !utf8.ValidString(zone) {
			zone = "(too long)"
		}
		return scheduled{}, fault.New(fault.Invalid, "VALIDATION_ERROR", "Invalid timezone: "+zone)
	}
	return scheduled{c, text, z}, nil
}

type scheduleInput struct {
	Service string `path:"service" example:"ga4"`
	Body    struct {
		Cron     string  `json:"cron" missing:"handler" example:"0 2 * * *"`
		Enabled  *bool   `json:"enabled" missing:"handler"`
		Timezone *string `json:"timezone,omitempty" doc:"IANA name; left out: stays as it is" example:"Europe/Berlin"`
		Misfire  *string `json:"misfire,omitempty" enum:"once,each" doc:"After times that no server was there for: once (the default) makes one run, each one for every missed day, at most 31. Left out: stays as it is"`
	}
}

func (s *Service) handleSetSchedule(ctx context.Context, in *scheduleInput) (*dataOutput[Schedule], error) {
	user, _ := caller.UserFrom(ctx)
	if _, ok := s.connectors.Source(in.Service); !ok {
		return nil, invalidService(in.Service)
	}
	if in.Body.Enabled == nil {
		return nil, fault.New(fault.Invalid, "VALIDATION_ERROR", "enabled is required and must be true or false")
	}
	if m := in.Body.Misfire; m != nil && *m != misfireOnce && *m != misfireEach {
		return nil, fault.New(fault.Invalid, "VALIDATION_ERROR", "misfire must be once or each")
	}
	zone := s.zone
	if in.Body.Timezone != nil {
		zone = *in.Body.Timezone
	}
	if _, err := newScheduled(in.Body.Cron, zone); err != nil {
		return nil, err
	}
	var row kpidb.SetScheduleRow
	err := s.db.Tx(ctx, db.User(user.ID), func(tx pgx.Tx) (err error) {
		if in.Body.Timezone == nil {
			switch stored, err := s.q.LockSchedule(ctx, tx, in.Service); {
			case err == nil:
				zone = stored
			case !errors.Is(err, pgx.ErrNoRows):
				return err
			}
		}
		c, err := newScheduled(in.Body.Cron, zone)
		if err != nil {
			return err
		}
		arg := kpidb.SetScheduleParams{Service: in.Service, Cron: c.text, Enabled: *in.Body.Enabled, Zone: c.zone.String(), Misfire: in.Body.Misfire,
			Metadata: audit.Meta(ctx, nil)}
		if arg.Enabled {
			next := c.Next(s.now(), c.zone)
			arg.NextRunAt = &next
		}
		row, err = s.q.SetSchedule(ctx, tx, arg)
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer(scheduleOf(kpidb.ListSchedulesRow(row))), nil
}

type enqueued struct {
	JobID   string `json:"jobId" format:"uuid"`
	Service string `json:"service"`
	UserID  int64  `json:"userId"`
}

type servicePath struct {
	Service string `path:"service" example:"ga4"`
}

func (s *Service) handleRunSchedule(ctx context.Context, in *servicePath) (*dataOutput[enqueued], error) {
	user, _ := caller.UserFrom(ctx)
	if _, ok := s.connectors.Source(in.Service); !ok {
		return nil, invalidService(in.Service)
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return nil, err
	}
	row, err := s.q.CreateRun(ctx, s.db.In(db.User(user.ID)), kpidb.CreateRunParams{ID: id, Service: in.Service, Most: mostWaiting, Metadata: audit.Meta(ctx, nil)})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, errNotEnabled
	case err != nil:
		return nil, err
	case row.Crowded:
		return nil, errCrowded
	}
	s.wake()
	out := answer(enqueued{JobID: id.String(), Service: in.Service, UserID: row.UserID})
	out.Body.Message = fmt.Sprintf("%s sync job enqueued for user %d", in.Service, row.UserID)
	return out, nil
}

type previewInput struct {
	Service  string `path:"service" example:"ga4"`
	Cron     string `query:"cron" example:"0 2 * * *"`
	Timezone string `query:"timezone" example:"Europe/Berlin"`
}

// previewed is how many times a preview shows.
const previewed = 5

type preview struct {
	Service  string      `json:"service"`
	Cron     string      `json:"cron"`
	Timezone string      `json:"timezone"`
	Next     []wire.Time `json:"next" format:"date-time" doc:"The next five times"`
}

func (s *Service) handlePreview(ctx context.Context, in *previewInput) (*dataOutput[preview], error) {
	user, _ := caller.UserFrom(ctx)
	if _, ok := s.connectors.Source(in.Service); !ok {
		return nil, invalidService(in.Service)
	}
	stored, err := s.q.GetSchedule(ctx, s.db.In(db.User(user.ID)), in.Service)
	if errors.Is(err, pgx.ErrNoRows) {
		stored, err = kpidb.GetScheduleRow{CronExpression: s.schedules.Cron, Timezone: s.zone}, nil
	}
	if err != nil {
		return nil, err
	}
	text, zone := cmp.Or(in.Cron, stored.CronExpression), cmp.Or(in.Timezone, stored.Timezone)
	c, err := newScheduled(text, zone)
	if err != nil {
		return nil, err
	}
	p := preview{Service: in.Service, Cron: text, Timezone: zone}
	for at := s.now(); len(p.Next) < previewed; {
		at = c.Next(at, c.zone)
		p.Next = append(p.Next, wire.Time(at))
	}
	return answer(p), nil
}
