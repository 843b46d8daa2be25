package doctor

import (
	"context"

	"turkey/internal/db"
)

var schemaChecks = []string{"database.indexes", "database.roles", "database.rls", "database.grants"}

// guideIndexes are those that the production guide tells to look for.
var guideIndexes = []string{"users_email_app_idx", "users_app_idx", "revoked_jti_app_idx", "revoked_jti_expires_idx", "revoked_jti_user_idx"}

// protection judges what the migrations made: it may have been changed by hand since.
func (d *Doctor) protection(ctx context.Context) []Check {
	conn := d.cfg.DB.In(db.System())
	i, err := d.q.IndexesSystem(ctx, conn, guideIndexes)
	if err != nil {
		return unread(err, schemaChecks...)
	}
	rows, err := d.q.ProtectionSystem(ctx, conn)
	if err != nil {
		return unread(err, schemaChecks...)
	}
	wrong := map[string][]string{}
	for _, r := range rows {
		wrong[r.Kind] = append(wrong[r.Kind], r.Problem)
	}
	checks := []Check{ok("database.indexes", "Every index is valid, and those that sign-in and revocation need are there"), ok("database.roles", "The roles have no more power than they should"),
		ok("database.rls", "Row-level security is enabled and forced on every table of tenants"), ok("database.grants", "The roles have the rights that the migrations gave them")}
	switch {
	case len(i.Missing) > 0:
		checks[0] = fail("database.indexes", "As the tables' owner, create them as the migrations do (migrations/credential-system-v2.sql has the statements), or restore a backup.",
			"Indexes that are missing: %s", listed(i.Missing))
	case len(i.Invalid) > 0:
		checks[0] = warn("database.indexes", "If none is being built at this moment, as the tables' owner: REINDEX INDEX CONCURRENTLY …", "Indexes that PostgreSQL does not use, because building them did not end: %s", listed(i.Invalid))
	}
	for n, remedy := range map[int]string{
		1: "As a superuser: ALTER ROLE … NOSUPERUSER NOBYPASSRLS, REVOKE turkey_owner FROM …, or gravy db migrate with DATABASE_ADMIN_URL, as the message says.",
		2: "As the tables' owner: ALTER TABLE … ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; a policy that is missing or too wide stands in the migrations.",
		3: "As the tables' owner: REVOKE (or GRANT) what the message names.",
	} {
		if found := wrong[schemaChecks[n]]; len(found) > 0 {
			checks[n] = fail(schemaChecks[n], remedy, "%s", listed(found))
		}
	}
	return checks
}
