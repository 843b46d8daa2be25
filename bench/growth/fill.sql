-- Rows as years of use leave them. Each step is one transaction; growth.users and the other settings are the program's.
-- What is written in the order of time has ids and numbers in that order, as the server's have. Steps of 'a' and of 'b' run side by side.

-- first: functions
CREATE SCHEMA growth;
-- A number in [0, 1) that depends on n alone.
CREATE FUNCTION growth.r(n bigint, salt bigint) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT (hashint8extended(n, salt) & 1073741823) / 1073741824.0 $$;
-- The settings as constants, and nothing that a plan could not take apart: there are millions of calls.
DO $$ BEGIN
    EXECUTE format('CREATE FUNCTION growth.users() RETURNS bigint LANGUAGE sql IMMUTABLE AS %L', format('SELECT %s::bigint', current_setting('growth.users')));
    EXECUTE format('CREATE FUNCTION growth.apps() RETURNS bigint LANGUAGE sql IMMUTABLE AS %L', format('SELECT %s::bigint', greatest(current_setting('growth.users')::bigint / 1000, 10)));
    EXECUTE format('CREATE FUNCTION growth.at() RETURNS timestamptz LANGUAGE sql IMMUTABLE AS %L', format('SELECT timestamptz %L', current_setting('growth.at')));
END $$;
-- UUIDs that begin with the time, as those that the server makes.
CREATE FUNCTION growth.v7(at timestamptz, m text) RETURNS uuid LANGUAGE sql STABLE
    AS $$ SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || substr(m, 1, 20))::uuid $$;
CREATE FUNCTION growth.born(n bigint) RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT growth.at() - interval '720 days' + (n::double precision / growth.users()) * interval '719 days' $$;
CREATE FUNCTION growth.person(n bigint) RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT growth.v7(growth.born(n), md5('user' || n)) $$;
-- One app has 30 % of the users, the others have less and less.
CREATE FUNCTION growth.app(n bigint) RETURNS text LANGUAGE sql STABLE AS $$ SELECT CASE WHEN growth.r(n, 1) < 0.3 THEN 'default-app'
    ELSE 'app-' || (1 + floor((growth.apps() - 1) * growth.r(n, 2) ^ 3))::bigint END $$;
CREATE FUNCTION growth.somebody(n bigint) RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT 1 + floor(growth.r(n, 3) * growth.users())::bigint $$;
-- Every sixth user has a vault.
CREATE FUNCTION growth.keeper(n bigint) RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT 6 * (1 + floor(growth.r(n, 4) * (growth.users() / 6))::bigint) $$;
-- Indexes are built once the rows are there; keys that others refer to stay.
CREATE TABLE growth.indexes (no serial, name text, definition text);
CREATE FUNCTION growth.strip(VARIADIC tables text[]) RETURNS void LANGUAGE plpgsql AS $$ DECLARE i record;
    BEGIN
        FOR i IN SELECT x.indexrelid::regclass::text AS index, x.indrelid::regclass::text AS name, k.conname, pg_get_indexdef(x.indexrelid) AS definition, pg_get_constraintdef(k.oid) AS constraint
            FROM pg_index x LEFT JOIN pg_constraint k ON k.conindid = x.indexrelid AND k.contype IN ('p', 'u')
            WHERE x.indrelid = ANY (tables::regclass[]) AND NOT EXISTS (SELECT FROM pg_constraint f WHERE f.conindid = x.indexrelid AND f.contype = 'f') LOOP
            IF i.conname IS NULL THEN
                EXECUTE 'DROP INDEX ' || i.index;
                INSERT INTO growth.indexes (name, definition) VALUES (i.name, i.definition);
            ELSE
                EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', i.name, i.conname);
                INSERT INTO growth.indexes (name, definition) VALUES (i.name, format('ALTER TABLE %s ADD CONSTRAINT %I %s', i.name, i.conname, i.constraint));
            END IF;
        END LOOP;
    END $$;
CREATE FUNCTION growth.dress(VARIADIC tables text[]) RETURNS void LANGUAGE plpgsql AS $$ DECLARE i record;
    BEGIN
        FOR i IN DELETE FROM growth.indexes WHERE name = ANY (tables) RETURNING definition LOOP
            EXECUTE i.definition;
        END LOOP;
    END $$;
-- Texts that do not compress, as sealed ones do not.
CREATE TABLE growth.texts AS SELECT n AS no, 'v1.' || string_agg(translate(encode(sha256((n || ' ' || x)::bytea), 'base64'), '+/=', '-_A'), '') AS text
    FROM generate_series(0, 499) n, generate_series(1, 70) x GROUP BY n;
CREATE UNIQUE INDEX ON growth.texts (no);

-- first: apps and users
INSERT INTO apps (id, name, created_at) SELECT 'app-' || n, 'App ' || n, growth.at() - interval '720 days' FROM generate_series(1, growth.apps() - 1) n;
SELECT growth.strip('users');
INSERT INTO users (id, user_no, app_id, email, password_hash, role, email_verified, status, name, onboarding_complete, created_at, updated_at)
SELECT growth.person(n), n, growth.app(n), substr(md5('mail' || n), 1, 10) || '.' || n || '@example.com', current_setting('growth.hash'),
    CASE WHEN n % 20000 = 1 THEN 'admin' ELSE 'user' END, n % 10 <> 9, CASE WHEN n % 97 = 5 THEN 'suspended' ELSE 'active' END, 'Person ' || n, n % 3 = 0,
    growth.born(n), growth.born(n)
FROM generate_series(1, growth.users()) n;
SELECT growth.dress('users');
SELECT setval('users_user_no_seq', growth.users());
INSERT INTO admin_keys (name, key_hash) VALUES ('growth', sha256(current_setting('growth.key')::bytea));

-- a: audit
-- Rows of two years by the transactions that wrote them, all before the newest seal.
SELECT begin_audit_era();
SELECT growth.strip('audit');
TRUNCATE audit; -- what is written into a new file needs no log
INSERT INTO audit (id, app_id, user_id, actor, action, ip, user_agent, meta, created_at, seal_era, seal_xid)
SELECT md5('audit' || a)::uuid, growth.app(n), CASE WHEN k < 0.02 THEN NULL ELSE growth.person(n) END, CASE WHEN k < 0.02 THEN NULL ELSE growth.person(n)::text END,
    CASE WHEN k < 0.02 THEN 'login_failed' WHEN k < 0.7 THEN 'refresh' WHEN k < 0.88 THEN 'login' WHEN k < 0.93 THEN 'logout' WHEN k < 0.97 THEN 'register'
        WHEN k < 0.98 THEN 'password_changed' WHEN k < 0.99 THEN 'verify_email' WHEN k < 0.9999 THEN 'session_revoked' ELSE 'refresh_reuse_detected' END,
    '203.0.' || (a % 256) || '.' || (a / 7 % 256), 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36',
    '{"requestId":"' || growth.v7(growth.at(), md5('q' || a)) || '"}', growth.at() - interval '365 days' + (a::double precision / (growth.users() * 15)) * interval '365 days',
    (SELECT 2), 3 + a * 600 / (growth.users() * 15)
FROM (SELECT a, growth.somebody(a) AS n, growth.r(a, 5) AS k FROM generate_series(1, growth.users() * 15) a OFFSET 0) x;
SELECT growth.dress('audit');

-- a: audit_logs
-- A year of partitions; what is older belongs to the one that was there before them.
DO $$ DECLARE
    part text;
    first timestamptz;
    months constant integer := 12;
BEGIN
    SET LOCAL timezone = 'UTC';
    ALTER TABLE audit_logs DETACH PARTITION audit_parts.audit_logs_before;
    EXECUTE format('ALTER TABLE audit_logs ATTACH PARTITION audit_parts.audit_logs_before FOR VALUES FROM (MINVALUE) TO (%L)',
        date_trunc('month', growth.at()) - make_interval(months => months));
    FOR m IN REVERSE months..0 LOOP
        first := date_trunc('month', growth.at()) - make_interval(months => m);
        part := 'audit_parts.audit_logs_' || to_char(first, 'YYYY_MM');
        EXECUTE format('CREATE TABLE %s (LIKE public.audit_logs INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part);
        EXECUTE format('ALTER TABLE %s OWNER TO turkey_owner', part);
        EXECUTE format($f$INSERT INTO %s (id, user_id, action, service, status, metadata, created_at, seal_era, seal_xid)
            SELECT a, n, CASE WHEN k < 0.6 THEN 'credential_accessed' WHEN k < 0.8 THEN 'workflow_completed' WHEN k < 0.95 THEN 'workflow_run' ELSE 'credential_saved' END,
                (ARRAY['google_sheets', 'ga4', 'meta'])[1 + a %% 3], CASE WHEN a %% 50 = 0 THEN 'failure' ELSE 'success' END,
                jsonb_build_object('ip', '203.0.113.7', 'name', 'My shop', 'credentialId', (n / 6 - 1) * 3 + 1 + a %% 3, 'purpose', 'sync', 'requestId', growth.v7(growth.at(), md5('l' || a))),
                at, 2, 3 + a * 600 / (growth.users() * 5)
            FROM (SELECT a, growth.keeper(a) AS n, growth.r(a, 6) AS k, growth.at() - interval '365 days' + (a::double precision / (growth.users() * 5)) * interval '365 days' AS at
                FROM generate_series(1 + greatest(0, floor((extract(epoch FROM %L::timestamptz - growth.at()) / 86400 + 365) / 365 * growth.users() * 5)::bigint - 10),
                    least(growth.users() * 5, floor((extract(epoch FROM %L::timestamptz - growth.at()) / 86400 + 365) / 365 * growth.users() * 5)::bigint + 10)) a OFFSET 0) x
            WHERE at >= %L AND at < %L$f$, part, first, first + interval '1 month', first, first + interval '1 month');
        EXECUTE format('ALTER TABLE public.audit_logs ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)', part, first, first + interval '1 month');
    END LOOP;
    PERFORM make_audit_months(3);
    PERFORM setval('audit_logs_id_seq', growth.users() * 5 + 1000);
END $$;

-- a: seals and the keys of persons
INSERT INTO audit_seals (no, log, era, cluster, count, root, prev, hash, signature, sealed_at, ids, ats, leaves, persons)
SELECT 1, 'era', 2, p.system_identifier, 0, sha256(''), '', sha256('1'), sha256('1'), growth.at() - interval '365 days', '{}', '{}', '', '' FROM pg_control_system() p;
INSERT INTO audit_seals (no, log, era, cluster, snapshot, count, first_at, last_at, root, prev, hash, signature, sealed_at, ids, ats, leaves, persons)
SELECT n + 1, CASE WHEN n % 4 = 0 THEN 'audit_logs' ELSE 'audit' END, 2, p.system_identifier, pg_current_snapshot()::text, 400, t.at - interval '1 minute', t.at, sha256(n::text::bytea),
    sha256((n - 1)::text::bytea), sha256(n::text::bytea), sha256('a') || sha256('b'), t.at, '{}', '{}', '', ''
FROM pg_control_system() p, generate_series(1, growth.users() / 20) n,
    LATERAL (SELECT growth.at() - interval '365 days' + (n::double precision / (growth.users() / 20)) * interval '365 days' AS at) t;
INSERT INTO audit_keys (log, person) SELECT 'audit', growth.person(n) FROM generate_series(1, growth.users()) n;
INSERT INTO audit_keys (log, person) SELECT 'audit_logs', (n * 6)::text FROM generate_series(1, growth.users() / 6) n;

-- b: sessions
SELECT growth.strip('refresh_tokens');
TRUNCATE refresh_tokens;
INSERT INTO refresh_tokens (id, app_id, user_id, generation, token_version, created_at, rotated_at, last_used_at, expires_at, absolute_expires_at, revoked_at, revoked_reason, user_agent, ip)
SELECT growth.v7(at, md5('session' || s)), growth.app(n), growth.person(n), (k * 40)::int, 0, at, used, used, used + interval '7 days', at + interval '90 days',
    CASE WHEN s % 6 = 0 THEN used END, CASE WHEN s % 6 = 0 THEN 'user_logout' END,
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36', '203.0.113.' || s % 256
FROM (SELECT s, n, k, at, least(growth.at(), at + k * interval '70 days') AS used
    FROM (SELECT s, growth.somebody(s) AS n, growth.r(s, 7) AS k, growth.at() - interval '60 days' + (s::double precision / (growth.users() * 5)) * interval '60 days' AS at
        FROM generate_series(1, growth.users() * 5) s OFFSET 0) x OFFSET 0) y;
SELECT growth.dress('refresh_tokens');

-- b: what else users have
INSERT INTO revoked_jti (jti, app_id, user_id, reason, expires_at, created_at)
SELECT md5('jti' || x), growth.app(n), growth.person(n), 'logout', at + interval '15 minutes', at
FROM (SELECT x, growth.somebody(x) AS n, growth.at() - growth.r(x, 8) * interval '26 hours' AS at FROM generate_series(1, growth.users() / 50) x OFFSET 0) y;
INSERT INTO revocation_events (app_id, kind, subject, expires_at, created_at)
SELECT growth.app(x), 'session', growth.v7(growth.at(), md5('session' || x)), growth.at() - interval '60 minutes' + x::double precision / (growth.users() / 50) * interval '24 hours',
    growth.at() - interval '25 hours' + x::double precision / (growth.users() / 50) * interval '24 hours' FROM generate_series(1, growth.users() / 50) x;
INSERT INTO user_identities (app_id, issuer, subject, user_id, email)
SELECT growth.app(n * 10), 'https://clerk.example.com', 'user_' || md5(n::text), growth.person(n * 10), 'someone@example.com' FROM generate_series(1, growth.users() / 10) n;
INSERT INTO email_tokens (app_id, user_id, token_hash, type, email, expires_at, used_at, created_at)
SELECT growth.app(n), growth.person(n), encode(sha256(('mail' || x)::bytea), 'hex'), CASE WHEN x % 3 = 0 THEN 'password_reset' ELSE 'email_verification' END, 'someone@example.com',
    at + interval '2 days', CASE WHEN x % 4 > 0 THEN at END, at
FROM (SELECT x, growth.somebody(x) AS n, growth.at() - growth.r(x, 9) * interval '9 days 2 hours' AS at FROM generate_series(1, growth.users() / 10) x OFFSET 0) y;
INSERT INTO mails (app_id, user_id, kind, recipient, attempts, sent_at, created_at)
SELECT growth.app(n), growth.person(n), 'verify_email', 'someone@example.com', 1, at, at
FROM (SELECT x, growth.somebody(x) AS n, growth.at() - growth.r(x, 10) * interval '30 days 2 hours' AS at FROM generate_series(1, growth.users() / 5) x OFFSET 0) y;
INSERT INTO idempotency_keys (user_id, key, request_hash, status, answer, locked_until, created_at)
SELECT growth.keeper(x), md5('key' || x), sha256(x::text::bytea), 200, sha256(x::text::bytea) || sha256('x'), at, at
FROM (SELECT x, growth.at() - growth.r(x, 11) * interval '25 hours' AS at FROM generate_series(1, growth.users() / 50) x OFFSET 0) y;

-- b: vaults
-- Three credentials each. Nobody's keys can be opened: those who are measured get real ones, from the server.
INSERT INTO vault_keys (user_id, root_id, keyset, index_key, key_id)
SELECT n * 6, (SELECT r.id FROM vault_roots r LIMIT 1), (SELECT string_agg(sha256((n || ' ' || x)::bytea), '') FROM generate_series(1, 6) x), sha256(n::text::bytea) || sha256('x'), 1
FROM generate_series(1, growth.users() / 6) n;
SELECT growth.strip('credentials');
INSERT INTO credentials (id, uid, user_id, service, name, type, encrypted_data, preview, fingerprint, verified, verified_at, expires_at, created_at, deleted_at, host, health, health_at, checked_at, next_check_at)
SELECT c, growth.v7(growth.born(n), md5('credential' || c)), n, (ARRAY['google_sheets', 'ga4', 'meta'])[1 + c % 3], 'My shop', 'service_account',
    CASE WHEN c % 3 = 2 THEN left(x.text, 500) ELSE x.text END, '***', sha256(c::text::bytea), true, growth.at(), CASE WHEN c % 3 = 2 THEN growth.at() + growth.r(c, 12) * interval '60 days' END,
    growth.born(n), CASE WHEN c % 40 = 0 THEN growth.at() - growth.r(c, 13) * interval '91 days' END, 'sheets.googleapis.com', 'ok', growth.at(), growth.at(),
    growth.at() + interval '1 day' + growth.r(c, 14) * interval '30 days'
FROM (SELECT c, ((c - 1) / 3 + 1) * 6 AS n FROM generate_series(1, growth.users() / 6 * 3) c OFFSET 0) y JOIN growth.texts x ON x.no = y.c % 500;
SELECT growth.dress('credentials');
SELECT setval('credentials_id_seq', growth.users());
INSERT INTO credential_versions (user_id, credential_id, version, type, encrypted_data, preview, created_at, replaced_at)
SELECT c.user_id, c.id, 1, c.type, c.encrypted_data, '***', c.created_at, growth.at() - growth.r(c.id, 15) * interval '91 days' FROM credentials c WHERE c.id % 10 = 0;
INSERT INTO credential_tokens (user_id, credential_id, version, generation, encrypted_data, expires_at)
SELECT c.user_id, c.id, 1, 1, left(c.encrypted_data, 400), growth.at() + interval '30 minutes' FROM credentials c WHERE c.service <> 'meta';
INSERT INTO notification_settings (user_id, events) SELECT n * 60, '{run.failed}' FROM generate_series(1, growth.users() / 60) n;
INSERT INTO service_configs (user_id, service, credential_id, enabled) SELECT c.user_id, c.service, c.id, true FROM credentials c WHERE c.deleted_at IS NULL;
INSERT INTO sheet_mappings (user_id, service, spreadsheet_id, sheet_name) SELECT c.user_id, c.service, 'sheet-' || c.id, 'KPIs' FROM credentials c WHERE c.service <> 'google_sheets';

-- b: the pipeline
-- Every tenth vault collects two sources daily, a hundred days kept as figures; runs stay as the cleanup leaves them, and a little longer.
INSERT INTO job_schedules (user_id, service, cron_expression, enabled, timezone, next_run_at)
SELECT n * 60, s, '0 6 * * *', true, 'UTC', growth.at() + interval '2 days' FROM generate_series(1, growth.users() / 60) n, unnest('{ga4,meta}'::text[]) s;
INSERT INTO kpi_rows (user_id, service, day, id, metrics, run_id, api_version, currency, written, written_to)
SELECT n * 60, s, (growth.at() - d * interval '1 day')::date, md5(n || s || d)::uuid, '{"sessions":1412,"users":988,"revenue":"3121.55","orders":41,"conversion":"0.0290"}',
    md5('run' || n)::uuid, 'v1', 'EUR', '["2026-01-01","1412","988","3121.55","41","0.0290"]', 'sheet-1/0'
FROM generate_series(1, growth.users() / 60) n, unnest('{ga4,meta}'::text[]) s, generate_series(1, 100) d;
INSERT INTO kpi_runs (id, user_id, service, target_day, status, progress, attempt, enqueued, run_at, result, error, error_reason, created_at, started_at, finished_at, scheduled)
SELECT md5('run' || n || s || d)::uuid, n * 60, s, (at - interval '1 day')::date, CASE WHEN d IN (0, 9) OR n % 40 > 0 THEN 'completed' ELSE 'failed' END, 100, 1, true, at,
    '{"days":[],"updated":1,"appended":0,"skipped":0}', CASE WHEN d BETWEEN 1 AND 8 AND n % 40 = 0 THEN 'The provider did not answer' END, CASE WHEN d BETWEEN 1 AND 8 AND n % 40 = 0 THEN 'timeout' END, at, at, at, true
FROM generate_series(1, growth.users() / 60) n, unnest('{ga4,meta}'::text[]) s, generate_series(0, 9) d,
    LATERAL (SELECT growth.at() - (CASE WHEN d = 9 THEN 1 ELSE d END) * interval '0.85 days' - growth.r(n, 16) * interval '5 hours' AS at) t
WHERE d IN (0, 9) OR n % 40 = 0;
INSERT INTO kpi_undo (user_id, run_id, spreadsheet_id, sheet_id, cells)
SELECT r.user_id, r.id, 'sheet-' || r.user_id, 0, '[{"row":7,"was":["2026-01-01","1400","980","3100.55","40","0.0290"]}]' FROM kpi_runs r WHERE r.status = 'completed';
INSERT INTO webhooks (id, user_id, url, secret) SELECT md5('hook' || n)::uuid, n * 60, 'https://hooks.example.com/' || n, (SELECT left(x.text, 100) FROM growth.texts x WHERE x.no = 1)
FROM generate_series(1, growth.users() / 60) n;
INSERT INTO webhook_deliveries (id, user_id, webhook_id, event, payload, status, attempts, response_status, created_at, delivered_at)
SELECT md5('delivery' || n || ' ' || d)::uuid, n * 60, md5('hook' || n)::uuid, 'run.completed', '{"event":"run.completed","service":"ga4","days":1}', 'delivered', 1, 200, at, at
FROM generate_series(1, growth.users() / 60) n, generate_series(0, 11) d, LATERAL (SELECT growth.at() - growth.r(n * 12 + d, 17) * interval '30 days 3 hours' AS at) t;
