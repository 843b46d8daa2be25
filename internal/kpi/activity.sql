-- Statements of the activity log, the queue's numbers and the person. All run in a user scope unless the name or a comment says
-- otherwise.

-- name: ListActivity :many
-- idx_audit_logs_user_id carries it.
SELECT l.id, l.created_at, coalesce(l.service, '')::text AS service, l.action, l.status, coalesce(l.error_message, '')::text AS error_message, l.metadata
FROM audit_logs l
WHERE l.user_id = current_user_no()
    AND (sqlc.narg(service)::text IS NULL OR coalesce(l.service, '') = sqlc.narg(service)::text)
    AND (sqlc.narg(status)::text IS NULL OR l.status = sqlc.narg(status)::text)
    AND (sqlc.narg(since)::timestamptz IS NULL OR l.created_at >= sqlc.narg(since)::timestamptz)
    AND (sqlc.narg(until)::timestamptz IS NULL OR l.created_at < sqlc.narg(until)::timestamptz)
ORDER BY l.created_at DESC, l.id DESC
LIMIT sqlc.arg(most)::int OFFSET sqlc.arg(skipped)::int;

-- name: CountActivity :one
SELECT count(*) FROM audit_logs l
WHERE l.user_id = current_user_no()
    AND (sqlc.narg(service)::text IS NULL OR coalesce(l.service, '') = sqlc.narg(service)::text)
    AND (sqlc.narg(status)::text IS NULL OR l.status = sqlc.narg(status)::text)
    AND (sqlc.narg(since)::timestamptz IS NULL OR l.created_at >= sqlc.narg(since)::timestamptz)
    AND (sqlc.narg(until)::timestamptz IS NULL OR l.created_at < sqlc.narg(until)::timestamptz);

-- name: QueueStats :many
SELECT r.status, count(*) AS runs FROM kpi_runs r WHERE r.user_id = current_user_no() GROUP BY r.status;

-- name: QueueStatsSystem :many
-- Of all users, for an operator; the token's word for the role may be old, so the row is asked. No rows: no operator, or no runs.
SELECT r.status, count(*) AS runs FROM kpi_runs r
WHERE EXISTS (SELECT FROM users u WHERE u.id = sqlc.arg(operator)::uuid AND u.app_id = sqlc.arg(app)::text AND u.role = 'admin' AND u.status = 'active')
GROUP BY r.status;

-- name: GetPerson :one
-- In the scope of the app.
SELECT u.user_no::bigint AS user_no, u.email, u.onboarding_complete FROM users u
WHERE u.app_id = sqlc.arg(app)::text AND u.id = sqlc.arg(id)::uuid AND u.status = 'active';

-- name: SetOnboarding :one
-- In the scope of the app.
UPDATE users u SET onboarding_complete = sqlc.arg(complete)::boolean, updated_at = now()
WHERE u.app_id = sqlc.arg(app)::text AND u.id = sqlc.arg(id)::uuid AND u.status = 'active'
RETURNING u.onboarding_complete;
