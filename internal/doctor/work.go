package doctor

import (
	"context"

	"turkey/internal/db"
)

var workChecks = []string{"credentials", "mails", "webhooks", "queue", "runs"}

// work judges by numbers over all tenants what the server does for its users.
func (d *Doctor) work(ctx context.Context) []Check {
	w, err := d.q.WorkSystem(ctx, d.cfg.DB.In(db.System()), d.cfg.Now())
	if err != nil {
		return unread(err, workChecks...)
	}
	checks := []Check{
		ok("credentials", "Of %d credentials none is broken or failing", w.Credentials),
		ok("mails", "No mail of the last day failed"),
		ok("webhooks", "No delivery of the last day failed"),
		ok("queue", "No job was given up"),
		ok("runs", "No run is stuck"),
	}
	if w.Broken+w.Failing > 0 {
		checks[0] = warn("credentials", "Their users are told. If there are many of one service, look at the providers and at the server's way out.",
			"Of %d credentials %d are broken (their provider refuses them) and %d are failing (their provider does not answer)", w.Credentials, w.Broken, w.Failing)
	}
	if w.Mails > 0 {
		checks[1] = warn("mails", "Look for mail in the server's log, and correct the settings of the mail service.", "Mails of the last day that were not taken over: %d", w.Mails)
	}
	if w.Deliveries > 0 {
		checks[2] = warn("webhooks", "Their users see why at GET /api/webhooks/{id}/deliveries. If there are many, look at the server's way out.",
			"Deliveries of the last day that failed for good: %d, of %d webhooks", w.Deliveries, w.Webhooks)
	}
	if w.Dead > 0 {
		checks[3] = warn("queue", "gravy job list --state discarded shows them with their errors; gravy job retry <id> repeats one.", "Jobs that have used up their attempts: %d", w.Dead)
	}
	if w.Stuck > 0 {
		checks[4] = warn("runs", "Look whether a server works the queue (gravy job list) and what its log says of these runs.",
			"Runs that are active and have given no sign of life for 15 minutes: %d", w.Stuck)
	}
	return checks
}
