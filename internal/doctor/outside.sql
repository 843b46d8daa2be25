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
