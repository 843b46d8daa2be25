-- Statements of schedules. All run in a user scope unless the name says System.

-- name: ListSchedules :many
SELECT j.id, j.service, j.cron_expression, j.enabled, j.timezone, j.misfire, j.last_run_at, j.next_run_at, j.created_at, j.updated_at
FROM job_schedules j WHERE j.user_id = current_user_no() AND j.service = ANY (sqlc.arg(services)::text[]) ORDER BY j.service;

-- name: AddSchedules :exec
INSERT INTO job_schedules (user_id, service, cron_expression, timezone)
SELECT current_user_no(), x.service, sqlc.arg(cron)::text, sqlc.arg(zone)::text FROM unnest(sqlc.arg(services)::text[]) AS x (service)
ON CONFLICT (user_id, service) DO NOTHING;

-- name: GetSchedule :one
SELECT j.cron_expression, j.timezone FROM job_schedules j WHERE j.user_id = current_user_no() AND j.service = sqlc.arg(service)::text;

-- name: LockSchedule :one
-- The zone that a change without one keeps.
SELECT j.timezone FROM job_schedules j WHERE j.user_id = current_user_no() AND j.service = sqlc.arg(service)::text FOR UPDATE;

-- name: SetSchedule :one
WITH j AS (
    INSERT INTO job_schedules AS s (user_id, service, cron_expression, enabled, timezone, misfire, next_run_at)
    VALUES (current_user_no(), sqlc.arg(service)::text, sqlc.arg(cron)::text, sqlc.arg(enabled)::boolean, sqlc.arg(zone)::text,
        coalesce(sqlc.narg(misfire)::text, 'once'), sqlc.narg(next_run_at)::timestamptz)
    ON CONFLICT (user_id, service) DO UPDATE SET cron_expression = excluded.cron_expression, enabled = excluded.enabled, timezone = excluded.timezone,
        misfire = coalesce(sqlc.narg(misfire)::text, s.misfire), next_run_at = excluded.next_run_at, failing_since = NULL, updated_at = now()
    RETURNING s.id, s.user_id, s.service, s.cron_expression, s.enabled, s.timezone, s.misfire, s.last_run_at, s.next_run_at, s.created_at, s.updated_at
), a AS (
    INSERT INTO audit_logs (user_id, action, service, status, metadata)
    SELECT j.user_id, 'schedule_updated', j.service, 'success', sqlc.arg(metadata)::jsonb
        || jsonb_build_object('cron', j.cron_expression, 'enabled', j.enabled, 'timezone', j.timezone, 'misfire', j.misfire) FROM j
)
SELECT j.id, j.service, j.cron_expression, j.enabled, j.timezone, j.misfire, j.last_run_at, j.next_run_at, j.created_at, j.updated_at FROM j;

-- name: DueSchedulesSystem :many
-- idx_job_schedules_next_run carries it. Other replicas pass over the rows that it locks; what they had seen as due they look at
-- again once it is locked by them, so none is taken twice. A run can be only for an active user with the service enabled.
WITH d AS MATERIALIZED (
    SELECT j.id, j.user_id, j.service, j.cron_expression, j.timezone, j.misfire, j.next_run_at FROM job_schedules j
    WHERE j.enabled AND j.next_run_at <= sqlc.arg(now)::timestamptz
    ORDER BY j.next_run_at
    LIMIT sqlc.arg(batch)::int
    FOR UPDATE SKIP LOCKED
)
SELECT d.id, d.cron_expression, d.timezone, d.misfire, d.next_run_at::timestamptz AS due_at, u.status = 'active' AS active,
    (c.id IS NOT NULL AND d.service = ANY (sqlc.arg(services)::text[]))::boolean AS enabled, coalesce(c.source_timezone, '')::text AS source_timezone
FROM d JOIN users u ON u.user_no = d.user_id
LEFT JOIN service_configs s ON s.user_id = d.user_id AND s.service = d.service AND s.enabled
LEFT JOIN credentials c ON c.user_id = s.user_id AND c.id = s.credential_id AND c.deleted_at IS NULL;

-- name: NextDueSystem :one
-- When the next schedule is due. No row: none is on.
SELECT j.next_run_at::timestamptz AS next_run_at FROM job_schedules j WHERE j.enabled AND j.next_run_at IS NOT NULL ORDER BY j.next_run_at LIMIT 1;

-- name: FireSchedulesSystem :one
-- Moves due schedules on and makes their runs, the earlier days first. A schedule without a run fails for the reason that is
-- given, or is passed over without one. Where a run that does the same is still on its way, the time counts as done by it;
-- that is looked up row by row (kpi_runs_open_idx), because a night's runs come faster than statistics of the table.
WITH d AS (
    SELECT (x ->> 'id')::bigint AS id, (x ->> 'nextAt')::timestamptz AS next_at, coalesce(x -> 'runs', '[]') AS runs, (x ->> 'reason')::text AS reason
    FROM jsonb_array_elements(sqlc.arg(due)::jsonb) AS x
), j AS (
    UPDATE job_schedules s SET next_run_at = d.next_at,
        last_run_at = CASE WHEN d.runs = '[]' THEN s.last_run_at ELSE sqlc.arg(now)::timestamptz END,
        failing_since = CASE WHEN d.reason IS NOT NULL THEN coalesce(s.failing_since, sqlc.arg(now)::timestamptz) WHEN d.runs = '[]' THEN s.failing_since END
    FROM d WHERE s.id = d.id
    RETURNING s.id, s.user_id, s.service, s.cron_expression, s.timezone, s.failing_since, d.runs, d.reason
), n AS (
    SELECT j.user_id, j.service, (x ->> 'id')::uuid AS id, (x ->> 'day')::date AS day, (x ->> 'back')::int AS back
    FROM j CROSS JOIN jsonb_array_elements(j.runs) AS x
), r AS (
    INSERT INTO kpi_runs (id, user_id, service, target_day, scheduled, run_at)
    SELECT n.id, n.user_id, n.service, n.day, true, now() - n.back * interval '1 millisecond' FROM n
    WHERE (SELECT o.id FROM kpi_runs o WHERE o.user_id = n.user_id AND o.service = n.service
        AND o.status IN ('waiting', 'delayed', 'active') AND o.target_day IS NOT DISTINCT FROM n.day AND o.from_day IS NULL AND NOT o.dry_run
        AND o.credential_id IS NULL AND o.spreadsheet_id IS NULL AND o.sheet_name IS NULL LIMIT 1) IS NULL
    RETURNING kpi_runs.id, kpi_runs.user_id, kpi_runs.service
), a AS (
    INSERT INTO audit_logs (user_id, action, service, status, metadata)
    SELECT r.user_id, 'workflow_run', r.service, 'success', jsonb_build_object('jobId', r.id, 'trigger', 'schedule') FROM r
), f AS (
    INSERT INTO audit_logs (user_id, action, service, status, error_message, metadata)
    SELECT j.user_id, 'schedule_failure', j.service, 'failure', j.reason, jsonb_build_object('cron', j.cron_expression, 'timezone', j.timezone) FROM j
    WHERE j.reason IS NOT NULL AND j.failing_since = sqlc.arg(now)::timestamptz
)
SELECT count(*)::int AS runs FROM r;
