-- Statements of package vault. All run in a user scope unless the name says System; they filter by current_user_no()
-- besides, so that the policies are the second wall and not the only one.

-- name: UserKeys :one
SELECT root_id, keyset, index_key FROM vault_keys WHERE user_id = current_user_no();

-- name: CreateUserKeys :exec
-- The first of parallel calls wins; all read the winner's keys afterwards.
INSERT INTO vault_keys (user_id, root_id, keyset, index_key)
VALUES (current_user_no(), sqlc.arg(root_id), sqlc.arg(keyset), sqlc.arg(index_key))
ON CONFLICT (user_id) DO NOTHING;

-- name: SaveCredential :one
-- The credential, the service configuration that points to it, and the audit row. No row: the limit is reached.
WITH c AS (
    INSERT INTO credentials (uid, user_id, service, name, type, encrypted_data, preview, fingerprint)
    SELECT sqlc.arg(uid), current_user_no(), sqlc.arg(service)::text, sqlc.arg(name), sqlc.arg(type), sqlc.arg(encrypted_data)::text,
        sqlc.arg(preview), sqlc.arg(fingerprint)
    WHERE (SELECT count(*) FROM credentials l WHERE l.user_id = current_user_no() AND l.service = sqlc.arg(service)::text
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

-- name: ListServices :many
SELECT s.service, s.enabled, c.id AS credential_id, c.name, c.verified FROM service_configs s
JOIN credentials c ON c.user_id = s.user_id AND c.id = s.credential_id AND c.deleted_at IS NULL
WHERE s.user_id = current_user_no();

-- name: EnableService :one
-- No row: no such credential of this user. Another service than asked for: nothing was written.
WITH c AS (
    SELECT x.id, x.user_id, x.service, x.service = sqlc.arg(service)::text AS fits FROM credentials x
    WHERE x.user_id = current_user_no() AND x.id = sqlc.arg(credential_id) AND x.deleted_at IS NULL
    FOR SHARE -- a deletion at this moment waits, and then finds the configuration
), s AS (
    INSERT INTO service_configs (user_id, service, credential_id)
    SELECT c.user_id, c.service, c.id FROM c WHERE c.fits
    ON CONFLICT (user_id, service) DO UPDATE SET credential_id = excluded.credential_id, enabled = true, updated_at = now()
    RETURNING service_configs.user_id, service_configs.service, service_configs.credential_id
), a AS (
    INSERT INTO audit_logs (user_id, action, service, status, metadata)
    SELECT s.user_id, 'service_enabled', s.service, 'success',
        sqlc.arg(metadata)::jsonb || jsonb_build_object('credentialId', s.credential_id) FROM s
)
SELECT c.service FROM c;

-- name: DisableService :one
WITH s AS (
    UPDATE service_configs x SET enabled = false, updated_at = now()
    WHERE x.user_id = current_user_no() AND x.service = sqlc.arg(service)::text
    RETURNING x.user_id, x.service, x.credential_id
), a AS (
    INSERT INTO audit_logs (user_id, action, service, status, metadata)
    SELECT s.user_id, 'service_disabled', s.service, 'success',
        sqlc.arg(metadata)::jsonb || jsonb_build_object('credentialId', s.credential_id) FROM s
)
SELECT s.credential_id FROM s;

-- name: RootsSystem :many
SELECT id, check_value FROM vault_roots WHERE retired_at IS NULL;

-- name: InsertRootSystem :exec
INSERT INTO vault_roots (id, check_value) VALUES (sqlc.arg(id), sqlc.arg(check_value)) ON CONFLICT (id) DO NOTHING;

-- name: RootInUseSystem :one
SELECT EXISTS (SELECT FROM vault_keys WHERE root_id <> sqlc.arg(root_id));
