-- Statements about who users are at other issuers. All run in an app scope unless the name says System. The password_hash
-- of a user without a password is '!'.

-- name: EnsureClosedAppSystem :exec
-- The app of an issuer's users, where nobody registers.
INSERT INTO apps (id, name, registration_open) VALUES ($1, $2, false) ON CONFLICT (id) DO NOTHING;

-- name: UserByIdentity :one
-- The primary key carries it. That the identity was seen is written at most once an hour.
WITH i AS (
    SELECT x.app_id, x.id, x.user_id FROM user_identities x
    WHERE x.app_id = sqlc.arg(app_id) AND x.issuer = sqlc.arg(issuer) AND x.subject = sqlc.arg(subject)
), seen AS (
    UPDATE user_identities x SET last_seen_at = now() FROM i
    WHERE x.app_id = i.app_id AND x.id = i.id AND x.last_seen_at < now() - interval '1 hour'
)
SELECT i.id AS identity_id, u.id, u.app_id, u.email, u.role, u.status, u.email_verified, u.token_version, u.created_at, a.not_before
FROM i JOIN users u ON u.app_id = i.app_id AND u.id = i.user_id JOIN apps a ON a.id = u.app_id;

-- name: LockIdentity :exec
-- One at a time makes the user of an identity. The first number keeps clear of other locks.
SELECT pg_advisory_xact_lock(7205759, hashtext(sqlc.arg(identity)::text));

-- name: AdoptIdentity :execrows
-- An identity whose issuer was not known when it came (an import) gets its name.
UPDATE user_identities SET issuer = sqlc.arg(issuer)
WHERE app_id = sqlc.arg(app_id) AND issuer = sqlc.arg(unnamed) AND subject = sqlc.arg(subject);

-- name: CreateForeignUser :execrows
-- User and identity, or neither: 0 where another user of the app has the address.
WITH u AS (
    INSERT INTO users (id, app_id, email, password_hash, email_verified, name)
    VALUES (sqlc.arg(id), sqlc.arg(app_id), sqlc.arg(email), '!', sqlc.arg(email_verified), sqlc.narg(name))
    ON CONFLICT (email, app_id) DO NOTHING
    RETURNING id, app_id
)
INSERT INTO user_identities (app_id, issuer, subject, user_id, email)
SELECT u.app_id, sqlc.arg(issuer), sqlc.arg(subject), u.id, sqlc.narg(claimed) FROM u;

-- name: Identities :many
SELECT id, issuer, subject, email, created_at, last_seen_at FROM user_identities
WHERE app_id = sqlc.arg(app_id) AND user_id = sqlc.arg(user_id) ORDER BY created_at, id;

-- name: RemoveIdentity :one
-- The user is locked. Nothing is removed that is the last way to sign in. What servers remember of the identity ends as a
-- session does, by its id.
WITH i AS (
    SELECT x.id FROM user_identities x WHERE x.app_id = sqlc.arg(app_id) AND x.user_id = sqlc.arg(user_id) AND x.id = sqlc.arg(id)
), d AS (
    DELETE FROM user_identities x USING i, users u
    WHERE x.app_id = sqlc.arg(app_id) AND x.id = i.id AND u.app_id = x.app_id AND u.id = x.user_id
        AND (u.password_hash <> '!'
            OR EXISTS (SELECT FROM user_identities o WHERE o.app_id = x.app_id AND o.user_id = x.user_id AND o.id <> x.id))
    RETURNING x.app_id, x.id, x.issuer
), e AS (
    INSERT INTO revocation_events (app_id, kind, subject, expires_at)
    SELECT d.app_id, 'session', d.id::text, now() + sqlc.arg(event_life)::interval FROM d
)
SELECT (SELECT count(*) FROM i) AS found, coalesce((SELECT d.issuer FROM d), '')::text AS removed;
