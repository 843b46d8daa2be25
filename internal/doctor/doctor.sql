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
        AND a.created_at > coalesce((SELECT s.sealed_at FROM audit_seals s ORDER BY s.no DESC LIMIT 1), '-infinity')))::boolean AS late
FROM audit_partitions() p;

-- name: IndexesSystem :one
-- invalid: those whose concurrent building did not end; missing: of those that are wanted.
SELECT coalesce((SELECT array_agg(format('%I.%I', n.nspname, c.relname) ORDER BY n.nspname, c.relname) FROM pg_index i
        JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('public', 'river', 'audit_parts') AND NOT (i.indisvalid AND i.indisready)), '{}')::text[] AS invalid,
    coalesce((SELECT array_agg(w.name ORDER BY w.name) FROM unnest(sqlc.arg(wanted)::text[]) AS w (name)
        WHERE NOT EXISTS (SELECT FROM pg_class x WHERE x.relname = w.name AND x.relkind = 'i' AND x.relnamespace = 'public'::regnamespace)), '{}')::text[] AS missing;

-- name: ProtectionSystem :many
-- What differs from what the migrations made, as far as it keeps tenants apart and the audit as it was written. A table of
-- tenants is one with their column.
WITH t AS (
    SELECT c.oid, c.relname::text AS name, c.relrowsecurity AND c.relforcerowsecurity AS forced, c.relname = 'apps' OR EXISTS (SELECT FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attname IN ('app_id', 'user_id') AND NOT a.attisdropped) AS tenants
    FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
), r AS (
    SELECT o.rolname::text AS name, o.rolsuper OR o.rolbypassrls AS bypasses FROM pg_roles o WHERE o.rolname IN ('turkey_app', 'turkey_system', 'turkey_owner')
), p AS (
    SELECT 1 AS line, 'database.roles' AS kind, format('%s is a superuser or bypasses row-level security', r.name) AS problem FROM r WHERE r.bypasses
    UNION ALL
    SELECT 2, 'database.roles', format('%s is a member of turkey_owner', r.name) FROM r WHERE r.name <> 'turkey_owner' AND pg_has_role(r.name, 'turkey_owner', 'MEMBER')
    UNION ALL
    SELECT 3, 'database.roles', 'turkey_app inherits turkey_system' WHERE pg_has_role('turkey_app', 'turkey_system', 'USAGE')
    UNION ALL
    SELECT 4, 'database.rls', format('%s is not protected, or not against its owner', t.name) FROM t WHERE t.tenants AND NOT t.forced
    UNION ALL
    SELECT 5, 'database.rls', format('%s has no policy for turkey_system', t.name) FROM t WHERE t.tenants AND NOT EXISTS (SELECT FROM pg_policy o
        WHERE o.polrelid = t.oid AND 'turkey_system'::regrole = ANY (o.polroles))
    UNION ALL
    SELECT 6, 'database.rls', format('policy %s shows every row of %s', o.polname, t.name) FROM t JOIN pg_policy o ON o.polrelid = t.oid
    WHERE t.tenants AND o.polpermissive AND (0 = ANY (o.polroles) OR 'turkey_app'::regrole = ANY (o.polroles)) AND pg_get_expr(o.polqual, o.polrelid) = 'true'
    UNION ALL
    SELECT 7, 'database.grants', format('%s may %s %s', r.name, w.may, t.name) FROM t, r, unnest('{UPDATE,DELETE,TRUNCATE}'::text[]) AS w (may)
    WHERE t.name IN ('audit', 'audit_logs') AND r.name <> 'turkey_owner' AND has_table_privilege(r.name, t.oid, w.may)
    UNION ALL
    SELECT 8, 'database.grants', format('turkey_app may %s %s', w.may, t.name) FROM t, unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) AS w (may)
    WHERE NOT t.tenants AND NOT (t.name = 'goose_db_version' AND w.may = 'SELECT') AND has_table_privilege('turkey_app', t.oid, w.may)
    UNION ALL
    SELECT 9, 'database.grants', format('turkey_system may not SELECT %s', t.name) FROM t WHERE t.tenants AND NOT has_table_privilege('turkey_system', t.oid, 'SELECT')
    UNION ALL
    SELECT 10, 'database.grants', format('everybody may %s %s', x.privilege_type, t.name) FROM t JOIN pg_class c ON c.oid = t.oid, aclexplode(c.relacl) AS x
    WHERE x.grantee = 0 AND t.name <> 'goose_db_version'
    UNION ALL
    SELECT 11, 'database.grants', format('%s may create in schema public', r.name) FROM r WHERE r.name <> 'turkey_owner' AND has_schema_privilege(r.name, 'public', 'CREATE')
)
SELECT p.kind::text AS kind, p.problem::text AS problem FROM p ORDER BY p.line, p.problem;

-- name: CleanupSystem :one
-- last: while River remembers it, else the beginning of Unix. oldest: of what the cleanup should have removed; an index carries
-- each half.
SELECT coalesce((SELECT max(j.finalized_at) FROM river.river_job j WHERE j.kind = 'cleanup' AND j.state = 'completed'), 'epoch')::timestamptz AS last,
    coalesce(least((SELECT min(v.expires_at) FROM revoked_jti v), (SELECT min(e.expires_at) FROM revocation_events e)), now())::timestamptz AS oldest;

-- name: AppsSystem :one
-- nameless: apps with users of which nothing but the id is known. plain: origins that are not https.
SELECT count(*) AS apps, coalesce(array_agg(a.id ORDER BY a.id) FILTER (WHERE a.name IN ('', a.id) AND EXISTS (SELECT FROM users u WHERE u.app_id = a.id)), '{}')::text[] AS nameless,
    coalesce(array_agg(a.id ORDER BY a.id) FILTER (WHERE EXISTS (SELECT FROM unnest(a.origins) AS o (origin) WHERE o.origin !~ '^https://')), '{}')::text[] AS plain
FROM apps a;
