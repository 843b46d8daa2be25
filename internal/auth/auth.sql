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
    WHERE sqlc.arg(with_session)::boolean
), m AS (
    INSERT INTO mails (app_id, user_id, kind, recipient) SELECT u.app_id, u.id, 'verify_email', sqlc.arg(email) FROM u RETURNING id
), a AS (
    INSERT INTO audit (app_id, user_id, actor, action, ip, user_agent, meta)
    SELECT u.app_id, u.id, u.id::text, 'register', sqlc.arg(ip), sqlc.arg(user_agent), sqlc.arg(meta) FROM u
)
SELECT u.token_version, (SELECT m.id FROM m)::uuid AS mail_id FROM u;

-- name: UserForLogin :one
-- users_email_app_idx carries it.
SELECT id, email, role, password_hash, status, token_version, email_verified FROM users
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
-- One statement rotates. For the grace after a rotation the immediate predecessor gets the same successor. No row: the
-- session has ended, or the token is one that must not come back (RevokeReused). The winner of parallel calls is told by
-- its transaction id: two may rotate within one microsecond. A user's bumped token_version ends the session without a word.
WITH r AS (
    UPDATE refresh_tokens s SET
        generation   = CASE WHEN v.ok THEN sqlc.arg(generation)::integer + 1 ELSE s.generation END,
        rotated_at   = CASE WHEN v.ok AND s.generation = sqlc.arg(generation)::integer THEN now() ELSE s.rotated_at END,
        rotated_xid  = CASE WHEN v.ok AND s.generation = sqlc.arg(generation)::integer THEN pg_current_xact_id() ELSE s.rotated_xid END,
        token_hash   = CASE WHEN s.generation = 0 OR sqlc.arg(generation)::integer = 0 THEN s.token_hash END,
        last_used_at = now(),
        expires_at   = CASE WHEN v.ok AND s.generation = sqlc.arg(generation)::integer
                            THEN least(now() + sqlc.arg(lifetime)::interval, s.absolute_expires_at) ELSE s.expires_at END
    FROM (SELECT u.id, u.app_id, u.email, u.role, u.token_version, u.email_verified, u.status = 'active' AS active,
        u.status = 'active' AND (u.email_verified OR NOT sqlc.arg(verified_only)::boolean) AS ok FROM users u) v
    WHERE s.id = sqlc.arg(session_id) AND s.app_id = v.app_id AND s.user_id = v.id AND s.token_version = v.token_version
        AND s.revoked_at IS NULL AND s.expires_at > now() AND s.absolute_expires_at > now()
        AND (s.generation = sqlc.arg(generation)::integer
            OR s.generation = sqlc.arg(generation)::integer + 1 AND now() - s.rotated_at <= sqlc.arg(grace)::interval)
    RETURNING s.app_id, s.user_id, s.generation, coalesce(s.rotated_xid = pg_current_xact_id(), false) AS rotated,
        v.email, v.email_verified, v.role, v.token_version, v.active, v.ok
), a AS (
    INSERT INTO audit (app_id, user_id, actor, action, ip, user_agent, meta)
    SELECT r.app_id, r.user_id, r.user_id::text, 'refresh', sqlc.arg(ip), sqlc.arg(user_agent), sqlc.arg(meta) FROM r WHERE r.ok AND r.rotated
)
SELECT r.user_id, r.email_verified, r.email, r.role, r.token_version, r.generation,
    (CASE WHEN NOT r.active THEN 'inactive' WHEN NOT r.ok THEN 'unverified' ELSE 'ok' END)::text AS outcome
FROM r;

-- name: SessionOfHashSystem :one
-- An imported session by its token. The hash stays until the session is refreshed with a token of ours.
SELECT s.id FROM refresh_tokens s WHERE s.token_hash = sqlc.arg(token_hash)::text;

-- name: RevokeReused :one
-- Ends a session whose older token came back: later than the grace, or older than the predecessor. No row: it did not.
WITH r AS (
    UPDATE refresh_tokens s SET revoked_at = now(), revoked_reason = 'refresh_reuse_detected'
    FROM users u
    WHERE s.id = sqlc.arg(session_id) AND s.app_id = u.app_id AND s.user_id = u.id AND s.token_version = u.token_version
        AND s.revoked_at IS NULL AND s.expires_at > now() AND s.absolute_expires_at > now()
        AND (s.generation > sqlc.arg(generation)::integer + 1
            OR s.generation = sqlc.arg(generation)::integer + 1 AND now() - s.rotated_at > sqlc.arg(grace)::interval)
    RETURNING s.id, s.app_id, s.user_id, u.email
), a AS (
    INSERT INTO audit (app_id, user_id, actor, action, ip, user_agent, meta)
    SELECT r.app_id, r.user_id, r.user_id::text, 'refresh_reuse_detected', sqlc.arg(ip), sqlc.arg(user_agent), sqlc.arg(meta) FROM r
), e AS (
    INSERT INTO revocation_events (app_id, kind, subject, expires_at)
    SELECT r.app_id, 'session', r.id::text, now() + sqlc.arg(event_life)::interval FROM r
), m AS (
    INSERT INTO mails (app_id, user_id, kind, recipient, data)
    SELECT r.app_id, r.user_id, 'session_revoked_notice', r.email, jsonb_build_object('ip', sqlc.arg(ip), 'userAgent', sqlc.arg(user_agent)) FROM r
    RETURNING id
)
SELECT m.id AS mail_id FROM m;

-- name: EndSession :one
-- Ends a session. A session that has ended already, or never was, changes nothing.
WITH s AS (
    UPDATE refresh_tokens t SET revoked_at = now(), revoked_reason = sqlc.arg(reason)
    WHERE t.id = sqlc.arg(session_id) AND t.revoked_at IS NULL
        AND (sqlc.narg(user_id)::uuid IS NULL OR t.user_id = sqlc.narg(user_id)::uuid)
    RETURNING t.id, t.app_id, t.user_id
), e AS (
    INSERT INTO revocation_events (app_id, kind, subject, expires_at)
    SELECT s.app_id, 'session', s.id::text, now() + sqlc.arg(event_life)::interval FROM s
), a AS (
    INSERT INTO audit (app_id, user_id, actor, action, ip, user_agent, meta)
    SELECT s.app_id, s.user_id, coalesce(sqlc.narg(actor)::text, s.user_id::text), sqlc.arg(action), sqlc.arg(ip), sqlc.arg(user_agent), sqlc.arg(meta) FROM s
)
SELECT count(*) FROM s;

-- name: EndOtherSessions :many
WITH s AS (
    UPDATE refresh_tokens t SET revoked_at = now(), revoked_reason = sqlc.arg(reason)
    WHERE t.app_id = sqlc.arg(app_id) AND t.user_id = sqlc.arg(user_id) AND t.id <> sqlc.arg(keep) AND t.revoked_at IS NULL
    RETURNING t.id, t.app_id, t.user_id
), e AS (
    INSERT INTO revocation_events (app_id, kind, subject, expires_at)
    SELECT s.app_id, 'session', s.id::text, now() + sqlc.arg(event_life)::interval FROM s
), a AS (
    INSERT INTO audit (app_id, user_id, actor, action, ip, user_agent, meta)
    SELECT s.app_id, s.user_id, s.user_id::text, 'session_revoked', sqlc.arg(ip), sqlc.arg(user_agent), sqlc.arg(meta) FROM s
)
SELECT s.id FROM s;

-- name: ListSessions :many
SELECT id, created_at, last_used_at, expires_at, user_agent, ip FROM refresh_tokens
WHERE app_id = sqlc.arg(app_id) AND user_id = sqlc.arg(user_id) AND revoked_at IS NULL AND expires_at > now() AND absolute_expires_at > now()
    AND token_version = sqlc.arg(token_version)
ORDER BY coalesce(last_used_at, created_at) DESC;

-- name: RevokeAccess :one
-- Ends one access token until it has expired by every clock, of which one may be an hour off. 0: it was revoked before, or its
-- user is gone.
WITH j AS (
    INSERT INTO revoked_jti (jti, app_id, user_id, reason, expires_at)
    SELECT sqlc.arg(jti), u.app_id, u.id, sqlc.arg(reason), sqlc.arg(expires_at)::timestamptz FROM users u
    WHERE u.app_id = sqlc.arg(app_id) AND u.id = sqlc.arg(user_id)
    ON CONFLICT (jti) DO NOTHING
    RETURNING revoked_jti.jti, revoked_jti.app_id, revoked_jti.user_id, revoked_jti.expires_at
), e AS (
    INSERT INTO revocation_events (app_id, kind, subject, expires_at) SELECT j.app_id, 'jti', j.jti, j.expires_at + interval '65 minutes' FROM j
), a AS (
    INSERT INTO audit (app_id, user_id, actor, action, ip, user_agent, meta)
    SELECT j.app_id, j.user_id, sqlc.narg(actor)::text, sqlc.arg(action), sqlc.arg(ip), sqlc.arg(user_agent), sqlc.arg(meta) FROM j
)
SELECT count(*) FROM j;

-- name: EndAccess :one
-- Ends everything a user holds: access tokens by the version, sessions by revocation. Returns the new version.
WITH u AS (
    UPDATE users x SET token_version = x.token_version + 1, updated_at = now()
    WHERE x.app_id = sqlc.arg(app_id) AND x.id = sqlc.arg(user_id)
    RETURNING x.id, x.app_id, x.token_version
), s AS (
    UPDATE refresh_tokens t SET revoked_at = now(), revoked_reason = sqlc.arg(reason)
    WHERE t.app_id = sqlc.arg(app_id) AND t.user_id = sqlc.arg(user_id) AND t.revoked_at IS NULL
), e AS (
    INSERT INTO revocation_events (app_id, kind, subject, version, expires_at)
    SELECT u.app_id, 'user', u.id::text, u.token_version, now() + sqlc.arg(event_life)::interval FROM u
)
SELECT u.token_version FROM u;

-- name: SessionState :one
-- What introspection says of a refresh token: the session as it is now, without counting as a use.
SELECT s.user_id, s.expires_at, s.generation FROM refresh_tokens s JOIN users u ON u.app_id = s.app_id AND u.id = s.user_id
WHERE s.id = sqlc.arg(session_id) AND s.revoked_at IS NULL AND s.expires_at > now() AND s.absolute_expires_at > now()
    AND u.status = 'active' AND u.token_version = s.token_version;

-- name: SessionOwner :one
-- Whose session it is, alive or not.
SELECT s.user_id, s.app_id, s.expires_at FROM refresh_tokens s WHERE s.id = sqlc.arg(session_id);

-- name: LiveSessionOwner :one
-- generation is that of the token that a refresh would take; the one before it is taken while rested is within the grace.
SELECT s.user_id, s.app_id, s.generation, coalesce(now() - s.rotated_at, '0')::interval AS rested
FROM refresh_tokens s JOIN users u ON u.app_id = s.app_id AND u.id = s.user_id
WHERE s.id = sqlc.arg(session_id) AND s.revoked_at IS NULL AND s.expires_at > now() AND s.absolute_expires_at > now() AND u.token_version = s.token_version;

-- name: RevocationSystem :one
SELECT created_at, coalesce(reason, 'manual_revocation')::text AS reason FROM revoked_jti WHERE jti = sqlc.arg(jti) AND expires_at > now();

-- name: LiveEventsSystem :many
SELECT app_id, kind, subject, version, not_before, expires_at FROM revocation_events WHERE expires_at > now();

-- name: FeedSystem :many
-- What is to be known besides the keys to judge a token; since an event, again with the minute before it: transactions that
-- began earlier may have ended later. Of an event that is gone, all. No transaction takes a day; with an end to the stretch
-- PostgreSQL takes it for short, and an index for it.
SELECT r.id, r.app_id, r.kind, r.subject, r.version, r.not_before, r.expires_at, r.created_at FROM revocation_events r
WHERE r.expires_at > now() AND (sqlc.arg(app_id)::text = '' OR r.app_id = sqlc.arg(app_id)::text)
    AND (r.id > sqlc.arg(since)::bigint
        OR r.created_at BETWEEN coalesce((SELECT s.created_at - interval '1 minute' FROM revocation_events s WHERE s.id = sqlc.arg(since)::bigint), '-infinity')
            AND coalesce((SELECT s.created_at + interval '1 day' FROM revocation_events s WHERE s.id = sqlc.arg(since)::bigint), 'infinity'))
ORDER BY r.id;

-- name: PasswordOf :one
SELECT password_hash FROM users WHERE app_id = sqlc.arg(app_id) AND id = sqlc.arg(user_id);

-- name: SetPassword :execrows
UPDATE users SET password_hash = sqlc.arg(password_hash), updated_at = now()
WHERE app_id = sqlc.arg(app_id) AND id = sqlc.arg(user_id) AND status <> 'deleted';

-- name: UpgradePassword :exec
-- After a login: the same password under today's algorithm, unless it was changed meanwhile.
UPDATE users SET password_hash = sqlc.arg(new_hash) WHERE app_id = sqlc.arg(app_id) AND id = sqlc.arg(user_id) AND password_hash = sqlc.arg(old_hash);

-- name: SetEmail :one
UPDATE users SET email = sqlc.arg(email), email_verified = false, updated_at = now()
WHERE app_id = sqlc.arg(app_id) AND id = sqlc.arg(user_id)
RETURNING created_at;

-- name: SetVerified :one
UPDATE users SET email_verified = true, updated_at = now()
WHERE app_id = sqlc.arg(app_id) AND id = sqlc.arg(user_id) AND email = sqlc.arg(email) AND status = 'active'
RETURNING email;

-- name: SetStatus :one
UPDATE users SET status = sqlc.arg(status), updated_at = now() WHERE app_id = sqlc.arg(app_id) AND id = sqlc.arg(user_id) RETURNING email;

-- name: SetRole :one
UPDATE users SET role = sqlc.arg(role), updated_at = now() WHERE app_id = sqlc.arg(app_id) AND id = sqlc.arg(user_id) RETURNING email;

-- name: LockAdmins :many
-- Locks the app's administrators, so that two of them cannot demote or delete each other at once.
SELECT id FROM users WHERE app_id = sqlc.arg(app_id) AND role = 'admin' AND status = 'active' ORDER BY id FOR UPDATE;

-- name: DeleteUser :one
DELETE FROM users WHERE app_id = sqlc.arg(app_id) AND id = sqlc.arg(user_id) RETURNING email, coalesce(user_no, 0)::bigint AS user_no;

-- name: ForgetInAudit :exec
SELECT forget_in_audit(sqlc.arg(user_id)::uuid, sqlc.arg(user_no)::bigint);

-- name: UserByID :one
SELECT id, app_id, user_no, email, name, role, status, email_verified, token_version, created_at, updated_at FROM users
WHERE app_id = sqlc.arg(app_id) AND id = sqlc.arg(user_id);

-- name: UserByEmail :one
SELECT id, app_id, user_no, email, name, role, status, email_verified, token_version, created_at, updated_at FROM users
WHERE app_id = sqlc.arg(app_id) AND email = sqlc.arg(email);

-- name: CountUsers :one
SELECT count(*) FROM users WHERE app_id = sqlc.arg(app_id);

-- name: PageUsers :many
SELECT id, email, role, created_at FROM users WHERE app_id = sqlc.arg(app_id) ORDER BY created_at, id
LIMIT sqlc.arg(max)::int OFFSET sqlc.arg(skip)::int;

-- name: LockUserByEmail :one
-- First half of asking for a mail: serialises the quota of one user. No row for an unknown address.
SELECT u.id, u.email, u.email_verified,
    (u.password_hash = '!' AND EXISTS (SELECT FROM user_identities i WHERE i.app_id = u.app_id AND i.user_id = u.id))::boolean AS elsewhere
FROM users u WHERE u.app_id = sqlc.arg(app_id) AND u.email = sqlc.arg(email) AND u.status = 'active' FOR UPDATE;

-- name: QueueMailWithin :one
-- Second half: writes the mail unless the user had max of its kind in the last hour. It runs for unknown addresses too,
-- with no user, so that both take the same time.
WITH m AS (
    INSERT INTO mails (app_id, user_id, kind, recipient)
    SELECT sqlc.arg(app_id)::text, sqlc.narg(user_id)::uuid, sqlc.arg(kind)::text, sqlc.arg(recipient)::text
    WHERE sqlc.narg(user_id)::uuid IS NOT NULL
        AND (SELECT count(*) FROM mails q WHERE q.app_id = sqlc.arg(app_id)::text AND q.user_id = sqlc.narg(user_id)::uuid AND q.kind = sqlc.arg(kind)::text
            AND q.created_at > now() - interval '1 hour') < sqlc.arg(max)::int
    RETURNING id
), a AS (
    INSERT INTO audit (app_id, user_id, action, ip, user_agent, meta)
    SELECT sqlc.arg(app_id)::text, sqlc.narg(user_id)::uuid, sqlc.arg(action)::text, sqlc.arg(ip), sqlc.arg(user_agent), sqlc.arg(meta)
    WHERE sqlc.arg(action)::text <> ''
)
SELECT coalesce((SELECT m.id FROM m), '00000000-0000-0000-0000-000000000000')::uuid AS id;

-- name: CountMails :one
SELECT count(*) FROM mails WHERE app_id = sqlc.arg(app_id) AND user_id = sqlc.arg(user_id) AND kind = sqlc.arg(kind)
    AND created_at > now() - interval '1 hour';

-- name: QueueMail :one
INSERT INTO mails (app_id, user_id, kind, recipient, data)
VALUES (sqlc.arg(app_id), sqlc.arg(user_id), sqlc.arg(kind), sqlc.arg(recipient), sqlc.arg(data)) RETURNING id;

-- name: QueueNotice :one
-- In a user scope, unlike the others: the function sees the user. Zero: there is nobody to write to, or it was told too often.
SELECT coalesce(queue_notice(sqlc.arg(kind)::text, sqlc.arg(data)::jsonb, sqlc.arg(most)::int), '00000000-0000-0000-0000-000000000000')::uuid AS mail_id;

-- name: TakeMailSystem :one
-- No row: it was sent.
UPDATE mails SET attempts = attempts + 1 WHERE id = sqlc.arg(id) AND sent_at IS NULL
RETURNING app_id, user_id, kind, recipient, data, attempts;

-- name: MailSentSystem :exec
UPDATE mails SET sent_at = now(), error = NULL WHERE id = sqlc.arg(id);

-- name: MailFailedSystem :exec
UPDATE mails SET error = sqlc.arg(error)::text WHERE id = sqlc.arg(id);

-- name: IssueEmailToken :exec
-- A new token of a type voids the user's older ones. The user is locked.
WITH v AS (
    UPDATE email_tokens t SET used_at = now()
    WHERE t.app_id = sqlc.arg(app_id) AND t.user_id = sqlc.arg(user_id) AND t.type = sqlc.arg(type)::text AND t.used_at IS NULL
)
INSERT INTO email_tokens (app_id, user_id, token_hash, type, email, expires_at)
VALUES (sqlc.arg(app_id), sqlc.arg(user_id), sqlc.arg(token_hash), sqlc.arg(type)::text, sqlc.arg(email), sqlc.arg(expires_at));

-- name: ConsumeEmailToken :one
-- Of parallel calls one gets the row. The user is locked before the token, as in every act on a user: two acts that need
-- both would otherwise wait for each other.
WITH u AS MATERIALIZED (
    SELECT x.app_id, x.id FROM users x JOIN email_tokens e ON e.app_id = x.app_id AND e.user_id = x.id
    WHERE e.token_hash = sqlc.arg(token_hash) FOR NO KEY UPDATE OF x
)
UPDATE email_tokens t SET used_at = now() FROM u
WHERE t.app_id = u.app_id AND t.user_id = u.id AND t.token_hash = sqlc.arg(token_hash) AND t.type = sqlc.arg(type) AND t.used_at IS NULL
    AND t.expires_at > greatest(now(), sqlc.arg(now))
RETURNING t.app_id, t.user_id, t.email;

-- name: OpenEmailToken :one
SELECT app_id FROM email_tokens WHERE token_hash = sqlc.arg(token_hash) AND used_at IS NULL AND expires_at > greatest(now(), sqlc.arg(now));

-- name: VoidEmailTokens :exec
UPDATE email_tokens SET used_at = now() WHERE app_id = sqlc.arg(app_id) AND user_id = sqlc.arg(user_id) AND used_at IS NULL
    AND (sqlc.arg(type)::text = '' OR type = sqlc.arg(type)::text);

-- name: PutMailboxSystem :exec
INSERT INTO mailbox (sender, recipient, subject, body_text, body_html)
VALUES (sqlc.arg(sender), sqlc.arg(recipient), sqlc.arg(subject), sqlc.arg(body_text), sqlc.arg(body_html));

-- name: MailboxSystem :many
SELECT id, sender, recipient, subject, body_text, body_html, created_at FROM mailbox
WHERE (sqlc.arg(recipient)::text = '' OR recipient = sqlc.arg(recipient)::text) AND (sqlc.arg(before)::bigint = 0 OR id < sqlc.arg(before)::bigint)
ORDER BY id DESC LIMIT sqlc.arg(max)::int;

-- name: AppSystem :one
SELECT id, name, origins, base_url, access_ttl, refresh_ttl, refresh_absolute_ttl, refresh_grace, registration_open, verification_required,
    silent_registration, password_min, password_classes, not_before, created_at, updated_at
FROM apps WHERE id = sqlc.arg(id);

-- name: AllOriginsSystem :many
SELECT DISTINCT unnest(origins)::text AS origin FROM apps;

-- name: PurgeRevokedSystem :one
-- The cleanup deletes in bounded batches; each returns how many rows went.
WITH d AS (DELETE FROM revoked_jti WHERE jti IN (SELECT r.jti FROM revoked_jti r WHERE r.expires_at < now() - interval '65 minutes' ORDER BY r.expires_at LIMIT sqlc.arg(batch)::int) RETURNING 1)
SELECT count(*) FROM d;

-- name: PurgeEventsSystem :one
WITH d AS (DELETE FROM revocation_events WHERE id IN (SELECT r.id FROM revocation_events r WHERE r.expires_at < now() ORDER BY r.expires_at LIMIT sqlc.arg(batch)::int) RETURNING 1)
SELECT count(*) FROM d;

-- name: PurgeSessionsSystem :one
-- One stretch of the walk along the primary key: an index on expires_at, which every refresh moves, would cost each of
-- them more than the walk costs the cleanup.
WITH w AS (
    SELECT r.id FROM refresh_tokens r WHERE r.id > sqlc.arg(after) ORDER BY r.id LIMIT sqlc.arg(batch)::int
), d AS (
    DELETE FROM refresh_tokens x USING w WHERE x.id = w.id AND x.expires_at < now() - sqlc.arg(age)::interval RETURNING 1
)
SELECT (SELECT count(*) FROM d) AS gone, (SELECT count(*) FROM w) AS seen,
    coalesce((SELECT w.id FROM w ORDER BY w.id DESC LIMIT 1), sqlc.arg(after))::uuid AS last;

-- name: PurgeEmailTokensSystem :one
WITH d AS (DELETE FROM email_tokens WHERE id IN (SELECT r.id FROM email_tokens r
    WHERE r.expires_at < now() - interval '7 days' ORDER BY r.expires_at LIMIT sqlc.arg(batch)::int) RETURNING 1)
SELECT count(*) FROM d;

-- name: PurgeMailboxSystem :one
WITH d AS (DELETE FROM mailbox WHERE id IN (SELECT r.id FROM mailbox r
    WHERE r.created_at < now() - interval '7 days' ORDER BY r.id LIMIT sqlc.arg(batch)::int) RETURNING 1)
SELECT count(*) FROM d;

-- name: PurgeMailsSystem :one
WITH d AS (DELETE FROM mails WHERE id IN (SELECT r.id FROM mails r
    WHERE r.created_at < now() - interval '30 days' ORDER BY r.created_at LIMIT sqlc.arg(batch)::int) RETURNING 1)
SELECT count(*) FROM d;

-- name: LiveUser :one
-- What a signature cannot know: the user as of now, and whether token, session or app were revoked. Four primary keys.
SELECT u.email, u.role, u.status, u.token_version, u.email_verified, u.created_at,
    (EXISTS (SELECT FROM revoked_jti j WHERE j.jti = sqlc.arg(jti))
     OR EXISTS (SELECT FROM refresh_tokens s WHERE s.id = sqlc.arg(session_id) AND s.revoked_at IS NOT NULL)
     OR EXISTS (SELECT FROM apps a WHERE a.id = u.app_id AND a.not_before > sqlc.arg(issued_at)::timestamptz))::boolean AS revoked
FROM users u WHERE u.app_id = sqlc.arg(app_id) AND u.id = sqlc.arg(user_id);

-- Administration (admin*.go)

-- name: UseAdminKeySystem :one
-- Whose key this is. The note of its use is written at most once a minute.
WITH k AS (
    SELECT a.id, a.name FROM admin_keys a WHERE a.key_hash = sqlc.arg(key_hash) AND a.revoked_at IS NULL
), u AS (
    UPDATE admin_keys a SET used_at = now() FROM k WHERE a.id = k.id AND (a.used_at IS NULL OR a.used_at < now() - interval '1 minute')
)
SELECT k.name FROM k;

-- name: LockAdminKeysSystem :exec
-- One key is made at a time, so that no two have one name.
SELECT pg_advisory_xact_lock(7205759403792796);

-- name: InsertAdminKeySystem :one
-- A name is never used twice, not even after its key was revoked: the audit log names keys by it.
INSERT INTO admin_keys (name, key_hash) SELECT sqlc.arg(name)::text, sqlc.arg(key_hash)::bytea
WHERE NOT EXISTS (SELECT FROM admin_keys k WHERE k.name = sqlc.arg(name)::text)
RETURNING id, name, created_at, used_at, revoked_at;

-- name: AdminKeysSystem :many
SELECT id, name, created_at, used_at, revoked_at FROM admin_keys ORDER BY created_at, id;

-- name: RevokeAdminKeySystem :one
UPDATE admin_keys SET revoked_at = now() WHERE name = sqlc.arg(name) AND revoked_at IS NULL
RETURNING id, name, created_at, used_at, revoked_at;

-- name: AppsPageSystem :many
SELECT id, name, origins, base_url, access_ttl, refresh_ttl, refresh_absolute_ttl, refresh_grace, registration_open, verification_required,
    silent_registration, password_min, password_classes, not_before, created_at, updated_at
FROM apps WHERE id > sqlc.arg(after)::text ORDER BY id LIMIT sqlc.arg(max)::int;

-- name: InsertAppSystem :execrows
INSERT INTO apps (id, name) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING;

-- name: LockAppSystem :one
SELECT id, name, origins, base_url, access_ttl, refresh_ttl, refresh_absolute_ttl, refresh_grace, registration_open, verification_required,
    silent_registration, password_min, password_classes, not_before, created_at, updated_at
FROM apps WHERE id = sqlc.arg(id) FOR UPDATE;

-- name: UpdateAppSystem :one
UPDATE apps SET name = sqlc.arg(name), origins = sqlc.arg(origins), base_url = sqlc.narg(base_url), access_ttl = sqlc.narg(access_ttl),
    refresh_ttl = sqlc.narg(refresh_ttl), refresh_absolute_ttl = sqlc.narg(refresh_absolute_ttl), refresh_grace = sqlc.narg(refresh_grace),
    registration_open = sqlc.arg(registration_open), verification_required = sqlc.narg(verification_required),
    silent_registration = sqlc.arg(silent_registration), password_min = sqlc.arg(password_min),
    password_classes = sqlc.arg(password_classes), updated_at = now()
WHERE id = sqlc.arg(id)
RETURNING id, name, origins, base_url, access_ttl, refresh_ttl, refresh_absolute_ttl, refresh_grace, registration_open, verification_required,
    silent_registration, password_min, password_classes, not_before, created_at, updated_at;

-- name: DeleteAppSystem :execrows
DELETE FROM apps WHERE id = sqlc.arg(id);

-- name: RevokeAppSystem :one
-- Ends every access token and session of an app.
WITH a AS (
    UPDATE apps x SET not_before = greatest(x.not_before, sqlc.arg(not_before)::timestamptz), updated_at = now() WHERE x.id = sqlc.arg(id)
    RETURNING x.id, x.not_before
), s AS (
    UPDATE refresh_tokens t SET revoked_at = now(), revoked_reason = sqlc.arg(reason) FROM a
    WHERE t.app_id = a.id AND t.revoked_at IS NULL AND t.expires_at > now()
    RETURNING t.id
), e AS (
    INSERT INTO revocation_events (app_id, kind, subject, not_before, expires_at)
    SELECT a.id, 'app', a.id, a.not_before, now() + sqlc.arg(event_life)::interval FROM a
)
SELECT (SELECT count(*) FROM s) AS sessions FROM a;

-- name: SearchUsers :many
-- Addresses are stored in lower case, and so is the text to look for. users_app_created_idx carries it, from where the page
-- begins: a condition that may be absent would make each page read all those before it.
SELECT id, app_id, email, role, status, email_verified, token_version, created_at, updated_at FROM users
WHERE app_id = sqlc.arg(app_id)
    AND (sqlc.arg(part)::text = '' OR strpos(email, sqlc.arg(part)::text) > 0)
    AND (sqlc.arg(role)::text = '' OR role = sqlc.arg(role)::text)
    AND (sqlc.arg(status)::text = '' OR status = sqlc.arg(status)::text)
    AND (sqlc.narg(verified)::boolean IS NULL OR email_verified = sqlc.narg(verified)::boolean)
    AND (created_at, id) < (coalesce(sqlc.narg(before)::timestamptz, 'infinity'), sqlc.arg(before_id)::uuid)
ORDER BY created_at DESC, id DESC LIMIT sqlc.arg(max)::int;

-- name: FindUsersSystem :many
-- For the command line: over all apps, or in one.
SELECT id, app_id, email, role, status, email_verified, token_version, created_at, updated_at FROM users
WHERE (sqlc.arg(app_id)::text = '' OR app_id = sqlc.arg(app_id)::text)
    AND (sqlc.narg(id)::uuid IS NULL OR id = sqlc.narg(id)::uuid)
    AND (sqlc.arg(email)::text = '' OR email = sqlc.arg(email)::text)
    AND (sqlc.arg(part)::text = '' OR strpos(email, sqlc.arg(part)::text) > 0)
    AND (sqlc.arg(role)::text = '' OR role = sqlc.arg(role)::text)
ORDER BY created_at DESC, id DESC LIMIT sqlc.arg(max)::int;

-- name: ShowUser :one
SELECT u.id, u.app_id, u.email, u.role, u.status, u.email_verified, u.token_version, u.created_at, u.updated_at,
    (SELECT count(*) FROM refresh_tokens s WHERE s.app_id = u.app_id AND s.user_id = u.id AND s.token_version = u.token_version
        AND s.revoked_at IS NULL AND s.expires_at > now() AND s.absolute_expires_at > now()) AS sessions,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('issuer', i.issuer, 'subject', i.subject) ORDER BY i.created_at, i.id), '[]')
        FROM user_identities i WHERE i.app_id = u.app_id AND i.user_id = u.id)::jsonb AS identities
FROM users u WHERE u.app_id = sqlc.arg(app_id) AND u.id = sqlc.arg(user_id);

-- name: LockUser :one
-- elsewhere: another issuer signs the user in, and there is no password here.
SELECT u.id, u.email, u.role, u.status, u.email_verified, u.token_version,
    (u.password_hash = '!' AND EXISTS (SELECT FROM user_identities i WHERE i.app_id = u.app_id AND i.user_id = u.id))::boolean AS elsewhere
FROM users u WHERE u.app_id = sqlc.arg(app_id) AND u.id = sqlc.arg(user_id) FOR UPDATE;

-- name: InsertUser :exec
INSERT INTO users (id, app_id, email, password_hash, role, email_verified)
VALUES (sqlc.arg(id), sqlc.arg(app_id), sqlc.arg(email), sqlc.arg(password_hash), sqlc.arg(role), sqlc.arg(email_verified));

-- name: MarkVerified :exec
UPDATE users SET email_verified = true, updated_at = now() WHERE app_id = sqlc.arg(app_id) AND id = sqlc.arg(user_id);

-- name: LiveSessionsSystem :many
SELECT s.id, s.app_id, s.user_id, u.email, s.created_at, s.last_used_at, s.expires_at, s.user_agent, s.ip
FROM refresh_tokens s JOIN users u ON u.app_id = s.app_id AND u.id = s.user_id
WHERE s.revoked_at IS NULL AND s.expires_at > now() AND s.absolute_expires_at > now() AND s.token_version = u.token_version AND u.status = 'active'
    AND (sqlc.arg(app_id)::text = '' OR s.app_id = sqlc.arg(app_id)::text)
    AND (sqlc.narg(user_id)::uuid IS NULL OR s.user_id = sqlc.narg(user_id)::uuid)
    AND (sqlc.arg(email)::text = '' OR u.email = sqlc.arg(email)::text)
    AND (sqlc.narg(before)::timestamptz IS NULL OR (s.created_at, s.id) < (sqlc.narg(before)::timestamptz, sqlc.arg(before_id)::uuid))
ORDER BY s.created_at DESC, s.id DESC LIMIT sqlc.arg(max)::int;

-- name: SessionCountsSystem :one
SELECT count(*) AS total, count(*) FILTER (WHERE s.revoked_at IS NOT NULL) AS revoked,
    count(*) FILTER (WHERE s.revoked_at IS NULL AND least(s.expires_at, s.absolute_expires_at) <= now()) AS expired,
    count(*) FILTER (WHERE s.revoked_at IS NULL AND least(s.expires_at, s.absolute_expires_at) > now() AND s.token_version = u.token_version
        AND u.status = 'active') AS active
FROM refresh_tokens s JOIN users u ON u.app_id = s.app_id AND u.id = s.user_id;

-- name: EventsSystem :many
SELECT id, app_id, kind, subject, version, not_before, expires_at, created_at FROM revocation_events
WHERE (sqlc.arg(app_id)::text = '' OR app_id = sqlc.arg(app_id)::text) AND (sqlc.arg(before)::bigint = 0 OR id < sqlc.arg(before)::bigint)
ORDER BY id DESC LIMIT sqlc.arg(max)::int;

-- name: AppOfUserSystem :one
SELECT app_id FROM users WHERE id = sqlc.arg(id);

-- name: AuditSystem :many
-- self is the actor who is a user: most acts are those of the user whom they happen to, and audit_user_idx has them; audit_actor_idx has the rest.
SELECT id, app_id, user_id, actor, action, ip, user_agent, meta, created_at FROM audit
WHERE (sqlc.arg(app_id)::text = '' OR app_id = sqlc.arg(app_id)::text)
    AND (sqlc.narg(user_id)::uuid IS NULL OR user_id = sqlc.narg(user_id)::uuid)
    AND (sqlc.arg(actor)::text = '' OR actor = sqlc.arg(actor)::text AND (user_id = sqlc.narg(self)::uuid OR actor IS DISTINCT FROM user_id::text))
    AND (sqlc.arg(action)::text = '' OR action = sqlc.arg(action)::text)
    AND (sqlc.narg(since)::timestamptz IS NULL OR created_at >= sqlc.narg(since)::timestamptz)
    AND (sqlc.narg(until)::timestamptz IS NULL OR created_at < sqlc.narg(until)::timestamptz)
    AND (sqlc.narg(before)::timestamptz IS NULL OR (created_at, id) < (sqlc.narg(before)::timestamptz, sqlc.arg(before_id)::uuid))
ORDER BY created_at DESC, id DESC LIMIT sqlc.arg(max)::int;

-- name: StatsSystem :one
SELECT (SELECT count(*) FROM apps) AS apps, (SELECT count(*) FROM users) AS users,
    (SELECT count(*) FROM refresh_tokens s JOIN users u ON u.app_id = s.app_id AND u.id = s.user_id
        WHERE s.revoked_at IS NULL AND s.expires_at > now() AND s.absolute_expires_at > now() AND s.token_version = u.token_version
            AND u.status = 'active') AS sessions,
    (SELECT count(*) FROM audit WHERE action = 'login' AND created_at > now() - interval '24 hours') AS logins,
    (SELECT count(*) FROM mails WHERE sent_at IS NULL AND error IS NULL) AS mails_waiting,
    (SELECT count(*) FROM mails WHERE sent_at IS NULL AND error IS NOT NULL) AS mails_failed;

-- name: ExportSessions :many
SELECT id, created_at, last_used_at, expires_at, revoked_at, revoked_reason, user_agent, ip FROM refresh_tokens
WHERE app_id = sqlc.arg(app_id) AND user_id = sqlc.arg(user_id) ORDER BY created_at, id;

-- name: ExportAudit :many
SELECT actor, action, ip, user_agent, created_at FROM audit
WHERE app_id = sqlc.arg(app_id) AND user_id = sqlc.arg(user_id)::uuid ORDER BY created_at, id;

-- name: ExportMails :many
SELECT kind, recipient, created_at, sent_at FROM mails
WHERE app_id = sqlc.arg(app_id) AND user_id = sqlc.arg(user_id) ORDER BY created_at, id;
