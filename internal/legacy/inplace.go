package legacy

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"turkey/internal/db"
	"turkey/internal/legacy/legacydb"
)

// InPlace upgrades a database of the original auth server where it is, in one transaction (contract legacy-import.md §2.5).
type InPlace struct {
	Database   db.MigrateConfig
	SourceZone string // of the times that its now() wrote; "": the server's
	Keys       Keys
	EventApp   string // the app of audit rows whose user is gone
	DryRun     bool
	Progress   Progress
}

// ErrRefused is about rows that would be lost. They are in the report, as failed.
var ErrRefused = errors.New("these rows cannot be kept as they are, and nothing was changed: mend or delete them in the predecessor's tables and run it again")

// Run upgrades. No report: another process was faster, and there is nothing left to do. With an error nothing has changed.
func (c InPlace) Run(ctx context.Context) (report *Report, err error) {
	done, err := db.UpgradeInPlace(ctx, c.Database, c.DryRun, func(ctx context.Context, tx pgx.Tx, schema string) error {
		src := &source{tx: tx, schema: schema, gen: db.OriginTurKey, zone: c.SourceZone}
		if err := src.settle(ctx); err != nil {
			return err
		}
		report = newReport(src, c.DryRun)
		report.InPlace = true
		i := &turkeyImport{q: legacydb.New(), src: src, report: report, keysTo: c.Keys, eventApp: c.EventApp, progress: c.Progress,
			together: usersAtOnce, whole: true, transact: func(_ context.Context, fn func(tx pgx.Tx) error) error { return fn(tx) }}
		return i.run(ctx)
	})
	if errors.Is(err, ErrRefused) {
		return report, err
	}
	if err != nil || !done {
		return nil, err
	}
	return report, nil
}

// refuse ends an upgrade before the first row is written if a user, or a key, could not be kept.
func (i *turkeyImport) refuse(users []turkeyUser) error {
	t := newTally()
	for _, u := range users {
		if u.blocked != "" {
			t.failed("users", u.ID.String(), u.blocked)
		}
	}
	i.report.add(t)
	if i.report.Failed() {
		return ErrRefused
	}
	return nil
}
