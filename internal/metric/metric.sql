-- What is read of the database when Prometheus asks. All run in the system scope, and give numbers.

-- name: QueueSystem :many
-- Jobs that are not over, and those that were given up. age: seconds for which the longest-waiting has been due;
-- river_job_prioritized_fetching_index carries it.
SELECT j.queue::text AS queue, j.state::text AS state, count(*)::bigint AS jobs,
    coalesce(extract(epoch FROM sqlc.arg(at)::timestamptz - min(j.scheduled_at)
        FILTER (WHERE j.state <> 'running' AND j.state <> 'discarded' AND j.scheduled_at < sqlc.arg(at)::timestamptz)), 0)::double precision AS age
FROM river.river_job j WHERE j.state IN ('available', 'running', 'retryable', 'scheduled', 'discarded')
GROUP BY 1, 2;

-- name: CredentialsSystem :many
-- ending: within seven days.
SELECT x.service, x.health, count(*)::bigint AS credentials,
    count(*) FILTER (WHERE x.expires_at > sqlc.arg(at)::timestamptz AND x.expires_at <= sqlc.arg(at)::timestamptz + interval '7 days')::bigint AS ending
FROM credentials x WHERE x.deleted_at IS NULL
GROUP BY 1, 2;

-- name: AuditSystem :one
-- Seconds for which the oldest row has waited for its seal; audit_created_idx carries it.
SELECT coalesce(extract(epoch FROM sqlc.arg(at)::timestamptz - (SELECT min(a.created_at) FROM audit a
    WHERE a.created_at > coalesce((SELECT s.sealed_at FROM audit_seals s ORDER BY s.no DESC LIMIT 1), '-infinity'))), 0)::double precision AS age;
