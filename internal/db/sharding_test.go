package db_test

import (
	"slices"
	"strings"
	"testing"

	"turkey/internal/db/dbtest"
)

// wholeKeys are the keys of tenant tables without their tenant, and why uniqueness over all tenants is not in the way when tenants
// are spread over databases.
var wholeKeys = map[string]string{
	"audit (id)":                  "a number of a sequence; a database of its own gets a range of its own",
	"audit_logs (id,created_at)":  "as that of audit",
	"credentials (id)":            "as that of audit; on the wire it is asked for with the user",
	"credentials (uid)":           "a random UUID",
	"email_tokens (id)":           "as that of audit",
	"email_tokens (token_hash)":   "the hash of a random token; which app it is of has to be looked up before the app is known",
	"job_schedules (id)":          "as that of audit; (user_id, service) is unique as well",
	"kpi_runs (id)":               "a random UUID",
	"mails (id)":                  "as that of audit",
	"refresh_tokens (id)":         "a random UUID, the session in the token; which app it is of is looked up, as with mails",
	"refresh_tokens (token_hash)": "of imported sessions alone: the hash of a random token",
	"revocation_events (id)":      "as that of audit",
	"revoked_jti (jti)":           "a random id",
	"service_configs (id)":        "as that of audit; (user_id, service) is unique as well",
	"sheet_mappings (id)":         "as that of audit; (user_id, service) is unique as well",
	"users (id)":                  "a random UUID",
	"users (user_no)":             "a number of a sequence, the tenant of the vault and the pipeline itself",
	"webhook_deliveries (id)":     "a random UUID",
	"webhooks (id)":               "a random UUID",
}

// TestKeysCarryTheTenant: every primary key and every unique index of a tenant table holds the tenant's column, so that a database
// with a part of the tenants can decide about it alone. What does not is named with its reason.
func TestKeysCarryTheTenant(t *testing.T) {
	t.Parallel()
	conn := connect(t, dbtest.URL(t))
	found := map[string]bool{}
	for _, b := range tables(t, conn) {
		if b.Tenant == "" {
			continue
		}
		for _, key := range list[string](t, conn, `SELECT string_agg(coalesce(a.attname, pg_get_indexdef(i.indexrelid, k.n::int, true)), ',' ORDER BY k.n)
			FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey[0:i.indnkeyatts-1]) WITH ORDINALITY AS k(attnum, n)
			LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
			WHERE i.indrelid = $1::regclass AND i.indisunique GROUP BY i.indexrelid ORDER BY 1`, b.Name) {
			if slices.Contains(strings.Split(key, ","), b.Tenant) {
				continue
			}
			name := b.Name + " (" + key + ")"
			if found[name] = true; wholeKeys[name] == "" {
				t.Errorf("the key %s lacks %s: carry it, or say in wholeKeys why it is unique without", name, b.Tenant)
			}
		}
	}
	for name := range wholeKeys {
		if !found[name] {
			t.Errorf("wholeKeys names %s, which there is not", name)
		}
	}
}
