-- What statements read besides our own tables, for sqlc alone: nobody runs this. River's migrations make the first, and
-- PostgreSQL has the others, which sqlc does not know.
CREATE SCHEMA river;
CREATE TABLE river.river_job (
    kind text NOT NULL,
    state text NOT NULL, -- an enum, in truth
    args jsonb NOT NULL,
    attempted_at timestamptz,
    finalized_at timestamptz
);
CREATE TABLE pg_database (datname name NOT NULL, datconnlimit integer NOT NULL);
CREATE TABLE pg_stat_database (numbackends integer);
CREATE TABLE pg_roles (rolname name NOT NULL, rolsuper boolean NOT NULL, rolbypassrls boolean NOT NULL, rolconnlimit integer NOT NULL, rolvaliduntil timestamptz);
CREATE TABLE pg_namespace (oid oid NOT NULL, nspname name NOT NULL);
CREATE TABLE pg_class (oid oid NOT NULL, relname name NOT NULL, relnamespace oid NOT NULL, relkind text NOT NULL, relrowsecurity boolean NOT NULL,
    relforcerowsecurity boolean NOT NULL, relacl text[]);
CREATE TABLE pg_index (indexrelid oid NOT NULL, indisvalid boolean NOT NULL, indisready boolean NOT NULL);
CREATE TABLE pg_attribute (attrelid oid NOT NULL, attname name NOT NULL, attisdropped boolean NOT NULL);
CREATE TABLE pg_policy (polname name NOT NULL, polrelid oid NOT NULL, polpermissive boolean NOT NULL, polroles oid[] NOT NULL, polqual text);
