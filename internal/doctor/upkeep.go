package doctor

import (
	"context"
	"time"

	"turkey/internal/db"
)

var (
	upkeepChecks = []string{"cleanup", "apps"}
	redisChecks  = []string{"redis"}
)

// upkeep judges whether the cleanup does its work, and whether it is known whose the apps are.
func (d *Doctor) upkeep(ctx context.Context) []Check {
	return []Check{d.cleanup(ctx), d.apps(ctx)}
}

// cleanup looks at what should be gone, too: River forgets a job that ended well after a day.
func (d *Doctor) cleanup(ctx context.Context) Check {
	const name = "cleanup"
	row, err := d.q.CleanupSystem(ctx, d.cfg.DB.In(db.System()))
	if err != nil {
		return unread(err, name)[0]
	}
	bound := 2*time.Duration(d.cfg.Settings.CleanupHours)*time.Hour + time.Hour
	switch {
	case d.cfg.Now().Sub(row.Oldest) > bound:
		return warn(name, "A server or worker that works jobs (WORKERS) does it; look for “Cleanup job completed” in its log, and at gravy job list --kind cleanup. gravy db cleanup does it now.",
			"What expired on %s is still there: the cleanup did not run", row.Oldest.UTC().Format(time.DateOnly))
	case row.Last.Unix() == 0:
		return ok(name, "Nothing that should be gone is left")
	}
	return ok(name, "It last ended on %s", row.Last.UTC().Format(time.RFC3339))
}

func (d *Doctor) apps(ctx context.Context) Check {
	const name = "apps"
	a, err := d.q.AppsSystem(ctx, d.cfg.DB.In(db.System()))
	switch {
	case err != nil:
		return unread(err, name)[0]
	case d.production() && len(a.Nameless) > 0:
		return warn(name, "gravy app set <app> --name 'Whose it is, and where'.", "Apps with users of which nothing but the id is known: %s", listed(a.Nameless))
	case d.production() && len(a.Plain) > 0:
		return warn(name, "gravy app set <app> --origin https://….", "Apps whose pages may call without https: %s", listed(a.Plain))
	}
	return ok(name, "%d apps are registered", a.Apps)
}

func (d *Doctor) redis(ctx context.Context) []Check {
	const name = "redis"
	if d.cfg.Redis == nil {
		return []Check{ok(name, "REDIS_URL is not set: PostgreSQL counts")}
	}
	if err := d.cfg.Redis(ctx); err != nil {
		return []Check{warn(name, "Start Redis, or correct REDIS_URL; without it PostgreSQL counts, which costs each counted request a statement.", "Redis cannot be used: %v", err)}
	}
	return []Check{ok(name, "Redis counts")}
}

// outside is what is done only when somebody asks for it: it reaches others.
func (d *Doctor) outside(ctx context.Context) (checks []Check) {
	const mail, health = "mail.delivery", "server.health"
	switch {
	case d.cfg.SendMail != nil:
		if err := d.cfg.SendMail(ctx); err != nil {
			checks = append(checks, fail(mail, "Correct the settings of the mail service (docs/configuration.md); the message says what it answered.", "The mail was not taken over: %v", err))
		} else {
			checks = append(checks, ok(mail, "The mail was taken over; see that it arrives, and not among the spam"))
		}
	case d.cfg.Production:
		checks = append(checks, warn(mail, "gravy doctor --production --mail-to <your address> sends one.", "Not tried: no address was given"))
	}
	if d.cfg.Reach != nil {
		if err := d.cfg.Reach(ctx); err != nil {
			checks = append(checks, fail(health, "Start the server, and see that PUBLIC_URL leads to it through the proxy.", "%s does not say that it is well: %v", d.cfg.Settings.PublicURL, err))
		} else {
			checks = append(checks, ok(health, "%s says that it is well", d.cfg.Settings.PublicURL))
		}
	}
	return checks
}
