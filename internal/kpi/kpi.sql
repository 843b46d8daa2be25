-- Statements of package kpi: mappings, leases on tabs, the export. All run in a user scope unless the name says System.

-- name: SetMapping :one
WITH m AS (
    INSERT INTO sheet_mappings (user_id, service, spreadsheet_id, sheet_name)
    VALUES (current_user_no(), sqlc.arg(service)::text, sqlc.arg(spreadsheet_id), sqlc.arg(sheet_name))
    ON CONFLICT (user_id, service) DO UPDATE
        SET spreadsheet_id = excluded.spreadsheet_id, sheet_name = excluded.sheet_name, sheet_id = NULL, updated_at = now()
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

-- name: DeleteMapping :one
WITH m AS (
    DELETE FROM sheet_mappings d WHERE d.user_id = current_user_no() AND d.service = sqlc.arg(service)::text
    RETURNING d.user_id, d.service, d.spreadsheet_id, d.sheet_name
), a AS (
    INSERT INTO audit_logs (user_id, action, service, status, metadata)
    SELECT m.user_id, 'sheet_mapping_deleted', m.service, 'success', sqlc.arg(metadata)::jsonb
        || jsonb_build_object('spreadsheetId', m.spreadsheet_id, 'sheetName', m.sheet_name) FROM m
)
SELECT m.service FROM m;

-- name: AcquireLeaseSystem :one
-- No row: somebody else writes to this tab right now. A run that has ended does not, whether or not it gave the lease back; of
-- one that was cancelled only its worker knows.
-- sheet_name is Google's number of the tab, which a new name leaves as it is.
INSERT INTO sheet_leases AS l (spreadsheet_id, sheet_name, holder, lease_until)
VALUES (sqlc.arg(spreadsheet_id), sqlc.arg(sheet_name), sqlc.arg(holder), now() + sqlc.arg(ttl)::interval)
ON CONFLICT (spreadsheet_id, sheet_name) DO UPDATE SET holder = excluded.holder, lease_until = excluded.lease_until
    WHERE l.lease_until < least(now(), sqlc.arg(steady)::timestamptz) OR l.holder = excluded.holder
        OR EXISTS (SELECT FROM kpi_runs r WHERE r.id = l.holder AND r.status IN ('completed', 'failed'))
RETURNING l.holder;

-- name: ReleaseLeaseSystem :exec
-- A run that another process took over has the same holder under another claim: its lease stays.
DELETE FROM sheet_leases l WHERE l.spreadsheet_id = sqlc.arg(spreadsheet_id) AND l.sheet_name = sqlc.arg(sheet_name) AND l.holder = sqlc.arg(holder)
    AND NOT EXISTS (SELECT FROM kpi_runs r WHERE r.id = l.holder AND r.status = 'active' AND r.claim <> sqlc.arg(claim)::uuid);

-- name: PurgeLeasesSystem :execrows
DELETE FROM sheet_leases WHERE (spreadsheet_id, sheet_name) IN (
    SELECT l.spreadsheet_id, l.sheet_name FROM sheet_leases l WHERE l.lease_until < now() - interval '1 hour' LIMIT sqlc.arg(batch)::int)
    AND lease_until < now();

-- name: ExportRuns :many
SELECT id, service, target_day, from_day, to_day, dry_run, spreadsheet_id, sheet_name, status, attempt, result, error_reason, created_at, started_at, finished_at
FROM kpi_runs WHERE user_id = current_user_no() ORDER BY created_at, id;

-- name: ExportSchedules :many
SELECT j.service, j.cron_expression, j.timezone, j.enabled, j.misfire, j.last_run_at, j.next_run_at, j.created_at, j.updated_at
FROM job_schedules j WHERE j.user_id = current_user_no() ORDER BY j.service;

-- name: ExportFigures :many
SELECT k.service, k.day, k.id, k.metrics, k.provisional, k.fetched_at FROM kpi_rows k WHERE k.user_id = current_user_no() ORDER BY k.service, k.day;

-- name: ExportUndo :many
-- What loads replaced in the user's spreadsheets: kept with the run, and hence somebody's words that are kept.
SELECT u.run_id, u.spreadsheet_id, u.sheet_id, u.cells, u.loaded_at, u.undone_at FROM kpi_undo u WHERE u.user_id = current_user_no() ORDER BY u.loaded_at, u.run_id;
