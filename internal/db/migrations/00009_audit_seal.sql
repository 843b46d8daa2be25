-- The audit kept and sealed. `audit_logs` is partitioned by month (UTC); the partitions live in audit_parts, where the server
-- has no rights, so that it reaches rows only through the table and its policies. `audit` stays one table: imports of the
-- released program name its key in ON CONFLICT (id), which a table partitioned by time cannot have.
--
-- Steps, each a transaction of its own, so that no lock that anybody waits for is held while a big table is read. Each may run
-- again: a migration that was interrupted goes on where it ended.

-- +goose NO TRANSACTION
-- +goose Up
CREATE SCHEMA IF NOT EXISTS audit_parts;

-- Runs a statement that needs a strong lock, without anybody queueing behind it for longer than the timeout, and with pauses
-- that grow, in which others go on.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION audit_parts.patiently(statement text, tries integer DEFAULT 60) RETURNS void
    LANGUAGE plpgsql SET search_path = '' SET lock_timeout = '80ms'
    AS $$ BEGIN
        FOR try IN 1..tries LOOP
            BEGIN
                EXECUTE statement;
                RETURN;
            EXCEPTION WHEN lock_not_available THEN
                IF try = tries THEN RAISE; END IF;
                PERFORM pg_catalog.pg_sleep(least(0.1 * try, 1) * (0.5 + pg_catalog.random()));
            END;
        END LOOP;
    END $$;
-- +goose StatementEnd

-- seal_xid is the transaction that wrote the row, by which the sealing tells what it has not seen yet. Numbers of
-- transactions begin anew where a dump is restored, hence seal_era. Old rows have neither: nothing is rewritten.
-- +goose StatementBegin
DO $$
DECLARE
    columns constant text := 'ADD COLUMN IF NOT EXISTS seal_era smallint, ADD COLUMN IF NOT EXISTS seal_xid bigint, ADD COLUMN IF NOT EXISTS erasure bigint';
    defaults constant text := 'ALTER COLUMN seal_era SET DEFAULT 1, ALTER COLUMN seal_xid SET DEFAULT pg_catalog.txid_current()';
    bound timestamptz;
BEGIN
    PERFORM audit_parts.patiently('ALTER TABLE public.audit ' || columns);
    PERFORM audit_parts.patiently('ALTER TABLE public.audit ' || defaults);
    IF (SELECT relkind FROM pg_class WHERE oid = 'public.audit_logs'::regclass) = 'r' THEN
        -- The month after next, or later if a row says so: the old table goes on taking rows until then.
        SELECT (date_trunc('month', greatest(now(), max(created_at)) AT TIME ZONE 'UTC') + interval '2 months') AT TIME ZONE 'UTC' INTO bound FROM audit_logs;
        PERFORM audit_parts.patiently('ALTER TABLE public.audit_logs ' || columns);
        PERFORM audit_parts.patiently('ALTER TABLE public.audit_logs ' || defaults || format(', DROP CONSTRAINT IF EXISTS audit_logs_before,
            ADD CONSTRAINT audit_logs_before CHECK (created_at < %L) NOT VALID', bound));
    END IF;
END $$;
-- +goose StatementEnd

-- Reads the whole table, while rows are read and written beside it.
-- +goose StatementBegin
DO $$ BEGIN
    IF (SELECT relkind FROM pg_class WHERE oid = 'public.audit_logs'::regclass) = 'r' THEN
        ALTER TABLE public.audit_logs VALIDATE CONSTRAINT audit_logs_before;
    END IF;
END $$;
-- +goose StatementEnd

-- Makes the partition of the month that a day (UTC) is in, unless there is one. Rows of it that the default partition took
-- in the meantime move over. ATTACH does not keep anybody from reading or writing the table.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION make_audit_month(day date) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' SET timezone = 'UTC'
    AS $$
    DECLARE
        first constant timestamptz := pg_catalog.date_trunc('month', day::timestamptz);
        next constant timestamptz := first + '1 month'::interval;
        part constant text := 'audit_logs_' || pg_catalog.to_char(first, 'YYYY_MM');
        old_bound timestamptz;
    BEGIN
        PERFORM pg_catalog.pg_advisory_xact_lock(7205759403793002);
        SELECT pg_catalog.substring(pg_catalog.pg_get_expr(c.relpartbound, c.oid), 'TO \(''([^'']+)''\)')::timestamptz INTO old_bound
        FROM pg_catalog.pg_class c WHERE c.oid = 'audit_parts.audit_logs_before'::regclass;
        IF next <= old_bound OR pg_catalog.to_regclass('audit_parts.' || part) IS NOT NULL THEN
            RETURN false;
        END IF;
        EXECUTE pg_catalog.format('CREATE TABLE audit_parts.%I (LIKE public.audit_logs INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)', part);
        EXECUTE pg_catalog.format('REVOKE ALL ON audit_parts.%I FROM turkey_app, turkey_system', part); -- default privileges
        EXECUTE pg_catalog.format('WITH moved AS (DELETE FROM audit_parts.audit_logs_default WHERE created_at >= %L AND created_at < %L RETURNING *)
            INSERT INTO audit_parts.%I SELECT * FROM moved', first, next, part);
        PERFORM audit_parts.patiently(pg_catalog.format('ALTER TABLE public.audit_logs ATTACH PARTITION audit_parts.%I FOR VALUES FROM (%L) TO (%L)', part, first, next));
        RETURN true;
    END $$;
-- +goose StatementEnd

-- From the current month to so many months ahead; how many were missing.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION make_audit_months(ahead integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
    AS $$ DECLARE made integer := 0;
    BEGIN
        FOR n IN 0..least(ahead, 120) LOOP
            IF public.make_audit_month(((pg_catalog.now() AT TIME ZONE 'UTC')::date + pg_catalog.make_interval(months => n))::date) THEN
                made := made + 1;
            END IF;
        END LOOP;
        RETURN made;
    END $$;
-- +goose StatementEnd

-- The old table becomes a partition of the new one. Its CHECK says what the partition's bound demands and its indexes are
-- those of the table, so nothing is read here: the lock is held for some milliseconds.
-- +goose StatementBegin
DO $$
DECLARE
    bound text;
    next bigint;
BEGIN
    IF (SELECT relkind FROM pg_class WHERE oid = 'public.audit_logs'::regclass) <> 'r' THEN
        RETURN;
    END IF;
    PERFORM audit_parts.patiently('LOCK TABLE public.audit_logs IN ACCESS EXCLUSIVE MODE');
    SELECT substring(pg_get_constraintdef(oid), '''([^'']+)''') INTO bound FROM pg_constraint
    WHERE conrelid = 'public.audit_logs'::regclass AND conname = 'audit_logs_before';
    SELECT last_value + is_called::int INTO next FROM audit_logs_id_seq;

    ALTER TABLE public.audit_logs ALTER COLUMN id DROP IDENTITY;
    REVOKE ALL ON public.audit_logs FROM turkey_app, turkey_system;
    ALTER TABLE public.audit_logs SET SCHEMA audit_parts;
    ALTER TABLE audit_parts.audit_logs RENAME TO audit_logs_before;

    CREATE TABLE public.audit_logs (
        id            bigint      NOT NULL GENERATED BY DEFAULT AS IDENTITY,
        user_id       bigint,
        action        varchar(50) NOT NULL,
        service       varchar(50),
        status        varchar(20) NOT NULL CONSTRAINT audit_logs_status_check CHECK (status IN ('success', 'failure', 'partial')),
        error_message text,
        metadata      jsonb       NOT NULL DEFAULT '{}',
        created_at    timestamptz NOT NULL DEFAULT now(),
        seal_era      smallint    DEFAULT 1,
        seal_xid      bigint      DEFAULT txid_current(),
        erasure       bigint      -- of audit_erasures: the person of this row is gone
    ) PARTITION BY RANGE (created_at);
    EXECUTE format('ALTER TABLE public.audit_logs ALTER COLUMN id RESTART WITH %s', next);
    CREATE INDEX idx_audit_logs_user_id ON public.audit_logs (user_id, created_at);
    CREATE INDEX idx_audit_logs_action ON public.audit_logs (action);
    CREATE INDEX idx_audit_logs_created_at ON public.audit_logs (created_at);
    CREATE INDEX audit_logs_credential_idx ON public.audit_logs (user_id, (metadata ->> 'credentialId'), id);
    EXECUTE format('ALTER TABLE public.audit_logs ATTACH PARTITION audit_parts.audit_logs_before FOR VALUES FROM (MINVALUE) TO (%L)', bound);
    ALTER TABLE audit_parts.audit_logs_before DROP CONSTRAINT audit_logs_before;
    CREATE TABLE audit_parts.audit_logs_default PARTITION OF public.audit_logs DEFAULT;
    REVOKE ALL ON audit_parts.audit_logs_default FROM turkey_app, turkey_system;

    ALTER TABLE public.audit_logs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    CREATE POLICY audit_logs_user_isolation ON public.audit_logs TO turkey_app
        USING (user_id = (SELECT nullif(current_setting('app.current_user_id', true), '')::bigint))
        WITH CHECK (user_id = (SELECT nullif(current_setting('app.current_user_id', true), '')::bigint));
    CREATE POLICY audit_logs_system ON public.audit_logs TO turkey_system USING (true) WITH CHECK (true);
    CREATE POLICY audit_logs_owner  ON public.audit_logs TO turkey_owner USING (true) WITH CHECK (true);
    REVOKE ALL ON public.audit_logs FROM turkey_app, turkey_system;
    GRANT SELECT, INSERT ON public.audit_logs TO turkey_app, turkey_system;
    GRANT USAGE, SELECT ON SEQUENCE public.audit_logs_id_seq TO turkey_app, turkey_system;
END $$;
-- +goose StatementEnd

-- The chain. A seal covers rows of one log (audit, audit_logs): root is the Merkle root of their leaves, hash covers the seal
-- with prev, the hash of the seal before it, and signature is Ed25519 over hash. What each row was sealed as stands beside it,
-- so that a row that was changed can be named.
CREATE TABLE IF NOT EXISTS audit_seals (
    no        bigint      PRIMARY KEY, -- without gaps
    log       varchar(20) NOT NULL CHECK (log IN ('era', 'audit', 'audit_logs')), -- era: rows are counted anew from here on
    era       smallint    NOT NULL,
    cluster   bigint      NOT NULL,    -- whose transaction numbers the rows of this era carry
    snapshot  text,                    -- everything that it sees of this log is sealed; NULL: the next seal goes on
    count     integer     NOT NULL,
    first_at  timestamptz,             -- of created_at, as last_at
    last_at   timestamptz,
    root      bytea       NOT NULL,
    prev      bytea       NOT NULL,
    hash      bytea       NOT NULL,
    signature bytea       NOT NULL,
    sealed_at timestamptz NOT NULL,
    ids       text[]      NOT NULL,
    ats       timestamptz[] NOT NULL,  -- created_at of each
    leaves    bytea       NOT NULL,    -- 32 bytes each
    persons   bytea       NOT NULL     -- 32 bytes each: what the leaf holds in place of the person
);
CREATE INDEX IF NOT EXISTS audit_seals_log_idx ON audit_seals (log, no);

-- Under which key a person's rows are sealed. It ends with the person, and what is sealed then tells nothing about them.
CREATE TABLE IF NOT EXISTS audit_keys (
    log    varchar(20) NOT NULL,
    person text        NOT NULL, -- users.id for audit, users.user_no for audit_logs
    key    bytea       NOT NULL DEFAULT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())),
    PRIMARY KEY (log, person)
);

-- Who was taken out of the audit: nobody can be told by these, and only the rows sealed for one of them may be blank.
CREATE TABLE IF NOT EXISTS audit_erasures (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pseudonyms   bytea[]     NOT NULL, -- SHA-256 of the person's keys
    rows         integer     NOT NULL DEFAULT 0,
    seal_xid     bigint      NOT NULL DEFAULT txid_current(), -- that of the deletion's own row in audit
    erased_at    timestamptz NOT NULL DEFAULT now()
);

-- Months that left the tables for files.
CREATE TABLE IF NOT EXISTS audit_archives (
    file        varchar(200) PRIMARY KEY,
    log         varchar(20)  NOT NULL,
    month       date         NOT NULL,
    rows        integer      NOT NULL,
    sha256      bytea        NOT NULL,
    signature   bytea        NOT NULL, -- Ed25519 over all of the above
    archived_at timestamptz  NOT NULL DEFAULT now(),
    restored_at timestamptz
);

ALTER TABLE audit_seals    ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE audit_keys     ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE audit_erasures ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE audit_archives ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS audit_seals_system ON audit_seals;
DROP POLICY IF EXISTS audit_seals_owner ON audit_seals;
DROP POLICY IF EXISTS audit_keys_system ON audit_keys;
DROP POLICY IF EXISTS audit_keys_owner ON audit_keys;
DROP POLICY IF EXISTS audit_erasures_system ON audit_erasures;
DROP POLICY IF EXISTS audit_erasures_owner ON audit_erasures;
DROP POLICY IF EXISTS audit_archives_system ON audit_archives;
DROP POLICY IF EXISTS audit_archives_owner ON audit_archives;
CREATE POLICY audit_seals_system ON audit_seals TO turkey_system USING (true) WITH CHECK (true);
CREATE POLICY audit_seals_owner ON audit_seals TO turkey_owner USING (true) WITH CHECK (true);
CREATE POLICY audit_keys_system ON audit_keys TO turkey_system USING (true) WITH CHECK (true);
CREATE POLICY audit_keys_owner ON audit_keys TO turkey_owner USING (true) WITH CHECK (true);
CREATE POLICY audit_erasures_system ON audit_erasures TO turkey_system USING (true) WITH CHECK (true);
CREATE POLICY audit_erasures_owner ON audit_erasures TO turkey_owner USING (true) WITH CHECK (true);
CREATE POLICY audit_archives_system ON audit_archives TO turkey_system USING (true) WITH CHECK (true);
CREATE POLICY audit_archives_owner ON audit_archives TO turkey_owner USING (true) WITH CHECK (true);
REVOKE ALL ON audit_seals, audit_keys, audit_erasures, audit_archives FROM turkey_app, turkey_system;
GRANT SELECT, INSERT ON audit_seals, audit_keys, audit_archives TO turkey_system;
GRANT SELECT ON audit_erasures TO turkey_system;

-- What is left of an audit row's facts without the address. What is no JSON object stays as it is: an import may have brought it.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION audit_parts.without_ip(meta text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE SET search_path = ''
    AS $$ BEGIN
        RETURN CASE WHEN pg_catalog.jsonb_typeof(meta::jsonb) = 'object' THEN (meta::jsonb - 'ip')::text ELSE meta END;
    EXCEPTION WHEN data_exception THEN
        RETURN meta;
    END $$;
-- +goose StatementEnd

-- Takes a person who is gone out of the audit, as before. Their rows carry the number of the erasure, and the keys under which
-- they were sealed go. The lock keeps rows from being sealed while their person leaves; erasures do not wait for each other.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION forget_in_audit(person uuid, person_no bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
    AS $$ DECLARE
        number bigint;
        changed integer;
        more integer;
    BEGIN
        IF EXISTS (SELECT FROM public.users u WHERE u.id = person OR u.user_no = person_no) THEN
            RAISE EXCEPTION 'the user still exists' USING ERRCODE = 'insufficient_privilege';
        END IF;
        PERFORM pg_catalog.pg_advisory_xact_lock_shared(7205759403793001);
        WITH gone AS (
            DELETE FROM public.audit_keys k WHERE k.log = 'audit' AND k.person = forget_in_audit.person::text
                OR k.log = 'audit_logs' AND k.person = person_no::text RETURNING k.key
        )
        INSERT INTO public.audit_erasures (pseudonyms) SELECT coalesce(pg_catalog.array_agg(pg_catalog.sha256(g.key)), '{}') FROM gone g
        RETURNING id INTO number;
        UPDATE public.audit a SET user_id = NULL, ip = NULL, user_agent = NULL, meta = audit_parts.without_ip(a.meta),
            actor = CASE WHEN a.actor = person::text THEN 'deleted' ELSE a.actor END, erasure = number
        WHERE a.user_id = person;
        GET DIAGNOSTICS changed = ROW_COUNT;
        UPDATE public.audit_logs l SET user_id = NULL, metadata = l.metadata - 'ip', erasure = number WHERE l.user_id = person_no;
        GET DIAGNOSTICS more = ROW_COUNT;
        UPDATE public.audit_erasures e SET rows = changed + more WHERE e.id = number;
    END $$;
-- +goose StatementEnd

-- Begins an era: from its commit on every row that carries an earlier number, or none, is committed. Restored dumps and
-- upgraded servers come here once; while somebody has written to the audit and not committed, they are to come again.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION begin_audit_era() RETURNS smallint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
    AS $$ DECLARE era constant smallint := (SELECT coalesce(max(s.era), 1) + 1 FROM public.audit_seals s);
    BEGIN
        PERFORM audit_parts.patiently(pg_catalog.format('ALTER TABLE ONLY public.audit ALTER COLUMN seal_era SET DEFAULT %s', era), 5);
        PERFORM audit_parts.patiently(pg_catalog.format('ALTER TABLE ONLY public.audit_logs ALTER COLUMN seal_era SET DEFAULT %s', era), 5);
        RETURN era;
    END $$;
-- +goose StatementEnd

-- How the partitions are: rows that no month took (counted up to a thousand), and until when there are months.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION audit_partitions(OUT stray bigint, OUT until timestamptz)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ''
    AS $$ BEGIN
        SELECT count(*) INTO stray FROM (SELECT FROM audit_parts.audit_logs_default LIMIT 1000) d;
        SELECT max(pg_catalog.substring(pg_catalog.pg_get_expr(c.relpartbound, c.oid), 'TO \(''([^'']+)''\)')::timestamptz) INTO until
        FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'public.audit_logs'::pg_catalog.regclass;
    END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION make_audit_month(date), make_audit_months(integer), begin_audit_era(), audit_partitions() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_audit_months(integer), begin_audit_era(), audit_partitions() TO turkey_system;

-- The indexes that the old tables lack, built while they are used. What an interrupted build left behind is dropped first.
DROP INDEX CONCURRENTLY IF EXISTS audit_parts.audit_logs_before_xid_idx;
CREATE INDEX CONCURRENTLY audit_logs_before_xid_idx ON audit_parts.audit_logs_before USING brin (seal_xid) WITH (autosummarize = on);
DROP INDEX CONCURRENTLY IF EXISTS audit_xid_idx;
CREATE INDEX CONCURRENTLY audit_xid_idx ON audit USING brin (seal_xid) WITH (autosummarize = on);
DROP INDEX CONCURRENTLY IF EXISTS audit_parts.audit_logs_before_key;
CREATE UNIQUE INDEX CONCURRENTLY audit_logs_before_key ON audit_parts.audit_logs_before (id, created_at);
-- The key of a partitioned table has to hold what it is partitioned by. Numbers come from one sequence, so id alone still names a row.
-- +goose StatementBegin
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'public.audit_logs'::regclass AND contype = 'p') THEN
        PERFORM audit_parts.patiently('DROP INDEX audit_parts.audit_logs_before_key, audit_parts.audit_logs_before_xid_idx'); -- built once too often
        RETURN;
    END IF;
    PERFORM audit_parts.patiently('LOCK TABLE public.audit_logs IN ACCESS EXCLUSIVE MODE');
    ALTER TABLE audit_parts.audit_logs_before DROP CONSTRAINT audit_logs_pkey;
    ALTER TABLE audit_parts.audit_logs_before ADD CONSTRAINT audit_logs_before_pkey PRIMARY KEY USING INDEX audit_logs_before_key;
    ALTER TABLE public.audit_logs ADD CONSTRAINT audit_logs_pkey PRIMARY KEY (id, created_at);
    CREATE INDEX audit_logs_xid_idx ON public.audit_logs USING brin (seal_xid) WITH (autosummarize = on);
    ALTER INDEX audit_parts.audit_logs_before_xid_idx RENAME TO audit_logs_before_seal_xid_idx;
    PERFORM public.make_audit_months(3);
END $$;
-- +goose StatementEnd

-- +goose Down
-- Seals are lost; archived months stay in their files.
-- +goose StatementBegin
DO $$ DECLARE next bigint;
BEGIN
    LOCK TABLE public.audit_logs, public.audit IN ACCESS EXCLUSIVE MODE;
    SELECT last_value + is_called::int INTO next FROM audit_logs_id_seq;
    ALTER TABLE public.audit_logs DETACH PARTITION audit_parts.audit_logs_before;
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'audit_parts.audit_logs_before'::regclass AND attname = 'id' AND attidentity <> '') THEN
        ALTER TABLE audit_parts.audit_logs_before ALTER COLUMN id DROP IDENTITY; -- from PostgreSQL 17 on partitions have their table's
    END IF;
    INSERT INTO audit_parts.audit_logs_before SELECT * FROM public.audit_logs;
    DROP TABLE public.audit_logs;
    DROP INDEX audit_parts.audit_logs_before_seal_xid_idx;
    ALTER TABLE audit_parts.audit_logs_before RENAME TO audit_logs;
    ALTER TABLE audit_parts.audit_logs SET SCHEMA public;
    ALTER TABLE public.audit_logs DROP CONSTRAINT audit_logs_before_pkey, ADD CONSTRAINT audit_logs_pkey PRIMARY KEY (id),
        DROP COLUMN seal_era, DROP COLUMN seal_xid, DROP COLUMN erasure, ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY;
    EXECUTE format('ALTER TABLE public.audit_logs ALTER COLUMN id RESTART WITH %s', next);
    REVOKE ALL ON public.audit_logs FROM turkey_app, turkey_system;
    GRANT SELECT, INSERT ON public.audit_logs TO turkey_app, turkey_system;
    GRANT USAGE, SELECT ON SEQUENCE public.audit_logs_id_seq TO turkey_app, turkey_system;
    ALTER TABLE public.audit DROP COLUMN seal_era, DROP COLUMN seal_xid, DROP COLUMN erasure;

    CREATE OR REPLACE FUNCTION public.forget_in_audit(person uuid, person_no bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
    AS $f$ BEGIN
        IF EXISTS (SELECT FROM public.users u WHERE u.id = person OR u.user_no = person_no) THEN
            RAISE EXCEPTION 'the user still exists' USING ERRCODE = 'insufficient_privilege';
        END IF;
        UPDATE public.audit a SET user_id = NULL, ip = NULL, user_agent = NULL, meta = (a.meta::jsonb - 'ip')::text,
            actor = CASE WHEN a.actor = person::text THEN 'deleted' ELSE a.actor END
        WHERE a.user_id = person;
        UPDATE public.audit_logs l SET user_id = NULL, metadata = l.metadata - 'ip' WHERE l.user_id = person_no;
    END $f$;
    DROP FUNCTION public.make_audit_months(integer), public.make_audit_month(date), public.begin_audit_era(), public.audit_partitions();
    DROP TABLE public.audit_archives, public.audit_erasures, public.audit_keys, public.audit_seals;
    DROP FUNCTION audit_parts.without_ip(text), audit_parts.patiently(text, integer);
    DROP SCHEMA audit_parts;
END $$;
-- +goose StatementEnd
