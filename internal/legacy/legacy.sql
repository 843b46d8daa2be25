-- Statements of package legacy on the target. All run in the system scope; who a row belongs to is said in the statement.

-- name: AppsSystem :exec
INSERT INTO apps (id, name) SELECT DISTINCT a, a FROM unnest(sqlc.arg(ids)::text[]) a ON CONFLICT (id) DO NOTHING;

-- name: StandingSystem :many
-- Of these users, who is here, and who was brought here by an earlier import, whichever copy of the source it came from.
SELECT p.id::uuid AS id, (u.id IS NOT NULL)::boolean AS known, EXISTS (SELECT FROM import_map m WHERE m.kind = sqlc.arg(kind) AND m.source_id = p.id::text) AS imported
FROM (SELECT unnest(sqlc.arg(ids)::uuid[]) AS id, unnest(sqlc.arg(apps)::text[]) AS app_id) p
LEFT JOIN users u ON u.id = p.id AND u.app_id = p.app_id;

-- name: ImportUsersSystem :many
-- Those that are missing in the answer are not here: their address or id is taken.
INSERT INTO users (id, app_id, email, password_hash, role, token_version, email_verified, created_at, updated_at)
SELECT u.id, u.app_id, u.email, u.password_hash, u.role, u.token_version, u.email_verified, u.created_at, u.created_at
FROM jsonb_to_recordset(sqlc.arg(users)::jsonb) AS u (id uuid, app_id text, email text, password_hash text, role text, token_version integer,
    email_verified boolean, created_at timestamptz)
ON CONFLICT DO NOTHING
RETURNING id;

-- name: ImportSessionsSystem :many
-- Sessions keep their hash until their first refresh makes them ours.
INSERT INTO refresh_tokens (id, app_id, user_id, token_hash, token_version, created_at, expires_at)
SELECT s.id, s.app_id, s.user_id, s.token_hash, s.token_version, s.created_at, s.expires_at
FROM jsonb_to_recordset(sqlc.arg(sessions)::jsonb) AS s (id uuid, app_id text, user_id uuid, token_hash text, token_version integer,
    created_at timestamptz, expires_at timestamptz)
ON CONFLICT DO NOTHING
RETURNING id;

-- name: ImportRevokedSystem :many
-- Introspection reads revoked_jti, the servers' own routes follow the events.
WITH r AS (
    INSERT INTO revoked_jti (jti, app_id, user_id, reason, expires_at, created_at)
    SELECT j.jti, j.app_id, j.user_id, j.reason, j.expires_at, j.created_at
    FROM jsonb_to_recordset(sqlc.arg(revoked)::jsonb) AS j (jti text, app_id text, user_id uuid, reason text, expires_at timestamptz, created_at timestamptz)
    ON CONFLICT (jti) DO NOTHING
    RETURNING revoked_jti.jti, revoked_jti.app_id, revoked_jti.expires_at
), e AS (
    INSERT INTO revocation_events (app_id, kind, subject, expires_at) SELECT r.app_id, 'jti', r.jti, r.expires_at FROM r
)
SELECT r.jti FROM r;

-- name: ImportAuditSystem :one
-- Of persons who were not taken over, the event stays and the person goes.
WITH i AS (
    INSERT INTO audit (id, app_id, user_id, actor, action, ip, user_agent, meta, created_at)
    SELECT a.id, coalesce(u.app_id, sqlc.arg(app_id)::text), u.id, a.actor, a.action, a.ip, a.user_agent, a.meta, a.created_at
    FROM jsonb_to_recordset(sqlc.arg(events)::jsonb) AS a (id uuid, user_id uuid, actor text, action text, ip text, user_agent text, meta text, created_at timestamptz)
    LEFT JOIN users u ON u.id = a.user_id
    ON CONFLICT (id) DO NOTHING
    RETURNING 1
)
SELECT count(*) FROM i;

-- name: PersonSystem :one
-- The user an identity belongs to.
SELECT u.id, u.user_no::bigint AS user_no FROM user_identities i JOIN users u ON u.app_id = i.app_id AND u.id = i.user_id
WHERE i.app_id = sqlc.arg(app_id) AND i.issuer = ANY (sqlc.arg(issuers)::text[]) AND i.subject = sqlc.arg(subject)
ORDER BY i.created_at LIMIT 1;

-- name: ImportPersonSystem :one
-- The number of the source if it is free, so that the guide's statements go on to mean the same person.
WITH u AS (
    INSERT INTO users (id, user_no, app_id, email, password_hash, name, status, onboarding_complete, created_at, updated_at)
    SELECT sqlc.arg(id), CASE WHEN EXISTS (SELECT FROM users t WHERE t.user_no = sqlc.arg(user_no)::bigint) THEN nextval('users_user_no_seq') ELSE sqlc.arg(user_no)::bigint END,
        sqlc.arg(app_id)::text,
        CASE WHEN EXISTS (SELECT FROM users t WHERE t.app_id = sqlc.arg(app_id)::text AND t.email = sqlc.arg(email)::text) THEN sqlc.arg(fallback)::text ELSE sqlc.arg(email)::text END,
        '!', sqlc.narg(name), sqlc.arg(status), sqlc.arg(onboarding_complete), sqlc.arg(created_at), sqlc.arg(updated_at)
    RETURNING users.id, users.app_id, users.user_no, users.email
), i AS (
    INSERT INTO user_identities (app_id, issuer, subject, user_id, email, created_at, last_seen_at)
    SELECT u.app_id, sqlc.arg(issuer), sqlc.arg(subject), u.id, u.email, sqlc.arg(created_at), sqlc.arg(updated_at) FROM u
)
SELECT u.user_no::bigint AS user_no, u.email FROM u;

-- name: RaiseUserNumberSystem :exec
-- Numbers that came with users are not given out again.
SELECT setval('users_user_no_seq', greatest((SELECT max(u.user_no) FROM users u), pg_sequence_last_value('users_user_no_seq'::regclass)));

-- name: MappedSystem :many
SELECT source_id, target_id FROM import_map WHERE source = sqlc.arg(source) AND kind = sqlc.arg(kind) AND source_id = ANY (sqlc.arg(ids)::text[]);

-- name: LoggedSystem :one
-- How far a user's log was taken over, whichever copy of the source it came from.
SELECT coalesce(max(m.target_id::bigint), 0)::bigint FROM import_map m WHERE m.kind = 'audit_logs' AND m.source_id = sqlc.arg(clerk_id);

-- name: WasImportedSystem :one
-- An earlier import brought it here. Users are told by their lasting name alone, whichever copy of the source it was.
SELECT EXISTS (SELECT FROM import_map m WHERE m.kind = sqlc.arg(kind) AND m.source_id = sqlc.arg(source_id));

-- name: MapSameSystem :exec
-- Rows that keep their id.
INSERT INTO import_map (source, kind, source_id, target_id) SELECT sqlc.arg(source), sqlc.arg(kind), i, i FROM unnest(sqlc.arg(ids)::text[]) i
ON CONFLICT (source, kind, source_id) DO UPDATE SET target_id = excluded.target_id, imported_at = now();

-- name: MapSystem :exec
INSERT INTO import_map (source, kind, source_id, target_id) VALUES (sqlc.arg(source), sqlc.arg(kind), sqlc.arg(source_id), sqlc.arg(target_id))
ON CONFLICT (source, kind, source_id) DO UPDATE SET target_id = excluded.target_id, imported_at = now();

-- name: ImportServiceSystem :execrows
INSERT INTO service_configs (user_id, service, credential_id, enabled, created_at, updated_at)
SELECT c.user_id, c.service, c.id, sqlc.arg(enabled), sqlc.arg(created_at), sqlc.arg(updated_at) FROM credentials c
WHERE c.user_id = sqlc.arg(user_id) AND c.id = sqlc.arg(credential_id) AND c.service = sqlc.arg(service) AND c.deleted_at IS NULL
ON CONFLICT (user_id, service) DO NOTHING;

-- name: ImportMappingSystem :execrows
INSERT INTO sheet_mappings (user_id, service, spreadsheet_id, sheet_name, created_at, updated_at)
VALUES (sqlc.arg(user_id), sqlc.arg(service), sqlc.arg(spreadsheet_id), sqlc.arg(sheet_name), sqlc.arg(created_at), sqlc.arg(updated_at))
ON CONFLICT (user_id, service) DO NOTHING;

-- name: ImportLogSystem :execrows
INSERT INTO audit_logs (user_id, action, service, status, error_message, metadata, created_at)
SELECT sqlc.arg(user_id)::bigint, l.action, l.service, l.status, l.error_message, coalesce(l.metadata, '{}'), l.created_at
FROM jsonb_to_recordset(sqlc.arg(events)::jsonb) AS l (action text, service text, status text, error_message text, metadata jsonb, created_at timestamptz);

-- name: ImportScheduleSystem :execrows
INSERT INTO job_schedules (user_id, service, cron_expression, enabled, timezone, last_run_at, next_run_at, created_at, updated_at)
VALUES (sqlc.arg(user_id), sqlc.arg(service), sqlc.arg(cron), sqlc.arg(enabled), sqlc.arg(zone), sqlc.narg(last_run_at), sqlc.narg(next_run_at),
    sqlc.arg(created_at), sqlc.arg(updated_at))
ON CONFLICT (user_id, service) DO NOTHING;
