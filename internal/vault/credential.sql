-- Credentials. All run in a user scope unless the name says System; they filter by current_user_no()
-- besides, so that the policies are the second wall and not the only one.

-- name: SaveCredential :one
-- The credential, the service configuration that points to it, and the audit row. No row: the user's keys were replaced
-- since they were read (key_id). Id 0: the limit is reached. The lock on the keys holds off both a rotation and another
-- save, so that what is counted stays true.
WITH k AS MATERIALIZED (
    SELECT v.user_id FROM vault_keys v
    WHERE v.user_id = current_user_no() AND coalesce(v.key_id, sqlc.arg(key_id)::bigint) = sqlc.arg(key_id)::bigint
    FOR UPDATE
), n AS MATERIALIZED (
    SELECT k.user_id, live_credentials(sqlc.arg(service)::text) AS live FROM k
), c AS (
    INSERT INTO credentials (uid, user_id, service, name, type, encrypted_data, preview, fingerprint, host, expires_at, health_at, next_check_at)
    SELECT sqlc.arg(uid), n.user_id, sqlc.arg(service)::text, sqlc.arg(name), sqlc.arg(type), sqlc.arg(encrypted_data)::text,
        sqlc.arg(preview), sqlc.arg(fingerprint), sqlc.arg(host), sqlc.narg(expires_at), now(), now()
    FROM n WHERE n.live < sqlc.arg(max_live)::int
    RETURNING credentials.id, credentials.user_id, credentials.service, credentials.name, credentials.created_at
), s AS (
    INSERT INTO service_configs (user_id, service, credential_id)
    SELECT c.user_id, c.service, c.id FROM c
    ON CONFLICT (user_id, service) DO UPDATE SET credential_id = excluded.credential_id, enabled = true, updated_at = now()
), a AS (
    INSERT INTO audit_logs (user_id, action, service, status, metadata)
    SELECT c.user_id, 'credential_saved', c.service, 'success',
        sqlc.arg(metadata)::jsonb || jsonb_build_object('credentialId', c.id, 'name', c.name) FROM c
)
SELECT coalesce(c.id, 0)::bigint AS id, coalesce(c.created_at, now())::timestamptz AS created_at FROM n LEFT JOIN c ON true;

-- name: ListCredentials :many
-- Newest first; max NULL: all. The deleted ones are those that can still be restored. A user's credentials are few:
-- idx_credentials_user_id carries it.
SELECT id, service, name, type, preview, verified, verified_at, expires_at, created_at, updated_at, deleted_at, health, health_reason, health_message, health_at FROM credentials
WHERE user_id = current_user_no()
    AND CASE WHEN sqlc.arg(deleted)::boolean THEN deleted_at > now() - sqlc.arg(kept)::interval AND encrypted_data IS NOT NULL
        ELSE deleted_at IS NULL END
    AND (sqlc.narg(before)::timestamptz IS NULL OR (created_at, id) < (sqlc.narg(before)::timestamptz, sqlc.arg(before_id)::bigint))
ORDER BY created_at DESC, id DESC
LIMIT sqlc.narg(max)::int;

-- name: GetCredential :one
SELECT id, service, name, type, preview, verified, verified_at, expires_at, created_at, updated_at, deleted_at, health, health_reason, health_message, health_at FROM credentials
WHERE user_id = current_user_no() AND id = sqlc.arg(id) AND deleted_at IS NULL;

-- name: ExportCredentials :many
SELECT c.id, c.service, c.name, c.type, c.preview, c.verified, c.verified_at, c.expires_at, c.created_at, c.updated_at, c.deleted_at, c.health, c.health_reason, c.health_message, c.health_at,
    (SELECT count(*) FROM credential_versions v WHERE v.user_id = c.user_id AND v.credential_id = c.id) AS versions,
    (SELECT count(*) FROM audit_logs l WHERE l.user_id = c.user_id AND l.metadata ->> 'credentialId' = c.id::text
        AND l.action = 'credential_accessed') AS uses,
    ARRAY(SELECT s.service FROM service_configs s WHERE s.user_id = c.user_id AND s.credential_id = c.id AND s.enabled ORDER BY s.service)::text[] AS enabled_for
FROM credentials c WHERE c.user_id = current_user_no()
ORDER BY c.created_at DESC, c.id DESC;

-- name: DeleteCredential :one
-- The sealed row stays, restorable, until it is purged, or the user has deleted so many of the service since.
WITH c AS (
    UPDATE credentials x SET deleted_at = now(), updated_at = now()
    WHERE x.user_id = current_user_no() AND x.id = sqlc.arg(id) AND x.deleted_at IS NULL
    RETURNING x.id, x.user_id, x.service, x.name
), s AS (
    DELETE FROM service_configs d WHERE (d.user_id, d.credential_id) IN (SELECT c.user_id, c.id FROM c)
), o AS (
    DELETE FROM credentials x USING (
        SELECT y.user_id, y.id FROM credentials y JOIN c ON c.user_id = y.user_id AND c.service = y.service
        WHERE y.deleted_at IS NOT NULL ORDER BY y.deleted_at DESC, y.id DESC OFFSET sqlc.arg(max_deleted)::int - 1) old
    WHERE x.user_id = old.user_id AND x.id = old.id
), a AS (
    INSERT INTO audit_logs (user_id, action, service, status, metadata)
    SELECT c.user_id, 'credential_deleted', c.service, 'success',
        sqlc.arg(metadata)::jsonb || jsonb_build_object('credentialId', c.id, 'name', c.name) FROM c
)
SELECT c.id FROM c;

-- name: RestoreCredential :one
-- Brings a deleted credential back, unverified, and points no service to it. No row: there is none to restore. Alive: it is
-- not deleted. Neither alive nor restored: live says whether the limit is reached, else somebody was faster.
WITH k AS MATERIALIZED (
    SELECT v.user_id FROM vault_keys v WHERE v.user_id = current_user_no() FOR UPDATE
), n AS MATERIALIZED (
    SELECT x.id, x.user_id, (x.deleted_at IS NULL)::boolean AS alive, live_credentials(x.service) AS live
    FROM credentials x JOIN k ON k.user_id = x.user_id
    WHERE x.id = sqlc.arg(id) AND x.encrypted_data IS NOT NULL
        AND (x.deleted_at IS NULL OR x.deleted_at > now() - sqlc.arg(kept)::interval)
), c AS (
    UPDATE credentials x SET deleted_at = NULL, updated_at = now(), verified = false, verified_at = NULL, health = 'unchecked', health_reason = NULL,
        health_message = NULL, health_at = now(), failures = 0, next_check_at = now()
    FROM n WHERE x.user_id = n.user_id AND x.id = n.id AND x.deleted_at IS NOT NULL AND n.live < sqlc.arg(max_live)::int
    RETURNING x.id, x.user_id, x.service, x.name
), s AS ( -- enabled at the moment of the deletion, which did not see it
    DELETE FROM service_configs d WHERE (d.user_id, d.credential_id) IN (SELECT c.user_id, c.id FROM c)
), a AS (
    INSERT INTO audit_logs (user_id, action, service, status, metadata)
    SELECT c.user_id, 'credential_restored', c.service, 'success',
        sqlc.arg(metadata)::jsonb || jsonb_build_object('credentialId', c.id, 'name', c.name) FROM c
)
SELECT n.alive, n.live::int AS live, (c.id IS NOT NULL)::boolean AS restored FROM n LEFT JOIN c ON true;

-- name: TakeCredential :one
-- Hands out the sealed record and says in the audit for what, in one statement: there is no use without a trace.
WITH c AS (
    SELECT x.id, x.uid, x.user_id, x.service, x.name, x.encrypted_data, x.version, x.host FROM credentials x
    WHERE x.user_id = current_user_no() AND x.id = sqlc.arg(id) AND x.deleted_at IS NULL AND x.encrypted_data IS NOT NULL
), a AS (
    INSERT INTO audit_logs (user_id, action, service, status, metadata)
    SELECT c.user_id, 'credential_accessed', c.service, 'success', sqlc.arg(metadata)::jsonb || jsonb_strip_nulls(jsonb_build_object(
        'credentialId', c.id, 'name', c.name, 'purpose', sqlc.arg(purpose)::text, 'host', c.host, 'jobId', nullif(sqlc.arg(job)::text, ''))) FROM c
)
SELECT c.id, c.uid, c.service, c.encrypted_data, c.version,
    coalesce((SELECT m.spreadsheet_id FROM sheet_mappings m WHERE m.user_id = c.user_id
        ORDER BY (m.service = c.service) DESC, m.updated_at DESC LIMIT 1), '')::text AS spreadsheet_id
FROM c;

-- name: PurgeCredentialsSystem :one
-- Their versions and tokens go with them. The outer condition is for one that is restored at this moment.
WITH d AS (DELETE FROM credentials WHERE deleted_at < now() - sqlc.arg(kept)::interval AND id IN (SELECT c.id FROM credentials c
    WHERE c.deleted_at < now() - sqlc.arg(kept)::interval ORDER BY c.deleted_at LIMIT sqlc.arg(batch)::int) RETURNING 1)
SELECT count(*) FROM d;

-- name: RecordRefused :exec
-- A write that was refused.
INSERT INTO audit_logs (user_id, action, service, status, error_message, metadata)
VALUES (current_user_no(), sqlc.arg(action), sqlc.narg(service), 'failure', sqlc.arg(error_message)::text, sqlc.arg(metadata)::jsonb);
