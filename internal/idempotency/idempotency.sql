-- Answers that a repeated write gets again. All run in a user scope unless the name says System; they filter by
-- current_user_no() besides, so that the policies are the second wall and not the only one.

-- name: Claim :one
-- Takes the key, or tells what became of it: claim says whose it is. What is older than a day is as good as gone, and a claim
-- whose process died may be taken over by the same request. No row: another request takes it at this moment.
WITH taken AS (
    INSERT INTO idempotency_keys AS i (user_id, key, request_hash, claim, locked_until)
    VALUES (current_user_no(), sqlc.arg(key)::text, sqlc.arg(request_hash), sqlc.arg(claim), now() + interval '60 seconds')
    ON CONFLICT (user_id, key) DO UPDATE SET request_hash = excluded.request_hash, claim = excluded.claim, status = NULL, answer = NULL,
        locked_until = excluded.locked_until, created_at = now()
    WHERE i.created_at < now() - interval '24 hours'
        OR i.status IS NULL AND i.locked_until < least(now(), sqlc.arg(steady)::timestamptz) AND i.request_hash = excluded.request_hash
    RETURNING i.claim, i.request_hash, i.status, i.answer
)
SELECT t.claim, t.request_hash, t.status, t.answer FROM taken t
UNION ALL
SELECT k.claim, k.request_hash, k.status, k.answer FROM idempotency_keys k
WHERE k.user_id = current_user_no() AND k.key = sqlc.arg(key)::text AND NOT EXISTS (SELECT FROM taken);

-- name: Keep :exec
UPDATE idempotency_keys SET status = sqlc.arg(status)::smallint, answer = sqlc.arg(answer)::bytea
WHERE user_id = current_user_no() AND key = sqlc.arg(key)::text AND claim = sqlc.arg(claim);

-- name: Forget :exec
DELETE FROM idempotency_keys WHERE user_id = current_user_no() AND key = sqlc.arg(key)::text AND claim = sqlc.arg(claim);

-- name: PurgeSystem :execrows
DELETE FROM idempotency_keys i WHERE (i.user_id, i.key) IN (
    SELECT o.user_id, o.key FROM idempotency_keys o WHERE o.created_at < now() - interval '24 hours' LIMIT sqlc.arg(batch)::int)
    AND i.created_at < now() - interval '24 hours'; -- one that is claimed anew at this moment stays
