package e2e_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// exported says under which member of an export the rows of a table are, or why they are in none. A new table is told or is
// missing here.
var exported = map[string]string{
	"users": "profile", "refresh_tokens": "sessions", "user_identities": "profile", "audit": "audit", "mails": "mails", "credentials": "more.credentials", "credential_versions": "more.credentials",
	"sheet_mappings": "more.pipeline", "kpi_runs": "more.pipeline", "kpi_rows": "more.pipeline", "job_schedules": "more.pipeline", "audit_logs": "more.pipeline", "service_configs": "more.credentials",
	"notification_settings": "more.notifications", "webhooks": "more.notifications", "webhook_deliveries": "more.notifications",
}

// TestTheExportHoldsWhatIsStored: whoever asks for their data gets what was planted in every table that is about them, and no
// secret.
func TestTheExportHoldsWhatIsStored(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	of := d.tenant(t, act{})
	no := one[int64](d.world, `SELECT user_no FROM users WHERE id = $1`, of.owner.id)
	d.exec(`INSERT INTO job_schedules (user_id, service, cron_expression) VALUES ($1, 'ga4', '7 3 * * 2')`, no)
	d.exec(`INSERT INTO refresh_tokens (id, app_id, user_id, token_version, expires_at, revoked_at) VALUES (gen_random_uuid(), $1, $2, 0, now(), now())`, of.things["app"], of.owner.id)
	d.exec(`INSERT INTO audit (app_id, user_id, actor, action) VALUES ($1, $2, 'gravy', 'password_reset_requested')`, of.things["app"], of.owner.id)
	d.exec(`INSERT INTO mails (app_id, user_id, kind, recipient, sent_at) VALUES ($1, $2, 'welcome', 'before@example.com', now())`, of.things["app"], of.owner.id)
	a := d.call("POST", "/v1/users/me/export", of.owner.access, "{}").want(t, 200, "")
	for _, thing := range []string{"email", "user", "session", "credential", "credentialga4", "webhook", "run", "waiting", "spreadsheet"} {
		if !strings.Contains(a.raw, of.things[thing]) {
			t.Errorf("the export lacks the %s: %s", thing, a.raw)
		}
	}
	for _, member := range []string{"profile", "sessions", "audit", "mails", "more"} {
		if a.at("data", member) == nil {
			t.Errorf("the export has no %s", member)
		}
	}
	if !strings.Contains(a.raw, figure) {
		t.Error("the export lacks the figures")
	}
	for _, l := range []struct {
		path []any
		rows string // of $1, the id, or $2, the number
	}{
		{[]any{"sessions"}, `refresh_tokens WHERE user_id = $1`},
		{[]any{"identities"}, `user_identities WHERE user_id = $1`},
		{[]any{"audit"}, `audit WHERE user_id = $1 AND action <> 'data_exported'`},
		{[]any{"mails"}, `mails WHERE user_id = $1`},
		{[]any{"more", "credentials"}, `credentials WHERE user_id = $2`},
		{[]any{"more", "pipeline", "mappings"}, `sheet_mappings WHERE user_id = $2`},
		{[]any{"more", "pipeline", "schedules"}, `job_schedules WHERE user_id = $2`},
		{[]any{"more", "pipeline", "figures"}, `kpi_rows WHERE user_id = $2`},
		{[]any{"more", "pipeline", "runs"}, `kpi_runs WHERE user_id = $2`},
		{[]any{"more", "pipeline", "activity"}, `audit_logs WHERE user_id = $2`},
		{[]any{"more", "notifications", "webhooks"}, `webhooks WHERE user_id = $2`},
		{[]any{"more", "notifications", "deliveries"}, `webhook_deliveries WHERE user_id = $2`},
	} {
		told, _ := a.at(append([]any{"data"}, l.path...)...).([]any)
		rows := d.count(`WITH u AS (SELECT $1::uuid AS id, $2::bigint AS no) SELECT count(*) FROM `+strings.NewReplacer("$1", "(SELECT id FROM u)", "$2", "(SELECT no FROM u)").Replace(l.rows), of.owner.id, no)
		if len(told) != rows || rows == 0 {
			t.Errorf("the export tells %d of %d rows under %v", len(told), rows, l.path)
		}
	}
	services := 0
	if credentials, ok := a.at("data", "more", "credentials").([]any); ok {
		for _, c := range credentials {
			enabled, _ := c.(object)["enabledFor"].([]any)
			services += len(enabled)
		}
	}
	if n := d.count(`SELECT count(*) FROM service_configs WHERE user_id = $1 AND enabled`, no); services != n || n == 0 {
		t.Errorf("the export tells of %d services of %d that are in use", services, n)
	}
	if secret := d.tells(a.raw); secret != "" {
		t.Errorf("the export holds %s", secret)
	}
	for _, sealed := range one[[]string](d.world, `SELECT array_agg(encrypted_data) FROM credentials WHERE user_id = $1`, no) {
		if strings.Contains(a.raw, sealed) {
			t.Error("the export holds what is sealed")
		}
	}
	tables := one[[]string](d.world, `SELECT array_agg(DISTINCT c.relname::text) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'user_id' AND NOT a.attisdropped
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')`)
	for _, table := range tables {
		if exported[table] == "" && notExported[table] == "" {
			t.Errorf("%s has rows of users: exported must say where they are told", table)
		}
	}
}

// notExported are tables with rows of users that no export tells.
var notExported = map[string]string{
	"vault_keys": "keys", "credential_tokens": "tokens, which are secrets", "email_tokens": "hashes of links", "revoked_jti": "ids of tokens that ended", "device_logins": "keyed hashes",
	"idempotency_keys": "answers that are in the rest, for a day", "kpi_undo": "cells that an undo puts back", "import_map": "ids",
}

// TestAnErasureLeavesNothing: after an account is deleted no row of any table is about the person: not by their ids, their
// address, their sessions, nor by anything they named, the audit's rows included; and what a backup had of their credentials opens with nothing that is left.
func TestAnErasureLeavesNothing(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	of := d.tenant(t, act{})
	neighbour := d.tenant(t, act{})
	no := one[int64](d.world, `SELECT user_no FROM users WHERE id = $1`, of.owner.id)
	sealed := one[[]string](d.world, `SELECT array_agg(encrypted_data) FROM credentials WHERE user_id = $1`, no)
	if len(sealed) < 4 || d.count(`SELECT count(*) FROM vault_keys WHERE user_id = $1`, no) == 0 {
		t.Fatalf("%d sealed texts", len(sealed))
	}
	eventually(t, "no mail is on its way", func() bool {
		return d.count(`SELECT count(*) FROM mails WHERE user_id = $1 AND sent_at IS NULL`, of.owner.id) == 0
	})
	before := neighbour.rows()
	d.call("DELETE", "/v1/users/me", of.owner.access, nil).want(t, 200, "")

	mark := strings.TrimSuffix(of.things["email"], "@example.com")
	marks := map[string]string{"id": of.owner.id, "address": of.things["email"], "session": of.owner.sid, "other session": of.things["session"], "name": mark}
	for _, table := range one[[]string](d.world, `SELECT array_agg(format('%I.%I', n.nspname, c.relname)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')`) {
		for _, what := range slices.Sorted(maps.Keys(marks)) {
			rows := one[[]string](d.world, fmt.Sprintf(`SELECT coalesce(array_agg(to_jsonb(r)::text), '{}') FROM %s r WHERE to_jsonb(r)::text ~ ($1 || '([^0-9]|$)')`, table), marks[what])
			for _, row := range rows {
				if why := mayStay(d, table, what, row, of); why == "" {
					t.Errorf("%s still knows the %s: %s", table, what, row)
				}
			}
		}
		if n := d.count(fmt.Sprintf(`SELECT count(*) FROM %s r WHERE to_jsonb(r) ->> 'user_id' = $1`, table), fmt.Sprint(no)); n != 0 {
			t.Errorf("%s has %d rows of the number", table, n)
		}
	}
	if n := d.count(`SELECT count(*) FROM vault_keys WHERE user_id = $1`, no); n != 0 {
		t.Error("the keys are still there: a backup's sealed texts would open")
	}
	if lines := differing(before, neighbour.rows()); len(lines) > 0 {
		t.Errorf("a neighbour lost something:\n%s", strings.Join(lines, "\n"))
	}
}

// mayStay says why a row may still name the deleted, "" if nothing does.
func mayStay(d *deployment, table, what, row string, of *tenant) string {
	switch {
	case table == "public.apps" && strings.Contains(row, `"id": "`+of.things["app"]+`"`):
		return "the app's name, which this test gave it" // an app is no person
	case table == "public.revocation_events" && what == "id":
		return "the id ends the tokens that are out, until the last of them has expired"
	}
	return ""
}
