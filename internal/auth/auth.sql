-- Statements of package auth. All run in an app scope unless the name says System.

-- name: EnsureAppSystem :exec
INSERT INTO apps (id, name) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING;

-- name: AppsSystem :many
SELECT id FROM apps;

-- name: CreateUser :one
-- The user, the first session and the audit row, or none of them.
WITH u AS (
    INSERT INTO users (id, app_id, email, password_hash, role)
    VALUES (sqlc.arg(id), sqlc.arg(app_id), sqlc.arg(email), sqlc.arg(password_hash), sqlc.arg(role))
    RETURNING id, app_id, token_version
), s AS (
    INSERT INTO refresh_tokens (id, app_id, user_id, token_version, expires_at, absolute_expires_at, user_agent, ip)
    SELECT sqlc.arg(session_id), u.app_id, u.id, u.token_version, sqlc.arg(expires_at), sqlc.arg(absolute_expires_at),
        sqlc.arg(user_agent), sqlc.arg(ip)
    FROM u
), a AS (
    INSERT INTO audit (app_id, user_id, actor, action, ip, user_agent, meta)
    SELECT u.app_id, u.id, u.id::text, 'register', sqlc.arg(ip), sqlc.arg(user_agent), sqlc.arg(meta) FROM u
)
SELECT token_version FROM u;

-- name: UserForLogin :one
-- users_email_app_idx carries it.
SELECT id, email, role, password_hash, status, token_version FROM users
WHERE app_id = sqlc.arg(app_id) AND email = sqlc.arg(email);

-- name: OpenSession :execrows
-- Only while the user is still as the password check saw it.
WITH u AS (
    SELECT x.id, x.app_id, x.token_version FROM users x
    WHERE x.app_id = sqlc.arg(app_id) AND x.id = sqlc.arg(user_id) AND x.token_version = sqlc.arg(token_version) AND x.status = 'active'
), s AS (
    INSERT INTO refresh_tokens (id, app_id, user_id, token_version, expires_at, absolute_expires_at, user_agent, ip)
    SELECT sqlc.arg(session_id), u.app_id, u.id, u.token_version, sqlc.arg(expires_at), sqlc.arg(absolute_expires_at),
        sqlc.arg(user_agent), sqlc.arg(ip)
    FROM u
)
INSERT INTO audit (app_id, user_id, actor, action, ip, user_agent, meta)
SELECT u.app_id, u.id, u.id::text, 'login', sqlc.arg(ip), sqlc.arg(user_agent), sqlc.arg(meta) FROM u;

-- name: WriteAudit :exec
INSERT INTO audit (app_id, user_id, actor, action, ip, user_agent, meta)
VALUES (sqlc.arg(app_id), sqlc.narg(user_id), sqlc.narg(actor), sqlc.arg(action), sqlc.arg(ip), sqlc.arg(user_agent), sqlc.arg(meta));

-- name: RotateSession :one
-- One statement rotates. For the grace after a rotation the immediate predecessor gets the same successor; later, or
-- with any older generation, the session is revoked and that is audited. The winner of parallel calls is told by its
-- transaction id: two may rotate within one microsecond. A user's bumped token_version ends the session without a word.
WITH r AS (
    UPDATE refresh_tokens s SET
        generation     = CASE WHEN v.ok AND s.generation = sqlc.arg(generation)::integer THEN s.generation + 1 ELSE s.generation END,
        rotated_at     = CASE WHEN v.ok AND s.generation = sqlc.arg(generation)::integer THEN now() ELSE s.rotated_at END,
        rotated_xid    = CASE WHEN v.ok AND s.generation = sqlc.arg(generation)::integer THEN pg_current_xact_id() ELSE s.rotated_xid END,
        last_used_at   = now(),
        expires_at     = CASE WHEN v.ok AND s.generation = sqlc.arg(generation)::integer
                              THEN least(now() + sqlc.arg(lifetime)::interval, s.absolute_expires_at) ELSE s.expires_at END,
        revoked_at     = CASE WHEN s.generation > sqlc.arg(generation)::integer + 1
                                OR (s.generation = sqlc.arg(generation)::integer + 1 AND now() - s.rotated_at > sqlc.arg(grace)::interval)
                              THEN now() END,
        revoked_reason = CASE WHEN s.generation > sqlc.arg(generation)::integer + 1
                                OR (s.generation = sqlc.arg(generation)::integer + 1 AND now() - s.rotated_at > sqlc.arg(grace)::interval)
                              THEN 'refresh_reuse_detected' END
    FROM (SELECT u.id, u.app_id, u.email, u.role, u.token_version, u.status = 'active' AS ok FROM users u) v
    WHERE s.id = sqlc.arg(session_id) AND s.app_id = v.app_id AND s.user_id = v.id AND s.token_version = v.token_version
        AND s.revoked_at IS NULL AND s.expires_at > now() AND s.absolute_expires_at > now()
        AND s.generation >= sqlc.arg(generation)::integer
    RETURNING s.id, s.app_id, s.user_id, s.generation, coalesce(s.rotated_xid = pg_current_xact_id(), false) AS rotated,
        s.revoked_at, s.expires_at, v.email, v.role, v.token_version, v.ok
), a AS (
    INSERT INTO audit (app_id, user_id, actor, action, ip, user_agent, meta)
    SELECT r.app_id, r.user_id, r.user_id::text,
        CASE WHEN r.revoked_at IS NOT NULL THEN 'refresh_reuse_detected' ELSE 'refresh' END,
        sqlc.arg(ip), sqlc.arg(user_agent), sqlc.arg(meta)
    FROM r WHERE r.revoked_at IS NOT NULL OR (r.ok AND r.rotated)
)
SELECT r.user_id, r.email, r.role, r.token_version, r.generation, r.expires_at,
    (CASE WHEN r.revoked_at IS NOT NULL THEN 'reuse' WHEN NOT r.ok THEN 'inactive' ELSE 'ok' END)::text AS outcome
FROM r;

-- name: EndSession :exec
-- Ends a session and, with a jti, the access token that was presented for it. Nothing happens twice.
WITH s AS (
    UPDATE refresh_tokens t SET revoked_at = now(), revoked_reason = sqlc.arg(reason)
    WHERE t.id = sqlc.arg(session_id) AND t.revoked_at IS NULL
    RETURNING t.app_id, t.user_id
), j AS (
    INSERT INTO revoked_jti (jti, app_id, user_id, reason, expires_at)
    SELECT sqlc.narg(jti)::text, u.app_id, u.id, sqlc.arg(reason), sqlc.arg(jti_expires_at)
    FROM users u WHERE u.id = sqlc.arg(user_id) AND sqlc.narg(jti)::text IS NOT NULL
    ON CONFLICT (jti) DO NOTHING
)
INSERT INTO audit (app_id, user_id, actor, action, ip, user_agent, meta)
SELECT s.app_id, s.user_id, s.user_id::text, 'logout', sqlc.arg(ip), sqlc.arg(user_agent), sqlc.arg(meta) FROM s;

-- name: LiveUser :one
-- What a signature cannot know: the user as of now, and whether token or session were revoked. Three primary keys.
SELECT u.email, u.role, u.status, u.token_version, u.email_verified, u.created_at,
    (EXISTS (SELECT FROM revoked_jti j WHERE j.jti = sqlc.arg(jti))
     OR EXISTS (SELECT FROM refresh_tokens s WHERE s.id = sqlc.arg(session_id) AND s.revoked_at IS NOT NULL))::boolean AS revoked
FROM users u WHERE u.app_id = sqlc.arg(app_id) AND u.id = sqlc.arg(user_id);

-- name: SigningKeysSystem :many
SELECT kid, public_pem, private_pem, created_at FROM keys WHERE is_active ORDER BY created_at DESC, kid;

-- name: InsertSigningKeySystem :exec
INSERT INTO keys (kid, public_pem, private_pem) VALUES ($1, $2, $3);

-- name: LockKeysSystem :exec
-- Serialises the first start of several servers, so that one key and one secret are made.
SELECT pg_advisory_xact_lock(7205759403792795);

-- name: SecretSystem :one
SELECT sealed FROM server_secrets WHERE name = $1;

-- name: InsertSecretSystem :exec
INSERT INTO server_secrets (name, sealed) VALUES ($1, $2);
