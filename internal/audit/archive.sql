-- name: MonthsSystem :many
-- The months before a day that hold rows, oldest first.
SELECT m.log::text AS log, m.month::date AS month FROM (
    SELECT 'audit' AS log, date_trunc('month', a.created_at AT TIME ZONE 'UTC') AS month FROM audit a WHERE a.created_at < sqlc.arg(before)::timestamptz
    UNION SELECT 'audit_logs', date_trunc('month', l.created_at AT TIME ZONE 'UTC') FROM audit_logs l WHERE l.created_at < sqlc.arg(before)::timestamptz
) m ORDER BY m.month, m.log;

-- name: MonthSystem :many
-- A stretch of a month.
SELECT r.id::text AS id, r.created_at::timestamptz AS created_at, r.content::jsonb AS content FROM (
    SELECT a.id::text AS id, a.created_at, to_jsonb(a) AS content FROM audit a WHERE sqlc.arg(log)::text = 'audit'
        AND a.created_at >= sqlc.arg(since)::timestamptz AND a.created_at < sqlc.arg(until)::timestamptz
        AND (a.created_at, a.id::text) > (sqlc.arg(after_at)::timestamptz, sqlc.arg(after_id)::text)
    UNION ALL
    SELECT l.id::text, l.created_at, to_jsonb(l) FROM audit_logs l WHERE sqlc.arg(log)::text = 'audit_logs'
        AND l.created_at >= sqlc.arg(since)::timestamptz AND l.created_at < sqlc.arg(until)::timestamptz
        AND (l.created_at, l.id::text) > (sqlc.arg(after_at)::timestamptz, sqlc.arg(after_id)::text)
) r ORDER BY r.created_at, r.id LIMIT sqlc.arg(most)::int;

-- name: RecordArchiveSystem :exec
INSERT INTO audit_archives (file, log, month, rows, sha256, signature, archived_at)
VALUES (sqlc.arg(file), sqlc.arg(log), sqlc.arg(month), sqlc.arg(rows), sqlc.arg(sha256), sqlc.arg(signature), sqlc.arg(archived_at));

-- name: CoveringSystem :many
-- The seals that may cover rows of a month.
SELECT s.no FROM audit_seals s WHERE s.log = sqlc.arg(log) AND s.first_at < sqlc.arg(until)::timestamptz AND s.last_at >= sqlc.arg(since)::timestamptz ORDER BY s.no;

-- name: GoneSystem :many
-- Who of these persons is no user any more.
SELECT p.person::text AS person FROM unnest(sqlc.arg(persons)::text[]) AS p (person)
WHERE CASE WHEN sqlc.arg(log)::text = 'audit' THEN NOT EXISTS (SELECT FROM users u WHERE u.id = p.person::uuid)
    ELSE NOT EXISTS (SELECT FROM users u WHERE u.user_no = p.person::bigint) END;
