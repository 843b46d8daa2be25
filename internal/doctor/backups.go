package doctor

import (
	"context"
	"time"
)

// Backups is how it stands with the directory of backups.
type Backups struct {
	Every    time.Duration // the longest pause of the schedule; 0: the server makes none by itself
	Newest   time.Time     // the newest whole one; zero: there is none
	Verified time.Time     // when one was last restored and found whole; zero: never
	FailedAt time.Time     // the last that did not come to be; zero: none since one did
	Failure  string
	KeyFiles []string // files with keys among the backups
}

const (
	freshBackup  = 26 * time.Hour // daily, and what one may take
	freshRestore = 30 * day
	elsewhere    = "Backups made by other means are not seen here. "
)

func (d *Doctor) backups(context.Context) []Check {
	const schedule, recent, verified, keys = "backup.schedule", "backup.recent", "backup.verified", "backup.keys"
	if d.cfg.Backups == nil {
		switch {
		case d.cfg.Settings == nil:
			return nil
		case d.production():
			return []Check{warn(schedule, elsewhere+"Set BACKUP_DIR and BACKUP_CRON='0 1 * * *'.", "BACKUP_DIR is not set: the server makes no backups")}
		}
		return []Check{ok(schedule, "BACKUP_DIR is not set: the server makes no backups")}
	}
	b, err := d.cfg.Backups()
	if err != nil {
		return unread(err, schedule, recent, verified, keys)
	}
	now := d.cfg.Now()
	return []Check{d.backupSchedule(schedule, b), backupRecent(recent, b, now), backupVerified(verified, b, now), backupKeys(keys, b)}
}

func (d *Doctor) backupSchedule(name string, b Backups) Check {
	const remedy = "Set BACKUP_CRON='0 1 * * *', or let something else run gravy backup create every day."
	switch {
	case b.Every == 0 && d.production():
		return warn(name, remedy, "BACKUP_CRON is not set: this server makes no backups by itself")
	case b.Every > freshBackup:
		return warn(name, remedy, "By BACKUP_CRON there are up to %d days between two backups", int(b.Every/day))
	case b.Every == 0:
		return ok(name, "BACKUP_CRON is not set: this server makes no backups by itself")
	}
	return ok(name, "Backups are made by BACKUP_CRON")
}

func backupRecent(name string, b Backups, now time.Time) Check {
	const remedy = "Run gravy backup create; its message says what is wrong. gravy backup list shows those there are."
	bound := max(freshBackup, b.Every+freshBackup-day)
	switch {
	case b.FailedAt.After(b.Newest):
		return fail(name, remedy, "The backup of %s failed: %s", b.FailedAt.UTC().Format(time.RFC3339), b.Failure)
	case b.Newest.IsZero():
		return warn(name, remedy, "There is no backup")
	case now.Sub(b.Newest) > bound:
		return warn(name, remedy, "The newest backup is of %s", b.Newest.UTC().Format(time.RFC3339))
	}
	return ok(name, "The newest backup is of %s", b.Newest.UTC().Format(time.RFC3339))
}

func backupVerified(name string, b Backups, now time.Time) Check {
	const remedy = "Run gravy backup verify latest: it restores into a scratch database and opens every credential."
	switch {
	case b.Verified.IsZero():
		return warn(name, remedy, "No backup was restored to see whether it can be")
	case now.Sub(b.Verified) > freshRestore:
		return warn(name, remedy, "A backup was last restored to see whether it can be %d days ago", age(b.Verified, now))
	}
	return ok(name, "A backup was restored and found whole on %s", b.Verified.UTC().Format(time.DateOnly))
}

func backupKeys(name string, b Backups) Check {
	if len(b.KeyFiles) > 0 {
		return warn(name, "Move them elsewhere: whoever takes the directory has the data and what opens it.", "Files with keys lie among the backups: %s", listed(b.KeyFiles))
	}
	return ok(name, "No file with keys lies among the backups")
}
