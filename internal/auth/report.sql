-- Reports for the command line (report.go). All run in the system scope, over all apps.

-- name: RefreshTokensSystem :many
-- Sessions whatever became of them, newest first. Ended: the user signed out everywhere, or may not act.
SELECT t.id, t.app_id, t.user_id, t.email, t.generation, t.created_at, t.last_used_at, t.ends_at, t.revoked_at, t.revoked_reason, t.state
FROM (
    SELECT s.id, s.app_id, s.user_id, u.email, s.generation, s.created_at, s.last_used_at, s.revoked_at, s.revoked_reason,
        least(s.expires_at, s.absolute_expires_at)::timestamptz AS ends_at,
        (CASE WHEN s.revoked_at IS NOT NULL THEN 'revoked'
              WHEN least(s.expires_at, s.absolute_expires_at) <= now() THEN 'expired'
              WHEN s.token_version <> u.token_version OR u.status <> 'active' THEN 'ended'
              ELSE 'active' END)::text AS state
    FROM refresh_tokens s JOIN users u ON u.app_id = s.app_id AND u.id = s.user_id
    WHERE sqlc.narg(user_id)::uuid IS NULL OR s.user_id = sqlc.narg(user_id)::uuid
) t
WHERE NOT sqlc.arg(active_only)::boolean OR t.state = 'active'
ORDER BY t.created_at DESC, t.id DESC LIMIT sqlc.arg(max)::int;

-- name: RevokedTokenSystem :one
SELECT r.app_id, r.user_id, coalesce(r.reason, '')::text AS reason, r.created_at, r.expires_at FROM revoked_jti r WHERE r.jti = sqlc.arg(jti);

-- name: RevokedTokenCountsSystem :many
SELECT r.app_id, count(*) AS total, count(*) FILTER (WHERE r.expires_at > now()) AS active FROM revoked_jti r GROUP BY r.app_id ORDER BY r.app_id;

-- name: PurgeOldRevokedSystem :one
WITH d AS (DELETE FROM revoked_jti WHERE jti IN (SELECT r.jti FROM revoked_jti r
    WHERE r.expires_at < now() - sqlc.arg(age)::interval ORDER BY r.expires_at LIMIT sqlc.arg(batch)::int) RETURNING 1)
SELECT count(*) FROM d;

-- name: FailedLoginsSystem :many
-- No user: the address is nobody's, and is not written down.
SELECT a.created_at, a.app_id, a.user_id, coalesce(u.email, '')::text AS email, a.action, a.ip, a.user_agent
FROM audit a LEFT JOIN users u ON u.app_id = a.app_id AND u.id = a.user_id
WHERE a.action IN ('login_failed', 'account_locked') AND a.created_at >= sqlc.arg(since)::timestamptz
    AND (sqlc.narg(user_id)::uuid IS NULL OR a.user_id = sqlc.narg(user_id)::uuid)
    AND (sqlc.arg(email)::text = '' OR u.email = sqlc.arg(email)::text)
ORDER BY a.created_at DESC, a.id DESC LIMIT sqlc.arg(max)::int;

-- name: SuspiciousSystem :many
-- What a person should look at: sources and accounts with many failures, refresh tokens that came back, refused administration.
WITH e AS (
    SELECT a.app_id, a.user_id, a.actor, a.action, a.ip, a.created_at FROM audit a
    WHERE a.action IN ('login_failed', 'account_locked', 'refresh_reuse_detected', 'admin_refused') AND a.created_at >= sqlc.arg(since)::timestamptz
), found AS (
    SELECT 'failures_from_address' AS kind, coalesce(e.ip, '') AS subject, '' AS app_id, count(*) AS events, count(DISTINCT e.user_id) AS others,
        min(e.created_at) AS first_at, max(e.created_at) AS last_at
    FROM e WHERE e.action = 'login_failed' AND e.ip IS NOT NULL GROUP BY e.ip HAVING count(*) >= sqlc.arg(threshold)::int
    UNION ALL
    SELECT 'failures_of_account', e.user_id::text, e.app_id, count(*), count(DISTINCT e.ip), min(e.created_at), max(e.created_at)
    FROM e WHERE e.action = 'login_failed' AND e.user_id IS NOT NULL GROUP BY e.user_id, e.app_id HAVING count(*) >= sqlc.arg(threshold)::int
    UNION ALL
    SELECT e.action, coalesce(e.user_id::text, e.actor, ''), e.app_id, count(*), count(DISTINCT e.ip), min(e.created_at), max(e.created_at)
    FROM e WHERE e.action <> 'login_failed' GROUP BY e.action, coalesce(e.user_id::text, e.actor, ''), e.app_id
)
SELECT f.kind::text AS kind, f.subject::text AS subject, f.app_id::text AS app_id, coalesce(u.email, '')::text AS email, f.events, f.others,
    f.first_at::timestamptz AS first_at, f.last_at::timestamptz AS last_at
FROM found f LEFT JOIN users u ON u.app_id = f.app_id AND u.id::text = f.subject
ORDER BY f.events DESC, f.last_at DESC;

-- name: ActionCountsSystem :many
SELECT a.action, count(*) AS events, count(DISTINCT a.user_id) AS users, count(DISTINCT a.ip) AS addresses, max(a.created_at)::timestamptz AS last_at
FROM audit a WHERE a.created_at >= sqlc.arg(since)::timestamptz GROUP BY a.action ORDER BY count(*) DESC, a.action;

-- name: UserCountsSystem :many
SELECT u.app_id, count(*) AS total, count(*) FILTER (WHERE u.email_verified) AS verified, count(*) FILTER (WHERE u.role = 'admin') AS admins,
    count(*) FILTER (WHERE u.status <> 'active') AS inactive, count(*) FILTER (WHERE u.created_at >= sqlc.arg(since)::timestamptz) AS made,
    (SELECT count(DISTINCT a.user_id) FROM audit a WHERE a.app_id = u.app_id AND a.action IN ('register', 'login', 'refresh')
        AND a.created_at >= sqlc.arg(since)::timestamptz) AS seen
FROM users u GROUP BY u.app_id ORDER BY u.app_id;

-- name: TokenCountsSystem :one
SELECT (SELECT count(*) FROM refresh_tokens s JOIN users u ON u.app_id = s.app_id AND u.id = s.user_id
        WHERE s.revoked_at IS NULL AND s.expires_at > now() AND s.absolute_expires_at > now() AND s.token_version = u.token_version
            AND u.status = 'active') AS live,
    (SELECT count(*) FROM refresh_tokens s WHERE s.created_at >= sqlc.arg(since)::timestamptz) AS opened,
    (SELECT count(*) FROM refresh_tokens s WHERE s.revoked_at >= sqlc.arg(since)::timestamptz) AS revoked,
    (SELECT count(*) FROM revoked_jti r WHERE r.created_at >= sqlc.arg(since)::timestamptz) AS access_revoked,
    (SELECT count(*) FROM audit a WHERE a.action = 'refresh' AND a.created_at >= sqlc.arg(since)::timestamptz) AS refreshes,
    (SELECT count(*) FROM audit a WHERE a.action = 'refresh_reuse_detected' AND a.created_at >= sqlc.arg(since)::timestamptz) AS reused;

-- name: LoginDaysSystem :many
-- Days of UTC without any sign-in are absent.
SELECT (a.created_at AT TIME ZONE 'UTC')::date AS day, count(*) FILTER (WHERE a.action = 'login') AS logins,
    count(*) FILTER (WHERE a.action = 'login_failed') AS failed, (count(DISTINCT a.user_id) FILTER (WHERE a.action = 'login'))::bigint AS users
FROM audit a WHERE a.action IN ('login', 'login_failed') AND a.created_at >= sqlc.arg(since)::timestamptz
GROUP BY (a.created_at AT TIME ZONE 'UTC')::date ORDER BY 1 DESC;

-- name: LoginHoursSystem :many
-- The hours of the day in UTC.
SELECT extract(hour FROM a.created_at AT TIME ZONE 'UTC')::int AS hour, count(*) FILTER (WHERE a.action = 'login') AS logins,
    count(*) FILTER (WHERE a.action = 'login_failed') AS failed, (count(DISTINCT a.user_id) FILTER (WHERE a.action = 'login'))::bigint AS users
FROM audit a WHERE a.action IN ('login', 'login_failed') AND a.created_at >= sqlc.arg(since)::timestamptz
GROUP BY 1 ORDER BY 1;

-- name: TopUsersSystem :many
-- Deleted users are no longer named in the audit.
SELECT t.user_id::uuid AS user_id, t.app_id, coalesce(u.email, '')::text AS email, t.events, t.last_at::timestamptz AS last_at
FROM (SELECT a.user_id, a.app_id, count(*) AS events, max(a.created_at) AS last_at FROM audit a
    WHERE a.user_id IS NOT NULL AND a.created_at >= sqlc.arg(since)::timestamptz AND (sqlc.arg(action)::text = '' OR a.action = sqlc.arg(action)::text)
    GROUP BY a.user_id, a.app_id ORDER BY count(*) DESC, a.user_id LIMIT sqlc.arg(max)::int) t
LEFT JOIN users u ON u.app_id = t.app_id AND u.id = t.user_id
ORDER BY t.events DESC, t.user_id;
