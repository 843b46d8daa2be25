package doctor

import "testing"

// TestWork counts over all users and tells nothing of them.
func TestWork(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`INSERT INTO apps (id) VALUES ('shop')`)
	b.exec(`INSERT INTO users (app_id, email, password_hash) SELECT 'shop', 'canary' || i || '@example.com', 'x' FROM generate_series(1, 2) i`)
	b.exec(`INSERT INTO credentials (uid, user_id, service, name, encrypted_data, health, deleted_at)
		SELECT gen_random_uuid(), u.user_no, 'ga4', 'canary', 'canary', h.health, CASE WHEN h.gone THEN now() END
		FROM users u, (VALUES ('ok', false), ('broken', false), ('broken', true), ('failing', true), ('expiring', false), ('unchecked', false)) h (health, gone)`)
	_, by := b.examine()
	says(t, by["credentials"], Warn, "Of 8 credentials 2 are broken", "0 are failing")
	b.exec(`UPDATE credentials SET health = 'failing' WHERE health = 'broken'`)
	_, by = b.examine()
	says(t, by["credentials"], Warn, "0 are broken", "2 are failing")
	b.exec(`UPDATE credentials SET health = 'ok'`)

	b.exec(`INSERT INTO mails (app_id, user_id, kind, recipient, error, sent_at, created_at)
		SELECT 'shop', gen_random_uuid(), 'verify_email', 'canary@example.com', e.error, e.sent, now() - e.age FROM (VALUES
			('canary refused', NULL::timestamptz, interval '1 hour'), ('canary refused', NULL, interval '23 hours'),
			('canary refused', NULL, interval '25 hours'), (NULL, NULL, interval '1 hour'), (NULL, now(), interval '1 hour')) e (error, sent, age)`)
	b.exec(`INSERT INTO webhooks (id, user_id, url, secret) SELECT gen_random_uuid(), u.user_no, 'https://canary.example.com', 'canary' FROM users u`)
	b.exec(`INSERT INTO webhook_deliveries (id, user_id, webhook_id, event, payload, status, created_at, error)
		SELECT gen_random_uuid(), w.user_id, w.id, 'x', '{"x":"canary"}', e.status, now() - e.age, 'canary' FROM webhooks w, (VALUES
			('failed', interval '1 hour'), ('failed', interval '2 hours'), ('failed', interval '25 hours'), ('pending', interval '1 hour'), ('delivered', interval '1 hour')) e (status, age)`)
	_, by = b.examine()
	says(t, by["credentials"], OK, "Of 8")
	says(t, by["mails"], Warn, "taken over: 2")
	says(t, by["webhooks"], Warn, "for good: 4, of 2 webhooks")
	says(t, by["queue"], OK)

	b.exec(`INSERT INTO river.river_job (kind, args, max_attempts, state, finalized_at, errors) SELECT 'mail', '{"mail":"canary"}', 3, s.state::river.river_job_state,
		CASE WHEN s.state = 'available' THEN NULL ELSE now() END, ARRAY['{"error":"canary"}'::jsonb] FROM (VALUES ('discarded'), ('discarded'), ('cancelled'), ('completed'), ('available')) s (state)`)
	_, by = b.examine()
	says(t, by["queue"], Warn, "used up their attempts: 2", "gravy job list")
}

// TestStuckRuns: a run may have begun long ago, and is stuck when nothing is heard of it.
func TestStuckRuns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`INSERT INTO apps (id) VALUES ('shop')`)
	b.exec(`INSERT INTO users (app_id, email, password_hash) VALUES ('shop', 'canary@example.com', 'x')`)
	run := func(status, began, heard string) {
		b.exec(`INSERT INTO kpi_runs (id, user_id, service, status, started_at, beat_at)
			SELECT gen_random_uuid(), user_no, 'ga4', $1, now() - $2::text::interval, now() - nullif($3::text, '')::interval FROM users`, status, began, heard)
	}
	run("active", "2 hours", "14 minutes")
	run("active", "14 minutes", "")
	run("completed", "1 hour", "1 hour")
	run("delayed", "1 hour", "1 hour")
	_, by := b.examine()
	says(t, by["runs"], OK)

	run("active", "1 hour", "16 minutes")
	run("active", "16 minutes", "")
	_, by = b.examine()
	says(t, by["runs"], Warn, "15 minutes: 2", "gravy job list")
}
