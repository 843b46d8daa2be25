-- Answers that a repeated write gets again. All run in a user scope unless the name says System.

-- name: PurgeSystem :execrows
DELETE FROM idempotency_keys i WHERE (i.user_id, i.key) IN (
    SELECT o.user_id, o.key FROM idempotency_keys o WHERE o.created_at < now() - interval '24 hours' LIMIT sqlc.arg(batch)::int);
