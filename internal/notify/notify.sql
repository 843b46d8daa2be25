-- Notification settings and webhooks. All run in a user scope unless the name says System; they filter by
-- current_user_no() besides, so that the policies are the second wall and not the only one.

-- name: GetSettings :one
SELECT email, events, updated_at FROM notification_settings WHERE user_id = current_user_no();

-- name: PutSettings :one
WITH s AS (
    INSERT INTO notification_settings AS n (user_id, email, events)
    VALUES (current_user_no(), sqlc.arg(email), sqlc.narg(events)::text[])
    ON CONFLICT (user_id) DO UPDATE SET email = excluded.email, events = excluded.events, updated_at = now()
    RETURNING n.user_id, n.updated_at
), a AS (
    INSERT INTO audit_logs (user_id, action, status, metadata)
    SELECT s.user_id, 'notifications_changed', 'success', sqlc.arg(metadata)::jsonb FROM s
)
SELECT s.updated_at FROM s;

-- name: Announce :one
-- One delivery for each webhook that wants the event, and whether a mail is wanted. everywhere asks no list of events. own:
-- the scope is the user's; if not, nothing is written.
WITH d AS (
    INSERT INTO webhook_deliveries (id, user_id, webhook_id, event, payload)
    SELECT gen_random_uuid(), w.user_id, w.id, sqlc.arg(event)::text, sqlc.arg(payload) FROM webhooks w
    WHERE w.user_id = current_user_no() AND w.user_id = active_user_no(sqlc.arg(user_id))
        AND (sqlc.arg(everywhere)::boolean OR w.events IS NULL OR sqlc.arg(event)::text = ANY (w.events))
    RETURNING webhook_deliveries.id
)
SELECT coalesce(current_user_no() = active_user_no(sqlc.arg(user_id)), false)::boolean AS own,
    coalesce((SELECT array_agg(d.id) FROM d), '{}')::uuid[] AS deliveries,
    coalesce((SELECT n.email AND (sqlc.arg(everywhere)::boolean OR n.events IS NULL OR sqlc.arg(event)::text = ANY (n.events))
        FROM notification_settings n WHERE n.user_id = current_user_no()), true)::boolean AS mail;

-- name: Serialise :exec
-- What counts before it writes goes one after the other for a user.
SELECT pg_advisory_xact_lock(hashtextextended('notify', current_user_no()));

-- name: RecordBounded :one
-- An act of which there are at most so many in an hour; with Serialise before it. No row: they are used up.
WITH a AS (
    INSERT INTO audit_logs (user_id, action, status, metadata)
    SELECT current_user_no(), sqlc.arg(action)::text, 'success', sqlc.arg(metadata)::jsonb
    WHERE (SELECT count(*) FROM audit_logs l WHERE l.user_id = current_user_no() AND l.action = sqlc.arg(action)::text
        AND l.created_at > now() - interval '1 hour') < sqlc.arg(most)::int
    RETURNING audit_logs.id
)
SELECT a.id FROM a;

-- name: CreateWebhook :one
-- full: the user has as many as there may be. No row: the user's keys were replaced since the secret was sealed. The audit
-- names the host alone: an address may be as good as a password. The lock on the keys is shared, since nobody who has it asks for
-- more of them; the user, whom the insert asks for last, a deletion has first, and it gives way.
WITH k AS (
    SELECT x.user_id, x.key_id FROM vault_keys x WHERE x.user_id = current_user_no() FOR SHARE
), w AS (
    INSERT INTO webhooks (id, user_id, format, url, chat_id, secret, events)
    SELECT sqlc.arg(id), current_user_no(), sqlc.arg(format), sqlc.arg(url), sqlc.narg(chat_id), sqlc.arg(secret)::text, sqlc.narg(events)::text[]
    WHERE NOT EXISTS (SELECT FROM k WHERE k.key_id <> sealed_by(sqlc.arg(secret)::text))
        AND (SELECT count(*) FROM webhooks o WHERE o.user_id = current_user_no()) < sqlc.arg(most)::int
    RETURNING webhooks.id, webhooks.user_id, webhooks.created_at
), a AS (
    INSERT INTO audit_logs (user_id, action, status, metadata)
    SELECT w.user_id, 'webhook_created', 'success',
        sqlc.arg(metadata)::jsonb || jsonb_build_object('webhookId', w.id) FROM w
)
SELECT w.created_at, false AS full FROM w
UNION ALL
SELECT now(), true WHERE (SELECT count(*) FROM webhooks o WHERE o.user_id = current_user_no()) >= sqlc.arg(most)::int;

-- name: ListWebhooks :many
SELECT id, format, url, chat_id, events, created_at FROM webhooks WHERE user_id = current_user_no() ORDER BY created_at DESC, id DESC;

-- name: DeleteWebhook :one
-- Its deliveries go with it; their jobs find nothing to do.
WITH w AS (
    DELETE FROM webhooks d WHERE d.user_id = current_user_no() AND d.id = sqlc.arg(id) RETURNING d.id, d.user_id
), a AS (
    INSERT INTO audit_logs (user_id, action, status, metadata)
    SELECT w.user_id, 'webhook_deleted', 'success', sqlc.arg(metadata)::jsonb || jsonb_build_object('webhookId', w.id) FROM w
)
SELECT w.id FROM w;

-- name: HasWebhook :one
SELECT EXISTS (SELECT FROM webhooks w WHERE w.user_id = current_user_no() AND w.id = sqlc.arg(id));

-- name: ListDeliveries :many
-- webhook_deliveries_webhook_idx carries it.
SELECT id, event, payload, status, attempts, response_status, error, created_at, delivered_at FROM webhook_deliveries
WHERE user_id = current_user_no() AND webhook_id = sqlc.arg(webhook_id)
    AND (sqlc.narg(before)::timestamptz IS NULL OR (created_at, id) < (sqlc.narg(before)::timestamptz, sqlc.arg(before_id)::uuid))
ORDER BY created_at DESC, id DESC LIMIT sqlc.arg(most)::int;

-- name: ExportDeliveries :many
SELECT id, event, payload, status, attempts, response_status, error, created_at, delivered_at FROM webhook_deliveries
WHERE user_id = current_user_no() ORDER BY created_at, id;

-- name: HasDelivery :one
SELECT EXISTS (SELECT FROM webhook_deliveries d
    WHERE d.user_id = current_user_no() AND d.webhook_id = sqlc.arg(webhook_id) AND d.id = sqlc.arg(id));

-- name: TakeDelivery :one
-- No row: it was delivered, or webhook and delivery are gone. A replay asks for no state.
UPDATE webhook_deliveries d SET attempts = d.attempts + 1 FROM webhooks w
WHERE d.user_id = current_user_no() AND d.id = sqlc.arg(id) AND (d.status = 'pending' OR sqlc.arg(replay)::boolean)
    AND w.user_id = d.user_id AND w.id = d.webhook_id
RETURNING w.id AS webhook_id, w.format, w.url, w.chat_id, w.secret, d.event, d.payload, d.created_at, d.attempts;

-- name: RecordDelivery :exec
-- A failure ends a delivery when no further attempt of it is due; one that is still being tried stays so after a replay.
UPDATE webhook_deliveries SET response_status = sqlc.narg(response_status), error = sqlc.narg(error),
    status = CASE WHEN sqlc.arg(delivered)::boolean THEN 'delivered' WHEN status = 'pending' AND NOT sqlc.arg(last)::boolean THEN 'pending' ELSE 'failed' END,
    delivered_at = CASE WHEN sqlc.arg(delivered)::boolean THEN now() ELSE delivered_at END
WHERE user_id = current_user_no() AND id = sqlc.arg(id);

-- name: AbandonDeliverySystem :exec
-- Of a user who may not act.
UPDATE webhook_deliveries SET status = 'failed', error = sqlc.arg(error)::text WHERE id = sqlc.arg(id) AND status = 'pending';

-- name: PurgeSystem :execrows
DELETE FROM webhook_deliveries x WHERE x.id IN (
    SELECT d.id FROM webhook_deliveries d WHERE d.created_at < now() - interval '30 days' ORDER BY d.created_at LIMIT sqlc.arg(batch)::int);
