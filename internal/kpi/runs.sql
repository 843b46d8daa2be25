-- Statements of runs. All run in a user scope unless the name says System.
-- A run is worked by whoever holds its claim; a statement that names a claim which is not the present one does nothing.

-- name: AdvanceRun :one
-- After a load: what was written for which day, where the tab is by now, what the source says of itself, and how far the run
-- has come, or that it is completed. A tab that was renamed keeps its mapping. recovered: the service had been failing, and
-- its user hears that it works again. next: another run of the user and service may go to the workers. No row: the claim is gone.
WITH r AS (
    UPDATE kpi_runs x SET done_day = coalesce(sqlc.narg(done_day)::date, x.done_day), progress = sqlc.arg(progress)::smallint,
        result = sqlc.arg(result)::jsonb, beat_at = now(),
        status = CASE WHEN sqlc.arg(completed)::boolean THEN 'completed' ELSE x.status END,
        finished_at = CASE WHEN sqlc.arg(completed)::boolean THEN now() END,
        error = CASE WHEN NOT sqlc.arg(completed)::boolean THEN x.error END,
        error_reason = CASE WHEN NOT sqlc.arg(completed)::boolean THEN x.error_reason END,
        claim = CASE WHEN NOT sqlc.arg(completed)::boolean THEN x.claim END
    WHERE x.user_id = current_user_no() AND x.id = sqlc.arg(id)::uuid AND x.status = 'active' AND x.claim = sqlc.arg(claim)::uuid
    RETURNING x.id, x.user_id, x.service, x.dry_run, x.awaited
), w AS (
    UPDATE kpi_rows k SET written = n.written, written_to = sqlc.arg(written_to)::text
    FROM r, jsonb_to_recordset(sqlc.arg(rows)::jsonb) AS n (day date, written jsonb)
    WHERE k.user_id = r.user_id AND k.service = r.service AND k.day = n.day
), z AS (
    UPDATE credentials c SET source_timezone = coalesce(nullif(sqlc.arg(time_zone)::text, ''), c.source_timezone),
        source_currency = coalesce(nullif(sqlc.arg(currency)::text, ''), c.source_currency)
    FROM r WHERE c.user_id = r.user_id AND c.id = sqlc.arg(source_credential)::bigint
        AND (coalesce(c.source_timezone, ''), coalesce(c.source_currency, '')) <> (sqlc.arg(time_zone)::text, sqlc.arg(currency)::text)
), m AS (
    UPDATE sheet_mappings x SET sheet_id = sqlc.arg(sheet_id)::bigint, sheet_name = sqlc.arg(tab)::text
    FROM r WHERE x.user_id = r.user_id AND x.service = r.service AND x.spreadsheet_id = sqlc.arg(spreadsheet_id)::text
        AND x.sheet_name = sqlc.arg(mapped_tab)::text AND (x.sheet_id IS DISTINCT FROM sqlc.arg(sheet_id)::bigint OR x.sheet_name <> sqlc.arg(tab)::text)
), f AS (
    UPDATE service_configs s SET failing_since = NULL FROM r
    WHERE s.user_id = r.user_id AND s.service = r.service AND s.failing_since IS NOT NULL AND NOT r.dry_run AND NOT r.awaited
        AND sqlc.arg(completed)::boolean
    RETURNING s.service
), a AS (
    INSERT INTO audit_logs (user_id, action, service, status, metadata)
    SELECT r.user_id, 'workflow_completed', r.service, 'success', sqlc.arg(metadata)::jsonb || jsonb_build_object('jobId', r.id) FROM r
    WHERE sqlc.arg(completed)::boolean
)
SELECT r.id, EXISTS (SELECT FROM f) AS recovered, EXISTS (SELECT FROM kpi_runs n WHERE n.user_id = r.user_id AND n.service = r.service
    AND n.status IN ('waiting', 'delayed') AND NOT n.enqueued) AS next FROM r;

-- name: BeatRun :one
-- A sign of life. No row: the run was cancelled, or given to another worker.
UPDATE kpi_runs SET beat_at = now() WHERE user_id = current_user_no() AND id = sqlc.arg(id) AND status = 'active' AND claim = sqlc.arg(claim)::uuid
RETURNING id;

-- name: CancelRun :one
-- A worker notices at its next sign of life. No row: there is no such run, or it has ended.
WITH r AS (
    UPDATE kpi_runs x SET status = 'cancelled', finished_at = now(), claim = NULL
    WHERE x.user_id = current_user_no() AND x.id = sqlc.arg(id) AND x.status IN ('waiting', 'delayed', 'active')
    RETURNING x.id, x.user_id, x.service
), a AS (
    INSERT INTO audit_logs (user_id, action, service, status, metadata)
    SELECT r.user_id, 'workflow_cancelled', r.service, 'success', sqlc.arg(metadata)::jsonb || jsonb_build_object('jobId', r.id) FROM r
)
SELECT r.id FROM r;

-- name: CloseRunSystem :exec
-- Ends a run whose user may not act any more: no scope of the user can.
UPDATE kpi_runs SET status = 'failed', error = sqlc.arg(error)::text, error_reason = sqlc.arg(reason)::text, finished_at = now(), claim = NULL
WHERE id = sqlc.arg(id) AND status IN ('waiting', 'delayed', 'active');

-- name: CreateAwaitedRun :one
-- A run that a request waits for, on one given credential, whether or not the service is enabled. No row: no such credential;
-- another service than asked for, or as many runs of it as may wait already (crowded): nothing was written.
WITH c AS (
    SELECT x.user_id, x.id, x.service, (SELECT count(*) FROM kpi_runs o WHERE o.user_id = x.user_id AND o.service = x.service
        AND o.status IN ('waiting', 'delayed', 'active')) >= sqlc.arg(most)::int AS crowded
    FROM credentials x
    WHERE x.user_id = current_user_no() AND x.id = sqlc.arg(credential_id)::bigint AND x.deleted_at IS NULL
), r AS (
    INSERT INTO kpi_runs (id, user_id, service, target_day, spreadsheet_id, sheet_name, credential_id, awaited)
    SELECT sqlc.arg(id)::uuid, c.user_id, c.service, sqlc.narg(target_day)::date, sqlc.narg(spreadsheet_id)::text, sqlc.narg(sheet_name)::text, c.id, true
    FROM c WHERE c.service = sqlc.arg(service)::text AND NOT c.crowded
), a AS (
    INSERT INTO audit_logs (user_id, action, service, status, metadata)
    SELECT c.user_id, 'workflow_run', c.service, 'success', sqlc.arg(metadata)::jsonb || jsonb_build_object('jobId', sqlc.arg(id)::uuid)
    FROM c WHERE c.service = sqlc.arg(service)::text AND NOT c.crowded
)
SELECT c.service, c.crowded::boolean AS crowded FROM c;

-- name: CreateRun :one
-- No row: the service is not enabled. crowded: as many of its runs as may wait do already, and none was made.
WITH s AS (
    SELECT x.user_id, x.service, c.source_timezone, (SELECT count(*) FROM kpi_runs o WHERE o.user_id = x.user_id AND o.service = x.service
        AND o.status IN ('waiting', 'delayed', 'active')) >= sqlc.arg(most)::int AS crowded
    FROM service_configs x
    JOIN credentials c ON c.user_id = x.user_id AND c.id = x.credential_id AND c.deleted_at IS NULL
    WHERE x.user_id = current_user_no() AND x.service = sqlc.arg(service)::text AND x.enabled
), r AS (
    INSERT INTO kpi_runs (id, user_id, service, target_day, from_day, to_day, dry_run, spreadsheet_id, sheet_name)
    SELECT sqlc.arg(id)::uuid, s.user_id, s.service, sqlc.narg(target_day)::date, sqlc.narg(from_day)::date, sqlc.narg(to_day)::date,
        sqlc.arg(dry_run)::boolean, sqlc.narg(spreadsheet_id)::text, sqlc.narg(sheet_name)::text
    FROM s WHERE NOT s.crowded
), a AS (
    INSERT INTO audit_logs (user_id, action, service, status, metadata)
    SELECT s.user_id, 'workflow_run', s.service, 'success', sqlc.arg(metadata)::jsonb || jsonb_build_object('jobId', sqlc.arg(id)::uuid) FROM s
    WHERE NOT s.crowded
)
SELECT s.user_id, coalesce(s.source_timezone, '')::text AS source_timezone, s.crowded::boolean AS crowded FROM s;

-- name: CreateRuns :many
-- One run for each enabled service of which not too many wait already, half a minute apart.
WITH s AS (
    SELECT x.user_id, x.service, c.source_timezone, gen_random_uuid() AS id, row_number() OVER (ORDER BY x.service) - 1 AS place
    FROM service_configs x JOIN credentials c ON c.user_id = x.user_id AND c.id = x.credential_id AND c.deleted_at IS NULL
    WHERE x.user_id = current_user_no() AND x.enabled AND x.service = ANY (sqlc.arg(services)::text[])
        AND (SELECT count(*) FROM kpi_runs o WHERE o.user_id = x.user_id AND o.service = x.service AND o.status IN ('waiting', 'delayed', 'active')) < sqlc.arg(most)::int
), r AS (
    INSERT INTO kpi_runs (id, user_id, service, target_day, spreadsheet_id, sheet_name, run_at)
    SELECT s.id, s.user_id, s.service, sqlc.narg(target_day)::date, sqlc.narg(spreadsheet_id)::text, sqlc.narg(sheet_name)::text,
        now() + s.place * interval '30 seconds'
    FROM s
), a AS (
    INSERT INTO audit_logs (user_id, action, service, status, metadata)
    SELECT s.user_id, 'workflow_run', s.service, 'success', sqlc.arg(metadata)::jsonb || jsonb_build_object('jobId', s.id) FROM s
)
SELECT s.id, s.service, coalesce(s.source_timezone, '')::text AS source_timezone FROM s ORDER BY s.place;

-- name: DueRunsSystem :many
-- What may go to the workers: per user and service one run at a time; one that has begun before those that have not, since it
-- may hold the lease on their tab; then the earliest.
SELECT r.id, u.id AS user_uuid, r.scheduled FROM kpi_runs r JOIN users u ON u.user_no = r.user_id
WHERE NOT r.enqueued AND r.status IN ('waiting', 'delayed') AND r.run_at <= now()
    AND NOT EXISTS (SELECT FROM kpi_runs o WHERE o.user_id = r.user_id AND o.service = r.service AND o.enqueued
        AND o.status IN ('waiting', 'delayed', 'active'))
    AND NOT EXISTS (SELECT FROM kpi_runs e WHERE e.user_id = r.user_id AND e.service = r.service AND NOT e.enqueued
        AND e.status IN ('waiting', 'delayed')
        AND (e.started_at IS NULL, e.run_at, e.id) < (r.started_at IS NULL, r.run_at, r.id))
ORDER BY r.run_at
LIMIT sqlc.arg(batch)::int
FOR UPDATE OF r SKIP LOCKED;

-- name: FailRun :one
-- Final, or to come again. free: the attempt does not count, because it never came to anything of its own. first: the first
-- final failure of an incident, of which the user is told.
WITH r AS (
    UPDATE kpi_runs x SET attempt = x.attempt - CASE WHEN sqlc.arg(free)::boolean THEN 1 ELSE 0 END, status = sqlc.arg(status)::text,
        error = sqlc.arg(error)::text, error_reason = sqlc.arg(reason)::text, run_at = now() + sqlc.arg(after)::interval,
        finished_at = CASE WHEN sqlc.arg(status)::text = 'failed' THEN now() END, result = sqlc.arg(result), claim = NULL
    WHERE x.user_id = current_user_no() AND x.id = sqlc.arg(id) AND x.status = 'active' AND x.claim = sqlc.arg(claim)::uuid
    RETURNING x.id, x.user_id, x.service, x.dry_run, x.awaited
), f AS (
    UPDATE service_configs s SET failing_since = now() FROM r
    WHERE s.user_id = r.user_id AND s.service = r.service AND s.failing_since IS NULL AND sqlc.arg(status)::text = 'failed'
        AND NOT r.dry_run AND NOT r.awaited
    RETURNING s.service
), a AS (
    INSERT INTO audit_logs (user_id, action, service, status, error_message, metadata)
    SELECT r.user_id, 'workflow_failed', r.service, 'failure', sqlc.arg(error)::text, sqlc.arg(metadata)::jsonb || jsonb_build_object('jobId', r.id)
    FROM r WHERE NOT sqlc.arg(free)::boolean
)
SELECT r.id, EXISTS (SELECT FROM f) AS first, EXISTS (SELECT FROM kpi_runs n WHERE n.user_id = r.user_id AND n.service = r.service
    AND n.status IN ('waiting', 'delayed') AND NOT n.enqueued) AS next FROM r;

-- name: GetRun :one
SELECT r.id, r.user_id, r.service, r.target_day, r.from_day, r.to_day, r.dry_run, r.spreadsheet_id, r.sheet_name, r.status, r.progress, r.attempt,
    r.result, r.error, r.error_reason, r.created_at, r.started_at, r.finished_at, r.run_at,
    (SELECT u.undone_at FROM kpi_undo u WHERE u.user_id = r.user_id AND u.run_id = r.id) AS undone_at
FROM kpi_runs r WHERE r.user_id = current_user_no() AND r.id = sqlc.arg(id);

-- name: KeepRows :many
-- Stores what a source said, one row per day; a day that is known keeps its id. No row: the claim is gone.
WITH p AS (
    UPDATE kpi_runs r SET progress = sqlc.arg(progress)::smallint, beat_at = now()
    WHERE r.user_id = current_user_no() AND r.id = sqlc.arg(run_id)::uuid AND r.status = 'active' AND r.claim = sqlc.arg(claim)::uuid
    RETURNING r.id, r.user_id, r.service
)
INSERT INTO kpi_rows AS k (user_id, service, day, id, metrics, run_id, provisional, api_version, sources, currency)
SELECT p.user_id, p.service, n.day, n.id, n.metrics, p.id, n.day > sqlc.arg(settled)::date, sqlc.arg(api_version)::text, n.sources,
    nullif(sqlc.arg(currency)::text, '')
FROM p CROSS JOIN jsonb_to_recordset(sqlc.arg(rows)::jsonb) AS n (day date, id uuid, metrics jsonb, sources jsonb)
ON CONFLICT (user_id, service, day) DO UPDATE
    SET metrics = excluded.metrics, run_id = excluded.run_id, fetched_at = now(), provisional = excluded.provisional,
        api_version = excluded.api_version, sources = excluded.sources, currency = excluded.currency
RETURNING k.day, k.id, k.written, coalesce(k.written_to, '')::text AS written_to;

-- name: ListRuns :many
-- Newest first; without the differences of a dry run, which may be long.
SELECT r.id, r.user_id, r.service, r.target_day, r.from_day, r.to_day, r.dry_run, r.spreadsheet_id, r.sheet_name, r.status, r.progress, r.attempt,
    (r.result - 'diff')::jsonb AS result, r.error, r.error_reason, r.created_at, r.started_at, r.finished_at, r.run_at,
    (SELECT u.undone_at FROM kpi_undo u WHERE u.user_id = r.user_id AND u.run_id = r.id) AS undone_at
FROM kpi_runs r
WHERE r.user_id = current_user_no()
    AND (sqlc.narg(service)::text IS NULL OR r.service = sqlc.narg(service)::text)
    AND (sqlc.narg(status)::text IS NULL OR r.status = sqlc.narg(status)::text)
    AND (sqlc.narg(before_at)::timestamptz IS NULL OR (r.created_at, r.id) < (sqlc.narg(before_at)::timestamptz, sqlc.narg(before_id)::uuid))
ORDER BY r.created_at DESC, r.id DESC LIMIT sqlc.arg(most)::int;

-- name: MarkEnqueuedSystem :exec
-- In the transaction that hands them to the queue.
UPDATE kpi_runs SET enqueued = true WHERE id = ANY (sqlc.arg(ids)::uuid[]);

-- name: MarkUndone :exec
-- The days of an undone load count as never written.
WITH u AS (
    UPDATE kpi_undo x SET undone_at = now() WHERE x.user_id = current_user_no() AND x.run_id = sqlc.arg(run_id)::uuid
    RETURNING x.user_id, x.run_id
), w AS (
    UPDATE kpi_rows k SET written = NULL, written_to = NULL
    WHERE k.user_id = current_user_no() AND k.service = sqlc.arg(service)::text AND k.day = ANY (sqlc.arg(days)::date[])
)
INSERT INTO audit_logs (user_id, action, service, status, metadata)
SELECT u.user_id, 'workflow_undone', sqlc.arg(service)::text, 'success', sqlc.arg(metadata)::jsonb || jsonb_build_object('jobId', u.run_id) FROM u;

-- name: PauseCredential :exec
-- The provider limits calls with it; later runs wait as long.
UPDATE credentials SET limited_until = greatest(limited_until, now() + sqlc.arg(pause)::interval)
WHERE user_id = current_user_no() AND id = sqlc.arg(id);

-- name: PurgeRunsSystem :one
-- Completed runs stay a day, a hundred of a user; others a week, fifty of a user (contract §8.2). One stretch of the walk along
-- the users, of whom all runs have to be seen: kpi_runs_user_idx carries it.
WITH e AS (
    SELECT coalesce((SELECT r.user_id FROM kpi_runs r WHERE r.user_id > sqlc.arg(after)::bigint ORDER BY r.user_id
        LIMIT 1 OFFSET sqlc.arg(batch)::int), 9223372036854775807)::bigint AS last
), o AS (
    SELECT r.id, r.finished_at, r.status = 'completed' AS good,
        row_number() OVER (PARTITION BY r.user_id, r.status = 'completed' ORDER BY r.finished_at DESC, r.id) AS place
    FROM kpi_runs r WHERE r.user_id > sqlc.arg(after)::bigint AND r.user_id <= (SELECT e.last FROM e) AND r.status IN ('completed', 'failed', 'cancelled')
), d AS (
    DELETE FROM kpi_runs WHERE id IN (SELECT o.id FROM o
        WHERE o.good AND (o.finished_at < now() - interval '1 day' OR o.place > 100)
            OR NOT o.good AND (o.finished_at < now() - interval '7 days' OR o.place > 50)) RETURNING 1
)
SELECT (SELECT count(*) FROM d) AS gone, e.last FROM e;

-- name: RetryRun :one
-- A run that failed or was cancelled begins again where it was; after an undo from its first day. No row: it is none of these,
-- or as many runs of the service as may wait do already.
WITH u AS (
    DELETE FROM kpi_undo d WHERE d.user_id = current_user_no() AND d.run_id = sqlc.arg(id)::uuid AND d.undone_at IS NOT NULL
        AND EXISTS (SELECT FROM kpi_runs f WHERE f.user_id = d.user_id AND f.id = d.run_id AND f.status IN ('failed', 'cancelled')
            AND (SELECT count(*) FROM kpi_runs o WHERE o.user_id = f.user_id AND o.service = f.service AND o.status IN ('waiting', 'delayed', 'active')) < sqlc.arg(most)::int)
    RETURNING d.run_id
), r AS (
    UPDATE kpi_runs x SET status = 'waiting', enqueued = false, attempt = 0, run_at = now(), finished_at = NULL, error = NULL, error_reason = NULL,
        claim = NULL, done_day = CASE WHEN EXISTS (SELECT FROM u) THEN NULL ELSE x.done_day END
    WHERE x.user_id = current_user_no() AND x.id = sqlc.arg(id)::uuid AND x.status IN ('failed', 'cancelled')
        AND (SELECT count(*) FROM kpi_runs o WHERE o.user_id = x.user_id AND o.service = x.service AND o.status IN ('waiting', 'delayed', 'active')) < sqlc.arg(most)::int
    RETURNING x.id, x.user_id, x.service
), a AS (
    INSERT INTO audit_logs (user_id, action, service, status, metadata)
    SELECT r.user_id, 'workflow_retried', r.service, 'success', sqlc.arg(metadata)::jsonb || jsonb_build_object('jobId', r.id) FROM r
)
SELECT r.id FROM r;

-- name: ReviveRunsSystem :execrows
-- Runs whose worker gave no sign of life, runs whose job is with a process that ended before it began or after it gave the run
-- back, and runs that the queue lost. The queue itself takes a job back only after longer than any job may take.
-- steady is PostgreSQL's clock, had nobody set it ahead.
WITH t AS MATERIALIZED (
    SELECT least(now(), sqlc.arg(steady)::timestamptz) AS now
), a AS (
    SELECT x.id FROM kpi_runs x WHERE x.status = 'active' AND x.beat_at < (SELECT t.now FROM t) - sqlc.arg(silent)::interval
    LIMIT sqlc.arg(batch)::int FOR UPDATE SKIP LOCKED
), j AS (
    SELECT x.id FROM river.river_job o JOIN kpi_runs x ON x.id = (o.args ->> 'run')::uuid
    WHERE o.kind = 'kpi_run' AND o.state = 'running' AND o.attempted_at < (SELECT t.now FROM t) - sqlc.arg(silent)::interval
        AND x.enqueued AND x.status IN ('waiting', 'delayed') AND x.run_at < (SELECT t.now FROM t) - sqlc.arg(silent)::interval
    LIMIT sqlc.arg(batch)::int FOR UPDATE OF x SKIP LOCKED
), q AS (
    SELECT x.id FROM kpi_runs x WHERE x.enqueued AND x.status IN ('waiting', 'delayed') AND x.run_at < (SELECT t.now FROM t) - sqlc.arg(lost)::interval
    LIMIT sqlc.arg(batch)::int FOR UPDATE SKIP LOCKED
)
UPDATE kpi_runs SET status = 'delayed', enqueued = false, claim = NULL, run_at = now()
WHERE kpi_runs.id IN (SELECT a.id FROM a UNION ALL SELECT j.id FROM j UNION ALL SELECT q.id FROM q);

-- name: RowIDs :many
-- What is known of days, for a dry run, which stores nothing.
SELECT day, id, written, coalesce(written_to, '')::text AS written_to FROM kpi_rows
WHERE user_id = current_user_no() AND service = sqlc.arg(service)::text AND day BETWEEN sqlc.arg(first)::date AND sqlc.arg(last)::date;

-- name: SaveUndo :one
-- What a load is about to replace, stored before it writes.
INSERT INTO kpi_undo AS u (user_id, run_id, spreadsheet_id, sheet_id, cells)
SELECT r.user_id, r.id, sqlc.arg(spreadsheet_id)::text, sqlc.arg(sheet_id)::bigint, sqlc.arg(cells)::jsonb FROM kpi_runs r
WHERE r.user_id = current_user_no() AND r.id = sqlc.arg(run_id)::uuid AND r.status = 'active' AND r.claim = sqlc.arg(claim)::uuid
ON CONFLICT (user_id, run_id) DO UPDATE
    SET spreadsheet_id = excluded.spreadsheet_id, sheet_id = excluded.sheet_id, cells = excluded.cells, loaded_at = now(), undone_at = NULL
RETURNING u.run_id;

-- name: SourceOf :one
-- The zone of an enabled source. No row: it is not enabled.
SELECT coalesce(c.source_timezone, '')::text AS source_timezone FROM service_configs x
JOIN credentials c ON c.user_id = x.user_id AND c.id = x.credential_id AND c.deleted_at IS NULL
WHERE x.user_id = current_user_no() AND x.service = sqlc.arg(service)::text AND x.enabled;

-- name: SheetsCredential :one
-- The Google credential that tabs are written with. No row: none is verified.
SELECT c.id FROM credentials c
LEFT JOIN service_configs s ON s.user_id = c.user_id AND s.service = 'google_sheets' AND s.credential_id = c.id AND s.enabled
WHERE c.user_id = current_user_no() AND c.service = 'google_sheets' AND c.verified AND c.deleted_at IS NULL
ORDER BY s.credential_id IS NULL, c.created_at DESC LIMIT 1;

-- name: StartRun :one
-- Takes the claim. No row: it has ended, it is not its turn (a job that was thought lost comes late), or another worker is alive
-- on it. With it comes what the run works with: the source's
-- credential, the Google credential, the tab, how long a provider wants to be left alone, and whether it has replaced anything (noted).
WITH r AS (
    UPDATE kpi_runs x SET status = 'active', attempt = x.attempt + 1, started_at = coalesce(x.started_at, now()), error = NULL,
        claim = gen_random_uuid(), beat_at = now()
    WHERE x.user_id = current_user_no() AND x.id = sqlc.arg(id) AND x.enqueued
        AND (x.status IN ('waiting', 'delayed') OR x.status = 'active' AND x.beat_at < least(now(), sqlc.arg(steady)::timestamptz) - sqlc.arg(silent)::interval)
    RETURNING x.user_id, x.service, x.target_day, x.from_day, x.to_day, x.done_day, x.dry_run, x.awaited, x.credential_id, x.spreadsheet_id,
        x.sheet_name, x.attempt, x.result, x.started_at, x.claim
), src AS (
    SELECT c.id, c.source_timezone, c.source_currency, c.limited_until FROM r JOIN credentials c ON c.user_id = r.user_id
    WHERE c.user_id = current_user_no() AND c.deleted_at IS NULL AND c.id = coalesce(r.credential_id,
        (SELECT s.credential_id FROM service_configs s WHERE s.user_id = current_user_no() AND s.service = r.service AND s.enabled))
), dst AS (
    SELECT c.id, c.limited_until FROM credentials c
    LEFT JOIN service_configs s ON s.user_id = c.user_id AND s.service = 'google_sheets' AND s.credential_id = c.id AND s.enabled
    WHERE c.user_id = current_user_no() AND c.service = 'google_sheets' AND c.verified AND c.deleted_at IS NULL
    ORDER BY s.credential_id IS NULL, c.created_at DESC LIMIT 1
)
SELECT r.user_id, r.service, r.target_day, r.from_day, r.to_day, r.done_day, r.dry_run, r.awaited, r.credential_id, r.spreadsheet_id, r.sheet_name,
    r.attempt, r.result, r.started_at::timestamptz AS started_at, r.claim::uuid AS claim,
    coalesce(src.id, 0)::bigint AS source_credential, coalesce(src.source_timezone, '')::text AS source_timezone,
    coalesce(src.source_currency, '')::text AS source_currency, coalesce(dst.id, 0)::bigint AS sheets_credential,
    coalesce(m.spreadsheet_id, '')::text AS mapped_spreadsheet, coalesce(m.sheet_name, '')::text AS mapped_tab, m.sheet_id AS mapped_sheet,
    (greatest(src.limited_until, dst.limited_until, now()) - now())::interval AS pause,
    EXISTS (SELECT FROM service_configs f WHERE f.user_id = current_user_no() AND f.service = r.service AND f.failing_since IS NOT NULL) AS failing,
    EXISTS (SELECT FROM kpi_undo u WHERE u.user_id = current_user_no() AND u.run_id = sqlc.arg(id)) AS noted
FROM r LEFT JOIN src ON true LEFT JOIN dst ON true
LEFT JOIN sheet_mappings m ON m.user_id = r.user_id AND m.service = r.service;

-- name: UndoOf :one
SELECT spreadsheet_id, sheet_id, cells FROM kpi_undo WHERE user_id = current_user_no() AND run_id = sqlc.arg(run_id);

-- name: UndoableRun :one
-- What an undo needs; newer: a later load wrote to the tab.
SELECT r.service, r.status, u.spreadsheet_id, u.sheet_id, u.cells, u.undone_at,
    EXISTS (SELECT FROM kpi_undo o WHERE o.user_id = u.user_id AND o.spreadsheet_id = u.spreadsheet_id AND o.sheet_id = u.sheet_id
        AND o.loaded_at > u.loaded_at) AS newer
FROM kpi_runs r LEFT JOIN kpi_undo u ON u.user_id = r.user_id AND u.run_id = r.id
WHERE r.user_id = current_user_no() AND r.id = sqlc.arg(id);

-- name: YieldRun :exec
-- Gives the run back when the process is told to stop; the attempt does not count.
UPDATE kpi_runs SET status = 'delayed', attempt = greatest(attempt - 1, 0), claim = NULL, run_at = now()
WHERE user_id = current_user_no() AND id = sqlc.arg(id) AND status = 'active' AND claim = sqlc.arg(claim)::uuid;
