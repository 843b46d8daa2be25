-- What an erasure leaves of an audit row. So far it took the address out of a row's facts; names that a person had given, and
-- what a provider had answered, stayed. Rows have a form from now on: in form 2 only the facts of a list stand in the open in a
-- row's seal, and everything else, the error message included, is sealed under the person's key, so that it can go with them.
--
-- Steps, each a transaction of its own; each may run again. The columns have no value in the rows that are there, which makes
-- them rows of form 1, and nothing is rewritten.

-- +goose NO TRANSACTION
-- +goose Up
-- The newest form that the server knew that made a seal; older rows stay in theirs. A server of the release before does not name
-- it, and seals all rows in form 1. It comes before the rows' own column, so that every row of form 2 is under a seal that has it.
-- +goose StatementBegin
DO $$ BEGIN
    PERFORM audit_parts.patiently('ALTER TABLE public.audit_seals ADD COLUMN IF NOT EXISTS newest_form smallint');
    PERFORM audit_parts.patiently('ALTER TABLE public.audit_seals ALTER COLUMN newest_form SET DEFAULT 1');
END $$;
-- +goose StatementEnd
DROP INDEX CONCURRENTLY IF EXISTS audit_seals_older_idx;
CREATE INDEX CONCURRENTLY audit_seals_older_idx ON audit_seals (log, last_at) WHERE newest_form = 1;

-- +goose StatementBegin
DO $$ BEGIN
    PERFORM audit_parts.patiently('ALTER TABLE public.audit ADD COLUMN IF NOT EXISTS seal_form smallint');
    PERFORM audit_parts.patiently('ALTER TABLE public.audit ALTER COLUMN seal_form SET DEFAULT 2');
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
DO $$ BEGIN
    PERFORM audit_parts.patiently('ALTER TABLE public.audit_logs ADD COLUMN IF NOT EXISTS seal_form smallint');
    PERFORM audit_parts.patiently('ALTER TABLE public.audit_logs ALTER COLUMN seal_form SET DEFAULT 2');
END $$;
-- +goose StatementEnd

-- The facts that tell nothing about a person. The program has the same list (a test compares them), and it is part of form 2:
-- a fact more or less is another form.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION audit_parts.kept_keys(log text) RETURNS text[]
    LANGUAGE sql IMMUTABLE SET search_path = ''
    AS $$ SELECT CASE kept_keys.log
        WHEN 'audit' THEN '{activate,from,job,keepOld,kid,kind,method,requestId,retiredAt,role,sessions,signsFrom,successor,to}'::text[]
        WHEN 'audit_logs' THEN '{attempt,credentialId,date,deliveryId,dryRun,durationMs,enabled,final,format,from,generation,inDoubt,jobId,keyId,left,misfire,mode,purpose,reason,recordCount,requestId,restored,restoredVersion,rowNumber,to,trigger,version,webhookId}'
    END $$;
-- +goose StatementEnd

-- What an erasure leaves of facts: those of the list whose values are a number, yes or no, nothing, or a word without spaces.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION audit_parts.kept_facts(log text, facts jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE SET search_path = ''
    AS $$ SELECT coalesce(jsonb_object_agg(f.key, f.value), '{}')
        FROM jsonb_each(CASE WHEN jsonb_typeof(facts) = 'object' THEN facts ELSE '{}' END) f
        WHERE f.key = ANY (audit_parts.kept_keys(kept_facts.log)) AND CASE jsonb_typeof(f.value)
            WHEN 'string' THEN f.value #>> '{}' ~ '^[A-Za-z0-9_.:+-]{1,64}$' ELSE jsonb_typeof(f.value) NOT IN ('object', 'array') END $$;
-- +goose StatementEnd

-- The same of a text, of which nothing stays if it is no JSON or such that jsonb might not take: an import may have brought it.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION audit_parts.kept_text(log text, facts text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT SET search_path = ''
    AS $$ BEGIN
        IF octet_length(facts) > 4096 OR facts ~ '\\u(0000|[dD])|[^"0-9A-Za-z.+-]-?[0-9.]+[eE][+-]?[0-9]{4}' THEN
            RETURN '{}';
        END IF;
        RETURN audit_parts.kept_facts(log, facts::jsonb)::text;
    EXCEPTION WHEN data_exception THEN
        RETURN '{}';
    END $$;
-- +goose StatementEnd

-- The form in which a row was sealed: its own, but 1 where a server of the release before did it.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION audit_parts.form_of(log text, id text, written timestamptz, form smallint) RETURNS smallint
    LANGUAGE sql STABLE SET search_path = ''
    AS $$ SELECT CASE WHEN form IS NULL OR EXISTS (SELECT FROM public.audit_seals s WHERE s.log = form_of.log AND s.newest_form = 1
        AND s.first_at <= written AND s.last_at >= written AND form_of.id = ANY (s.ids)) THEN 1 ELSE form END $$;
-- +goose StatementEnd

-- As before, and of rows of form 2 only facts of the list stay, and no error message.
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
        UPDATE public.audit a SET user_id = NULL, ip = NULL, user_agent = NULL, erasure = number,
            actor = CASE WHEN a.actor = person::text THEN 'deleted' ELSE a.actor END,
            meta = CASE audit_parts.form_of('audit', a.id::text, a.created_at, a.seal_form) WHEN 1 THEN audit_parts.without_ip(a.meta)
                ELSE audit_parts.kept_text('audit', a.meta) END
        WHERE a.user_id = person;
        GET DIAGNOSTICS changed = ROW_COUNT;
        UPDATE public.audit_logs l SET user_id = NULL, erasure = number, (metadata, error_message) = (
            SELECT CASE f.form WHEN 1 THEN l.metadata - 'ip' ELSE audit_parts.kept_facts('audit_logs', l.metadata) END, CASE f.form WHEN 1 THEN l.error_message END
            FROM audit_parts.form_of('audit_logs', l.id::text, l.created_at, l.seal_form) AS f (form))
        WHERE l.user_id = person_no;
        GET DIAGNOSTICS more = ROW_COUNT;
        UPDATE public.audit_erasures e SET rows = changed + more WHERE e.id = number;
    END $$;
-- +goose StatementEnd

-- +goose Down
-- The program of before does not know seals over rows of form 2. They go, and it seals those rows anew; a checkpoint of one of
-- them says truncated from then on, which is true.
-- +goose StatementBegin
DO $$ BEGIN
    DELETE FROM public.audit_seals s WHERE s.no >= (SELECT min(f.no) FROM public.audit_seals f WHERE f.newest_form > 1);
    ALTER TABLE public.audit_seals DROP COLUMN newest_form; -- and its index
    ALTER TABLE public.audit DROP COLUMN seal_form;
    ALTER TABLE public.audit_logs DROP COLUMN seal_form;

    CREATE OR REPLACE FUNCTION public.forget_in_audit(person uuid, person_no bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
    AS $f$ DECLARE
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
    END $f$;
    DROP FUNCTION audit_parts.form_of(text, text, timestamptz, smallint), audit_parts.kept_text(text, text), audit_parts.kept_facts(text, jsonb),
        audit_parts.kept_keys(text);
END $$;
-- +goose StatementEnd
