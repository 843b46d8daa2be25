package doctor

import (
	"context"
	"time"

	"turkey/internal/db"
)

var auditChecks = []string{"audit.partitions", "audit.seals"}

// audit judges whether the audit's months are there to be written into, and whether what was written is sealed.
func (d *Doctor) audit(ctx context.Context) []Check {
	a, err := d.q.AuditSystem(ctx, d.cfg.DB.In(db.System()), d.cfg.Now())
	if err != nil {
		return unread(err, auditChecks...)
	}
	checks := []Check{ok("audit.partitions", "The audit has a partition for every month until %s", a.Until.UTC().Format(time.DateOnly)), ok("audit.seals", "A seal covers what was written")}
	switch {
	case a.Stray > 0:
		checks[0] = warn("audit.partitions", "As the owner: SELECT make_audit_month('2026-01-01') for each month that SELECT DISTINCT date_trunc('month', created_at) FROM "+
			"audit_parts.audit_logs_default shows. If these are to come, a clock was wrong.", "Rows of audit_logs that no month took: %d or more", a.Stray)
	case a.Until.Sub(d.cfg.Now()) < 31*day:
		checks[0] = warn("audit.partitions", "A server makes them once a minute (job audit_seal): look at its log, and for whoever holds locks on audit_logs (gravy db health).",
			"The audit has partitions only until %s", a.Until.UTC().Format(time.DateOnly))
	}
	if a.Late {
		checks[1] = warn("audit.seals", "A server seals once a minute (job audit_seal): look at gravy job list and at the server's log. A transaction that has written and does "+
			"not end delays the first seal (gravy db health).", "Rows of the audit are older than 15 minutes and under no seal")
	}
	return checks
}
