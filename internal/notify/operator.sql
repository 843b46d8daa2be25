-- What the operator is told of. All run in the system scope: incidents are nobody's in particular.

-- name: OpenIncidentSystem :one
-- No row: it is open already, and was told.
INSERT INTO operator_incidents (event, subject, message) VALUES (sqlc.arg(event), sqlc.arg(subject), sqlc.arg(message))
ON CONFLICT (event, subject) WHERE closed_at IS NULL DO NOTHING
RETURNING id;

-- name: CloseIncidentSystem :one
-- No row: there is none.
UPDATE operator_incidents SET closed_at = now(), ending = sqlc.arg(ending)::text
WHERE event = sqlc.arg(event) AND subject = sqlc.arg(subject) AND closed_at IS NULL
RETURNING id;

-- name: IncidentSystem :one
SELECT event, subject, message, opened_at, closed_at, ending FROM operator_incidents WHERE id = sqlc.arg(id);

-- name: WrongSystem :many
-- What went wrong within the last hour: jobs that were given up, runs that ended in an unexpected error, and sources of which
-- no run ended well though several of several users were tried. Deliveries to users' own addresses fail for reasons of
-- theirs, and what tells of incidents cannot tell of itself. kpi_runs_finished_idx carries the runs.
SELECT 'job.dead'::text AS event, j.kind AS subject, count(*) AS number, 0::bigint AS users FROM river.river_job j
WHERE j.state = 'discarded' AND j.finalized_at > now() - interval '1 hour' AND j.kind <> ALL (sqlc.arg(silent)::text[])
GROUP BY j.kind
UNION ALL
SELECT 'run.internal', r.service, count(*), count(DISTINCT r.user_id) FROM kpi_runs r
WHERE r.status = 'failed' AND r.error_reason = 'internal' AND r.finished_at > now() - interval '1 hour'
GROUP BY r.service
UNION ALL
SELECT 'source.failing', r.service, count(*), count(DISTINCT r.user_id) FROM kpi_runs r
WHERE r.status IN ('completed', 'failed') AND NOT r.dry_run AND r.finished_at > now() - interval '1 hour'
GROUP BY r.service
HAVING bool_and(r.status = 'failed') AND count(*) >= sqlc.arg(runs)::int AND count(DISTINCT r.user_id) >= sqlc.arg(people)::int;

-- name: RightAgainSystem :many
-- Open incidents that WrongSystem found and that are over: nothing of the kind for an hour, and a run that ended well since.
SELECT o.event, o.subject FROM operator_incidents o
WHERE o.closed_at IS NULL AND (
    o.event = 'job.dead' AND NOT EXISTS (SELECT FROM river.river_job j
        WHERE j.state = 'discarded' AND j.kind = o.subject AND j.finalized_at > now() - interval '1 hour')
    OR o.event = 'run.internal' AND NOT EXISTS (SELECT FROM kpi_runs r
        WHERE r.status = 'failed' AND r.error_reason = 'internal' AND r.service = o.subject AND r.finished_at > now() - interval '1 hour')
    OR o.event = 'source.failing' AND EXISTS (SELECT FROM kpi_runs r
        WHERE r.status = 'completed' AND NOT r.dry_run AND r.service = o.subject AND r.finished_at > o.opened_at));

-- name: PurgeIncidentsSystem :execrows
DELETE FROM operator_incidents x WHERE x.id IN (
    SELECT o.id FROM operator_incidents o WHERE o.closed_at < now() - interval '30 days' ORDER BY o.closed_at LIMIT sqlc.arg(batch)::int);
