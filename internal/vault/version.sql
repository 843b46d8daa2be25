-- The history of a credential's content, and of its uses. All run in a user scope unless the name says System; they filter by
-- current_user_no() besides, so that the policies are the second wall and not the only one.

-- name: CredentialHead :one
-- What a new content of a credential is compared with and bound to.
SELECT id, uid, service, name, version, fingerprint, verified, updated_at FROM credentials
WHERE user_id = current_user_no() AND id = sqlc.arg(id) AND deleted_at IS NULL;

-- name: RenameCredential :one
-- No row: the credential is not at this version any more.
WITH c AS (
    UPDATE credentials x SET name = sqlc.arg(name), updated_at = now()
    WHERE x.user_id = current_user_no() AND x.id = sqlc.arg(id) AND x.version = sqlc.arg(version) AND x.deleted_at IS NULL
    RETURNING x.id, x.user_id, x.service, x.name, x.version, x.verified, x.updated_at
), a AS (
    INSERT INTO audit_logs (user_id, action, service, status, metadata)
    SELECT c.user_id, 'credential_updated', c.service, 'success', sqlc.arg(metadata)::jsonb || jsonb_build_object(
        'credentialId', c.id, 'name', c.name, 'version', c.version, 'changed', jsonb_build_array('name')) FROM c
)
SELECT c.id, c.service, c.name, c.version, c.verified, c.updated_at FROM c;

-- name: ReplaceCredential :one
-- The new content, bound to the next version; the old one goes into the history, whose oldest entries make room. Whatever
-- was known of the old content is forgotten. No row: the credential is not at this version any more, or the user's keys
-- were replaced since they were read (key_id; the lock holds off a rotation).
WITH k AS MATERIALIZED (
    SELECT v.user_id FROM vault_keys v
    WHERE v.user_id = current_user_no() AND coalesce(v.key_id, sqlc.arg(key_id)::bigint) = sqlc.arg(key_id)::bigint
    FOR UPDATE
), o AS MATERIALIZED (
    SELECT x.id, x.user_id, x.name, x.version, x.type, x.encrypted_data, x.preview, x.fingerprint, x.expires_at,
        coalesce(x.content_at, x.created_at) AS content_at
    FROM credentials x JOIN k ON k.user_id = x.user_id
    WHERE x.id = sqlc.arg(id) AND x.version = sqlc.arg(version)::int AND x.deleted_at IS NULL AND x.encrypted_data IS NOT NULL
    FOR UPDATE OF x
), c AS (
    UPDATE credentials x SET name = coalesce(sqlc.narg(name)::text, x.name), type = sqlc.arg(type), encrypted_data = sqlc.arg(encrypted_data)::text,
        version = o.version + 1, preview = sqlc.arg(preview), fingerprint = sqlc.arg(fingerprint), host = sqlc.arg(host), content_at = now(),
        expires_at = sqlc.narg(expires_at), updated_at = now(), verified = false, verified_at = NULL, connected_as = NULL,
        source_timezone = NULL, source_currency = NULL, health = 'unchecked', health_reason = NULL, health_message = NULL, health_at = now(),
        checked_at = NULL, next_check_at = now(), failures = 0, alerted_days = NULL
    FROM o WHERE x.user_id = o.user_id AND x.id = o.id
    RETURNING x.id, x.user_id, x.service, x.name, x.version, x.verified, x.updated_at, (x.name <> o.name)::boolean AS renamed
), h AS (
    INSERT INTO credential_versions (user_id, credential_id, version, type, encrypted_data, preview, fingerprint, expires_at, created_at)
    SELECT o.user_id, o.id, o.version, o.type, o.encrypted_data, o.preview, o.fingerprint, o.expires_at, o.content_at FROM o
), p AS (
    DELETE FROM credential_versions v USING o
    WHERE v.user_id = o.user_id AND v.credential_id = o.id AND v.version <= o.version - sqlc.arg(keep)::int
), t AS (
    DELETE FROM credential_tokens g USING o WHERE g.user_id = o.user_id AND g.credential_id = o.id
), a AS (
    INSERT INTO audit_logs (user_id, action, service, status, metadata)
    SELECT c.user_id, 'credential_updated', c.service, 'success', sqlc.arg(metadata)::jsonb || jsonb_build_object('credentialId', c.id,
        'name', c.name, 'version', c.version, 'changed', CASE WHEN c.renamed THEN '["content", "name"]'::jsonb ELSE '["content"]'::jsonb END) FROM c
)
SELECT c.id, c.service, c.name, c.version, c.verified, c.updated_at FROM c;

-- name: ListVersions :many
-- The newest first; the first is the present content. No row: no such credential.
SELECT v.version, v.type, v.preview, v.created_at, v.replaced_at, false AS current FROM credential_versions v
JOIN credentials x ON x.user_id = v.user_id AND x.id = v.credential_id AND x.deleted_at IS NULL
WHERE v.user_id = current_user_no() AND v.credential_id = sqlc.arg(id)
UNION ALL
SELECT x.version, x.type, x.preview, coalesce(x.content_at, x.created_at), now(), true FROM credentials x
WHERE x.user_id = current_user_no() AND x.id = sqlc.arg(id) AND x.deleted_at IS NULL
ORDER BY version DESC;

-- name: TakeVersion :one
-- Hands out an old record to be sealed anew, and says so in the audit.
WITH c AS (
    SELECT x.id, x.uid, x.user_id, x.service, x.name, v.version, v.encrypted_data, v.fingerprint, v.expires_at FROM credential_versions v
    JOIN credentials x ON x.user_id = v.user_id AND x.id = v.credential_id AND x.deleted_at IS NULL
    WHERE v.user_id = current_user_no() AND v.credential_id = sqlc.arg(id) AND v.version = sqlc.arg(version)
), a AS (
    INSERT INTO audit_logs (user_id, action, service, status, metadata)
    SELECT c.user_id, 'credential_accessed', c.service, 'success', sqlc.arg(metadata)::jsonb || jsonb_build_object('credentialId', c.id,
        'name', c.name, 'purpose', 'restore', 'version', c.version) FROM c
)
SELECT c.uid, c.service, c.version, c.encrypted_data, c.fingerprint, c.expires_at FROM c;

-- name: RecordUnreadableVersion :exec
INSERT INTO audit_logs (user_id, action, service, status, error_message, metadata)
VALUES (current_user_no(), 'credential_accessed', sqlc.arg(service)::text, 'failure', sqlc.arg(message)::text, sqlc.arg(metadata));

-- name: ListUses :many
-- Each opening of a credential, the newest first; audit_logs_credential_idx carries it. A row without an id: the credential
-- is there, and was not used. No row: there is no such credential.
SELECT coalesce(l.id, 0)::bigint AS id, coalesce(l.created_at, now())::timestamptz AS used_at, coalesce(l.status, '')::text AS status,
    coalesce(l.metadata ->> 'purpose', '')::text AS purpose, coalesce(l.metadata ->> 'host', '')::text AS host,
    coalesce(l.metadata ->> 'jobId', '')::text AS job_id
FROM credentials x
LEFT JOIN audit_logs l ON l.user_id = x.user_id AND l.metadata ->> 'credentialId' = x.id::text AND l.action = 'credential_accessed'
    AND (sqlc.arg(before)::bigint = 0 OR l.id < sqlc.arg(before)::bigint)
WHERE x.user_id = current_user_no() AND x.id = sqlc.arg(id)
ORDER BY l.id DESC
LIMIT sqlc.arg(max)::int;

-- name: PurgeVersionsSystem :one
WITH d AS (DELETE FROM credential_versions WHERE (user_id, credential_id, version) IN (SELECT v.user_id, v.credential_id, v.version
    FROM credential_versions v WHERE v.replaced_at < now() - sqlc.arg(kept)::interval ORDER BY v.replaced_at LIMIT sqlc.arg(batch)::int) RETURNING 1)
SELECT count(*) FROM d;
