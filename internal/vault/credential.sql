-- Credentials. All run in a user scope unless the name says System; they filter by current_user_no()
-- besides, so that the policies are the second wall and not the only one.

-- name: SaveCredential :one
-- The credential, the service configuration that points to it, and the audit row. No row: the limit is reached, or the
-- user's keys were replaced since they were read (key_id).
WITH c AS (
    INSERT INTO credentials (uid, user_id, service, name, type, encrypted_data, preview, fingerprint, host, expires_at, next_check_at)
    SELECT sqlc.arg(uid), current_user_no(), sqlc.arg(service)::text, sqlc.arg(name), sqlc.arg(type), sqlc.arg(encrypted_data)::text,
        sqlc.arg(preview), sqlc.arg(fingerprint), sqlc.arg(host), sqlc.narg(expires_at), now()
    WHERE EXISTS (SELECT FROM vault_keys k WHERE k.user_id = current_user_no() AND coalesce(k.key_id, sqlc.arg(key_id)::bigint) = sqlc.arg(key_id)::bigint)
        AND (SELECT count(*) FROM credentials l WHERE l.user_id = current_user_no() AND l.service = sqlc.arg(service)::text
        AND l.deleted_at IS NULL) < sqlc.arg(max_live)::int
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
SELECT c.id, c.created_at FROM c;

-- name: ListCredentials :many
SELECT id, service, name, type, preview, verified, verified_at, expires_at, created_at, updated_at FROM credentials
WHERE user_id = current_user_no() AND deleted_at IS NULL
ORDER BY created_at DESC, id DESC;

-- name: GetCredential :one
SELECT id, service, name, type, preview, verified, verified_at, expires_at, created_at, updated_at FROM credentials
WHERE user_id = current_user_no() AND id = sqlc.arg(id) AND deleted_at IS NULL;

-- name: DeleteCredential :one
-- The sealed row stays, restorable, until it is purged.
WITH c AS (
    UPDATE credentials x SET deleted_at = now(), updated_at = now()
    WHERE x.user_id = current_user_no() AND x.id = sqlc.arg(id) AND x.deleted_at IS NULL
    RETURNING x.id, x.user_id, x.service, x.name
), s AS (
    DELETE FROM service_configs d WHERE (d.user_id, d.credential_id) IN (SELECT c.user_id, c.id FROM c)
), a AS (
    INSERT INTO audit_logs (user_id, action, service, status, metadata)
    SELECT c.user_id, 'credential_deleted', c.service, 'success',
        sqlc.arg(metadata)::jsonb || jsonb_build_object('credentialId', c.id, 'name', c.name) FROM c
)
SELECT c.id FROM c;

-- name: TakeCredential :one
-- Hands out the sealed record and says in the audit for what, in one statement: there is no use without a trace.
WITH c AS (
    SELECT x.id, x.uid, x.user_id, x.service, x.name, x.encrypted_data, x.version FROM credentials x
    WHERE x.user_id = current_user_no() AND x.id = sqlc.arg(id) AND x.deleted_at IS NULL AND x.encrypted_data IS NOT NULL
), a AS (
    INSERT INTO audit_logs (user_id, action, service, status, metadata)
    SELECT c.user_id, 'credential_accessed', c.service, 'success',
        sqlc.arg(metadata)::jsonb || jsonb_build_object('credentialId', c.id, 'name', c.name, 'purpose', sqlc.arg(purpose)::text) FROM c
)
SELECT c.id, c.uid, c.service, c.encrypted_data, c.version,
    coalesce((SELECT m.spreadsheet_id FROM sheet_mappings m WHERE m.user_id = c.user_id
        ORDER BY (m.service = c.service) DESC, m.updated_at DESC LIMIT 1), '')::text AS spreadsheet_id
FROM c;

-- name: RecordVerification :one
-- version: a credential whose content was replaced during the check keeps its own, unverified state.
WITH c AS (
    UPDATE credentials x SET
        verified = sqlc.arg(verified)::boolean,
        verified_at = CASE WHEN sqlc.arg(verified)::boolean THEN now() END,
        connected_as = CASE WHEN sqlc.arg(verified)::boolean THEN sqlc.narg(connected_as)::text ELSE x.connected_as END,
        source_timezone = coalesce(sqlc.narg(source_timezone)::text, x.source_timezone),
        source_currency = coalesce(sqlc.narg(source_currency)::text, x.source_currency),
        expires_at = CASE WHEN sqlc.arg(verified)::boolean THEN sqlc.narg(expires_at)::timestamptz ELSE x.expires_at END
    WHERE x.user_id = current_user_no() AND x.id = sqlc.arg(id) AND x.version = sqlc.arg(version) AND x.deleted_at IS NULL
    RETURNING x.id, x.user_id, x.service, x.name
), a AS (
    INSERT INTO audit_logs (user_id, action, service, status, error_message, metadata)
    SELECT c.user_id, CASE WHEN sqlc.arg(verified)::boolean THEN 'credential_verified' ELSE 'verification_failed' END, c.service,
        CASE WHEN sqlc.arg(verified)::boolean THEN 'success' ELSE 'failure' END, sqlc.narg(error_message)::text,
        sqlc.arg(metadata)::jsonb || jsonb_build_object('credentialId', c.id, 'name', c.name) FROM c
)
SELECT c.id FROM c;

-- name: RecordUnreadable :exec
INSERT INTO audit_logs (user_id, action, service, status, error_message, metadata)
VALUES (current_user_no(), 'credential_accessed', sqlc.arg(service)::text, 'failure', sqlc.arg(error_message)::text, sqlc.arg(metadata));
