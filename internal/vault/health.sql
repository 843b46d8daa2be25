-- Health of credentials. All run in a user scope unless the name says System; they filter by current_user_no() besides, so
-- that the policies are the second wall and not the only one. What follows from a check is decided in health.go alone.

-- name: LockHealth :one
-- What is known of a credential, held until the outcome of a check is written. No row: it was deleted or replaced during the
-- check, or, where a sealed text is given, sealed anew.
SELECT x.service, x.name, x.host, x.verified, x.health, coalesce(x.health_reason, '')::text AS reason, coalesce(x.health_message, '')::text AS message,
    x.health_at, x.failures, x.expires_at, coalesce(x.alerted_days, 0)::smallint AS alerted_days, x.told_broken
FROM credentials x
WHERE x.user_id = current_user_no() AND x.id = sqlc.arg(id) AND x.version = sqlc.arg(version) AND x.deleted_at IS NULL
    AND (sqlc.narg(sealed)::text IS NULL OR x.encrypted_data = sqlc.narg(sealed)::text)
FOR UPDATE;

-- name: RecordHealth :exec
-- What healthAfter decided, the audit of the check (action '': none), and of a change of state.
WITH o AS MATERIALIZED (
    SELECT x.id, x.user_id, x.service, x.name, x.health FROM credentials x WHERE x.user_id = current_user_no() AND x.id = sqlc.arg(id)
), c AS (
    UPDATE credentials x SET verified = sqlc.arg(verified), verified_at = CASE WHEN NOT sqlc.arg(verified)::boolean THEN NULL
            WHEN sqlc.arg(proved)::boolean THEN sqlc.arg(at)::timestamptz ELSE x.verified_at END,
        connected_as = coalesce(sqlc.narg(connected_as)::text, x.connected_as), source_timezone = coalesce(sqlc.narg(source_timezone)::text, x.source_timezone),
        source_currency = coalesce(sqlc.narg(source_currency)::text, x.source_currency), expires_at = sqlc.narg(expires_at)::timestamptz,
        health = sqlc.arg(health)::text, health_reason = nullif(sqlc.arg(reason)::text, ''), health_message = nullif(sqlc.arg(message)::text, ''),
        health_at = sqlc.arg(since)::timestamptz, checked_at = sqlc.arg(at)::timestamptz, next_check_at = sqlc.arg(next_check_at)::timestamptz,
        failures = sqlc.arg(failures)::smallint, alerted_days = nullif(sqlc.arg(alerted_days)::smallint, 0), told_broken = sqlc.arg(told_broken)::boolean
    FROM o WHERE x.user_id = o.user_id AND x.id = o.id
), a AS (
    INSERT INTO audit_logs (user_id, action, service, status, error_message, metadata)
    SELECT o.user_id, sqlc.arg(action)::text, o.service, sqlc.arg(status)::text, nullif(sqlc.arg(error_message)::text, ''),
        sqlc.arg(metadata)::jsonb || jsonb_build_object('credentialId', o.id, 'name', o.name) FROM o WHERE sqlc.arg(action)::text <> ''
)
INSERT INTO audit_logs (user_id, action, service, status, error_message, metadata)
SELECT o.user_id, 'credential_health', o.service, 'success', nullif(sqlc.arg(message)::text, ''), jsonb_build_object('credentialId', o.id, 'name', o.name,
    'from', o.health, 'to', sqlc.arg(health)::text, 'reason', nullif(sqlc.arg(reason)::text, '')) FROM o WHERE o.health <> sqlc.arg(health)::text;

-- name: DueChecksSystem :many
-- The credentials whose check is due, and who they belong to. Each is put off in the same statement, so that no other process
-- takes it and none is lost: its check sets the real time. What nobody uses, and what belongs to somebody who may not act,
-- is looked at again later and not checked; credentials_next_check_idx carries it.
WITH d AS MATERIALIZED (
    SELECT x.id, x.user_id, x.encrypted_data IS NOT NULL AS sealed, x.health <> 'unchecked' OR x.verified_at IS NOT NULL AS known
    FROM credentials x WHERE x.next_check_at <= sqlc.arg(at)::timestamptz AND x.deleted_at IS NULL
    ORDER BY x.next_check_at LIMIT sqlc.arg(batch)::int FOR UPDATE SKIP LOCKED
), w AS MATERIALIZED (
    SELECT d.id, d.sealed AND u.status = 'active' AND (d.known OR EXISTS (SELECT FROM service_configs s
        WHERE s.user_id = d.user_id AND s.credential_id = d.id AND s.enabled)) AS checked, u.id AS person
    FROM d JOIN users u ON u.user_no = d.user_id -- of the batch alone: of all that are due PostgreSQL would rather read every configuration
), c AS (
    UPDATE credentials x SET next_check_at = sqlc.arg(at)::timestamptz + CASE WHEN w.checked THEN sqlc.arg(claim)::interval ELSE sqlc.arg(idle)::interval END
    FROM w WHERE x.id = w.id
)
SELECT w.id, w.person, w.checked::boolean AS checked FROM w;
