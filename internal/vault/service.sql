-- Services and the credentials they use. All run in a user scope unless the name says System; they filter by current_user_no()
-- besides, so that the policies are the second wall and not the only one.

-- name: ListServices :many
SELECT s.service, s.enabled, c.id AS credential_id, c.name, c.verified FROM service_configs s
JOIN credentials c ON c.user_id = s.user_id AND c.id = s.credential_id AND c.deleted_at IS NULL
WHERE s.user_id = current_user_no();

-- name: EnableService :one
-- No row: no such credential of this user. Another service than asked for: nothing was written.
WITH c AS (
    SELECT x.id, x.user_id, x.service, x.service = sqlc.arg(service)::text AS fits FROM credentials x
    WHERE x.user_id = current_user_no() AND x.id = sqlc.arg(credential_id) AND x.deleted_at IS NULL
    FOR NO KEY UPDATE -- as n below, which two of them at once could not get past a share of each; a deletion at this moment waits, and what it overlooks a restore removes
), s AS (
    INSERT INTO service_configs (user_id, service, credential_id)
    SELECT c.user_id, c.service, c.id FROM c WHERE c.fits
    ON CONFLICT (user_id, service) DO UPDATE SET credential_id = excluded.credential_id, enabled = true, updated_at = now()
    RETURNING service_configs.user_id, service_configs.service, service_configs.credential_id
), n AS ( -- what is used from now on is checked soon
    UPDATE credentials x SET next_check_at = now() FROM s
    WHERE x.user_id = s.user_id AND x.id = s.credential_id AND x.health = 'unchecked'
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
