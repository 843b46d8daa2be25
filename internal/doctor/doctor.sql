-- What the doctor asks. All run in the system scope, and give numbers.

-- name: ServerSystem :one
-- usable: connections that this login may have open, taken: those that are. pg_stat_activity would hide other logins'
-- connections; the number per database is for everybody to see.
SELECT current_setting('server_version_num')::integer AS version, current_setting('server_version')::text AS version_text,
    clock_timestamp()::timestamptz AS clock, r.rolname::text AS login, (r.rolsuper OR r.rolbypassrls)::boolean AS bypasses, e.rolvaliduntil AS expires,
    least(current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
            - coalesce(current_setting('reserved_connections', true), '0')::integer,
        nullif(r.rolconnlimit, -1), (SELECT nullif(b.datconnlimit, -1) FROM pg_database b WHERE b.datname = current_database()))::integer AS usable,
    (SELECT coalesce(sum(s.numbackends), 0) FROM pg_stat_database s)::integer AS taken
FROM pg_roles r LEFT JOIN pg_roles e ON e.rolname = r.rolname AND isfinite(e.rolvaliduntil)
WHERE r.rolname = session_user;

-- name: WorkSystem :one
-- Mails and deliveries of the last day: older ones stay as a record. A run is stuck that gives no sign of life, however long
-- ago it began. River keeps a discarded job for seven days.
SELECT c.credentials, c.broken, c.failing, w.deliveries, w.webhooks,
    (SELECT count(*) FROM mails m WHERE m.created_at > sqlc.arg(at)::timestamptz - interval '1 day' AND m.sent_at IS NULL AND m.error IS NOT NULL) AS mails,
    (SELECT count(*) FROM river.river_job j WHERE j.state = 'discarded') AS dead,
    (SELECT count(*) FROM kpi_runs r WHERE r.status = 'active' AND coalesce(r.beat_at, r.started_at) < sqlc.arg(at)::timestamptz - interval '15 minutes') AS stuck
FROM (SELECT count(*) AS credentials, count(*) FILTER (WHERE x.health = 'broken') AS broken, count(*) FILTER (WHERE x.health = 'failing') AS failing
        FROM credentials x WHERE x.deleted_at IS NULL) c,
    (SELECT count(*) AS deliveries, count(DISTINCT x.webhook_id) AS webhooks
        FROM webhook_deliveries x WHERE x.created_at > sqlc.arg(at)::timestamptz - interval '1 day' AND x.status = 'failed') w;

-- name: AuditSystem :one
-- stray: rows of audit_logs that no month took. until: there are months up to then. late: nothing was sealed since the newest row
-- that is older than a quarter of an hour; audit_created_idx carries it.
SELECT p.stray::bigint AS stray, p.until::timestamptz AS until,
    (SELECT EXISTS (SELECT FROM audit a WHERE a.created_at < sqlc.arg(at)::timestamptz - interval '15 minutes'
        AND a.created_at > coalesce((SELECT max(s.sealed_at) FROM audit_seals s), '-infinity')))::boolean AS late
FROM audit_partitions() p;
