-- Statements of package kpi. All run in a user scope unless the name says System.

-- name: SetMapping :one
WITH m AS (
    INSERT INTO sheet_mappings (user_id, service, spreadsheet_id, sheet_name)
    VALUES (current_user_no(), sqlc.arg(service)::text, sqlc.arg(spreadsheet_id), sqlc.arg(sheet_name))
    ON CONFLICT (user_id, service) DO UPDATE
        SET spreadsheet_id = excluded.spreadsheet_id, sheet_name = excluded.sheet_name, updated_at = now()
    RETURNING sheet_mappings.id, sheet_mappings.user_id, sheet_mappings.service, sheet_mappings.spreadsheet_id,
        sheet_mappings.sheet_name, sheet_mappings.created_at, sheet_mappings.updated_at
), a AS (
    INSERT INTO audit_logs (user_id, action, service, status, metadata)
    SELECT m.user_id, 'sheet_mapping_set', m.service, 'success', sqlc.arg(metadata)::jsonb
        || jsonb_build_object('spreadsheetId', m.spreadsheet_id, 'sheetName', m.sheet_name) FROM m
)
SELECT m.id, m.created_at, m.updated_at FROM m;

-- name: ListMappings :many
SELECT id, service, spreadsheet_id, sheet_name, created_at, updated_at FROM sheet_mappings
WHERE user_id = current_user_no() ORDER BY service, spreadsheet_id;

-- name: CreateRun :one
-- No row: the service is not enabled for this user.
WITH s AS (
    SELECT x.user_id, x.service, c.source_timezone FROM service_configs x
    JOIN credentials c ON c.user_id = x.user_id AND c.id = x.credential_id AND c.deleted_at IS NULL
    WHERE x.user_id = current_user_no() AND x.service = sqlc.arg(service)::text AND x.enabled
), r AS (
    INSERT INTO kpi_runs (id, user_id, service, target_day, spreadsheet_id, sheet_name)
    SELECT sqlc.arg(id)::uuid, s.user_id, s.service, sqlc.narg(target_day)::date, sqlc.narg(spreadsheet_id)::text, sqlc.narg(sheet_name)::text
    FROM s
), a AS (
    INSERT INTO audit_logs (user_id, action, service, status, metadata)
    SELECT s.user_id, 'workflow_run', s.service, 'success', sqlc.arg(metadata)::jsonb || jsonb_build_object('jobId', sqlc.arg(id)::uuid) FROM s
)
SELECT s.user_id, coalesce(s.source_timezone, '')::text AS source_timezone FROM s;

-- name: GetRun :one
SELECT r.id, r.user_id, r.service, r.target_day, r.spreadsheet_id, r.sheet_name, r.status, r.progress, r.attempt, r.result,
    r.error, r.created_at FROM kpi_runs r
WHERE r.user_id = current_user_no() AND r.id = sqlc.arg(id);

-- name: DueRunsSystem :many
-- At most one run per user and service is in the queue at a time; kpi_runs_due_idx carries it.
SELECT r.id, u.id AS user_uuid FROM kpi_runs r JOIN users u ON u.user_no = r.user_id
WHERE NOT r.enqueued AND r.status IN ('waiting', 'delayed') AND r.run_at <= now()
    AND NOT EXISTS (SELECT FROM kpi_runs o WHERE o.user_id = r.user_id AND o.service = r.service AND o.enqueued
        AND o.status IN ('waiting', 'delayed', 'active'))
    AND NOT EXISTS (SELECT FROM kpi_runs e WHERE e.user_id = r.user_id AND e.service = r.service AND NOT e.enqueued
        AND e.status IN ('waiting', 'delayed') AND (e.run_at, e.id) < (r.run_at, r.id))
ORDER BY r.run_at
LIMIT sqlc.arg(batch)::int
FOR UPDATE OF r SKIP LOCKED;

-- name: MarkEnqueuedSystem :exec
UPDATE kpi_runs SET enqueued = true WHERE id = ANY (sqlc.arg(ids)::uuid[]);

-- name: StartRun :one
-- No row: the run was cancelled, finished, or its user is gone.
UPDATE kpi_runs r SET status = 'active', attempt = r.attempt + 1, started_at = coalesce(r.started_at, now()), error = NULL
WHERE r.user_id = current_user_no() AND r.id = sqlc.arg(id) AND r.status IN ('waiting', 'delayed', 'active')
RETURNING r.user_id, r.service, r.target_day, r.spreadsheet_id, r.sheet_name, r.attempt, r.created_at;

-- name: RunProgress :exec
UPDATE kpi_runs SET progress = sqlc.arg(progress) WHERE user_id = current_user_no() AND id = sqlc.arg(id);

-- name: RunBindings :one
-- What a run works with: the source's credential, the mapped tab, and the Google credential that writes it: the one
-- bound to google_sheets if enabled and verified, else the newest verified one.
SELECT
    coalesce((SELECT s.credential_id FROM service_configs s
        JOIN credentials c ON c.user_id = s.user_id AND c.id = s.credential_id AND c.deleted_at IS NULL
        WHERE s.user_id = current_user_no() AND s.service = sqlc.arg(service)::text AND s.enabled), 0)::bigint AS source_credential,
    coalesce((SELECT c.source_timezone FROM service_configs s JOIN credentials c ON c.user_id = s.user_id AND c.id = s.credential_id
        WHERE s.user_id = current_user_no() AND s.service = sqlc.arg(service)::text), '')::text AS source_timezone,
    coalesce((SELECT m.spreadsheet_id FROM sheet_mappings m WHERE m.user_id = current_user_no()
        AND m.service = sqlc.arg(service)::text), '')::text AS spreadsheet_id,
    coalesce((SELECT m.sheet_name FROM sheet_mappings m WHERE m.user_id = current_user_no()
        AND m.service = sqlc.arg(service)::text), '')::text AS sheet_name,
    coalesce(
        (SELECT c.id FROM service_configs s JOIN credentials c ON c.user_id = s.user_id AND c.id = s.credential_id
         WHERE s.user_id = current_user_no() AND s.service = 'google_sheets' AND s.enabled AND c.verified AND c.deleted_at IS NULL),
        (SELECT c.id FROM credentials c WHERE c.user_id = current_user_no() AND c.service = 'google_sheets' AND c.verified
         AND c.deleted_at IS NULL ORDER BY c.created_at DESC LIMIT 1), 0)::bigint AS sheets_credential;

-- name: KeepRows :many
-- Stores what a source said, one row per day; a day that is known keeps its id.
INSERT INTO kpi_rows AS k (user_id, service, day, id, metrics, run_id)
SELECT current_user_no(), sqlc.arg(service)::text, n.day, n.id, n.metrics, sqlc.arg(run_id)::uuid
FROM jsonb_to_recordset(sqlc.arg(rows)::jsonb) AS n (day date, id uuid, metrics jsonb)
ON CONFLICT (user_id, service, day) DO UPDATE
    SET metrics = excluded.metrics, run_id = excluded.run_id, fetched_at = now()
RETURNING k.day, k.id;

-- name: CompleteRun :exec
WITH r AS (
    UPDATE kpi_runs x SET status = 'completed', progress = 100, result = sqlc.arg(result), finished_at = now(), error = NULL, error_reason = NULL
    WHERE x.user_id = current_user_no() AND x.id = sqlc.arg(id) AND x.status = 'active'
    RETURNING x.id, x.user_id, x.service
)
INSERT INTO audit_logs (user_id, action, service, status, metadata)
SELECT r.user_id, 'workflow_completed', r.service, 'success', sqlc.arg(metadata)::jsonb || jsonb_build_object('jobId', r.id) FROM r;

-- name: CloseRunSystem :exec
-- Ends a run whose user may not act any more: no scope of the user can.
UPDATE kpi_runs SET status = 'failed', error = sqlc.arg(error)::text, error_reason = sqlc.arg(reason)::text, finished_at = now()
WHERE id = sqlc.arg(id) AND status IN ('waiting', 'delayed', 'active');

-- name: FailRun :exec
-- free: the attempt does not count, because it never came to anything of its own.
WITH r AS (
    UPDATE kpi_runs x SET attempt = x.attempt - CASE WHEN sqlc.arg(free)::boolean THEN 1 ELSE 0 END, status = sqlc.arg(status)::text, error = sqlc.arg(error)::text, error_reason = sqlc.arg(reason)::text,
        finished_at = CASE WHEN sqlc.arg(status)::text = 'failed' THEN now() END,
        result = sqlc.narg(result)
    WHERE x.user_id = current_user_no() AND x.id = sqlc.arg(id) AND x.status = 'active'
    RETURNING x.id, x.user_id, x.service
)
INSERT INTO audit_logs (user_id, action, service, status, error_message, metadata)
SELECT r.user_id, 'workflow_failed', r.service, 'failure', sqlc.arg(error)::text, sqlc.arg(metadata)::jsonb || jsonb_build_object('jobId', r.id) FROM r;

-- name: AcquireLeaseSystem :one
-- No row: somebody else writes to this tab right now.
INSERT INTO sheet_leases AS l (spreadsheet_id, sheet_name, holder, lease_until)
VALUES (sqlc.arg(spreadsheet_id), sqlc.arg(sheet_name), sqlc.arg(holder), now() + sqlc.arg(ttl)::interval)
ON CONFLICT (spreadsheet_id, sheet_name) DO UPDATE SET holder = excluded.holder, lease_until = excluded.lease_until
    WHERE l.lease_until < now() OR l.holder = excluded.holder
RETURNING l.holder;

-- name: ReleaseLeaseSystem :exec
DELETE FROM sheet_leases WHERE spreadsheet_id = sqlc.arg(spreadsheet_id) AND sheet_name = sqlc.arg(sheet_name) AND holder = sqlc.arg(holder);

-- name: ExportRuns :many
SELECT id, service, target_day, spreadsheet_id, sheet_name, status, attempt, result, error_reason, created_at, started_at, finished_at
FROM kpi_runs WHERE user_id = current_user_no() ORDER BY created_at, id;
