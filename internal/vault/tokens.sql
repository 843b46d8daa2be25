-- Token pairs that the server got for credentials, and the lease of whoever renews one. All run in a user scope; they filter
-- by current_user_no() besides, so that the policies are the second wall and not the only one.

-- name: TokenPair :one
-- No row: the credential is gone, or its content is not that version any more. A pair of an older version is none. lease_left
-- counts on PostgreSQL's clock alone; a lease without a holder is a pause after a renewal that nobody answered.
SELECT coalesce(t.generation, 0)::int AS generation, coalesce(CASE WHEN t.version = c.version THEN t.encrypted_data END, '')::text AS sealed,
    t.lease_id, greatest(coalesce(t.lease_until - now(), interval '0'), interval '0')::interval AS lease_left,
    coalesce(t.version = c.version AND t.asked_at IS NOT NULL, false)::boolean AS in_doubt
FROM credentials c
LEFT JOIN credential_tokens t ON t.user_id = c.user_id AND t.credential_id = c.id
WHERE c.user_id = current_user_no() AND c.id = sqlc.arg(id) AND c.version = sqlc.arg(version) AND c.deleted_at IS NULL;

-- name: LeaseTokens :one
-- The right to renew, for ttl. No row: somebody else has it or has renewed already, or the content was replaced. A pair of an
-- older version goes, and its generation with it, so that an answer on its way finds another one. insist: a pause is no lease.
INSERT INTO credential_tokens AS t (user_id, credential_id, version, lease_id, lease_until, asked_at)
SELECT c.user_id, c.id, c.version, sqlc.arg(lease_id)::uuid, now() + sqlc.arg(ttl)::interval, now() FROM credentials c
WHERE c.user_id = current_user_no() AND c.id = sqlc.arg(id) AND c.version = sqlc.arg(version) AND c.deleted_at IS NULL
ON CONFLICT (user_id, credential_id) DO UPDATE SET lease_id = excluded.lease_id, lease_until = excluded.lease_until, asked_at = excluded.asked_at,
    version = excluded.version,
    generation = CASE WHEN t.version = excluded.version THEN t.generation ELSE t.generation + 1 END,
    encrypted_data = CASE WHEN t.version = excluded.version THEN t.encrypted_data END,
    expires_at = CASE WHEN t.version = excluded.version THEN t.expires_at END
WHERE t.generation = sqlc.arg(generation) AND (t.version < excluded.version
    OR t.version = excluded.version AND (t.lease_until IS NULL OR t.lease_until < now() OR t.lease_id IS NULL AND sqlc.arg(insist)::boolean))
RETURNING t.generation;

-- name: StoreTokens :one
-- Fenced by generation and version, not by the lease: who comes late finds a newer pair, or another content, and writes
-- nothing. No row for that, or because the user's keys were replaced since they were read (key_id; the lock holds off a
-- rotation). Keys come before the pair, here and in a reseal, and nobody who shares them asks for more of them: no deadlock.
WITH k AS MATERIALIZED (
    SELECT v.user_id FROM vault_keys v
    WHERE v.user_id = current_user_no() AND coalesce(v.key_id, sqlc.arg(key_id)::bigint) = sqlc.arg(key_id)::bigint
    FOR SHARE
), t AS (
    UPDATE credential_tokens x SET generation = x.generation + 1, encrypted_data = sqlc.arg(encrypted_data)::text, expires_at = sqlc.arg(expires_at)::timestamptz,
        lease_id = NULL, lease_until = NULL, asked_at = NULL, updated_at = now()
    FROM k, credentials c
    WHERE x.user_id = k.user_id AND x.credential_id = sqlc.arg(id) AND x.generation = sqlc.arg(generation)::int AND x.version = sqlc.arg(version)::int
        AND c.user_id = x.user_id AND c.id = x.credential_id AND c.version = x.version AND c.deleted_at IS NULL
    RETURNING x.user_id, x.generation, c.id, c.service, c.name, c.host
), a AS (
    INSERT INTO audit_logs (user_id, action, service, status, metadata)
    SELECT t.user_id, 'token_renewed', t.service, 'success', sqlc.arg(metadata)::jsonb || jsonb_strip_nulls(
        jsonb_build_object('credentialId', t.id, 'name', t.name, 'host', t.host, 'generation', t.generation)) FROM t
)
SELECT t.generation FROM t;

-- name: ReleaseTokens :exec
-- Ends a lease without a new pair; for the length of pause nobody asks again unless he must. in_doubt: the provider may have
-- renewed without our knowing the answer.
UPDATE credential_tokens x SET lease_id = NULL, lease_until = now() + sqlc.arg(pause)::interval,
    asked_at = CASE WHEN sqlc.arg(in_doubt)::boolean THEN x.asked_at END
WHERE x.user_id = current_user_no() AND x.credential_id = sqlc.arg(id) AND x.version = sqlc.arg(version) AND x.generation = sqlc.arg(generation)
    AND x.lease_id = sqlc.arg(lease_id)::uuid;
