-- What the migrations add inside DO blocks, for sqlc alone: nobody runs this.
ALTER TABLE audit ADD COLUMN seal_era smallint, ADD COLUMN seal_xid bigint, ADD COLUMN erasure bigint, ADD COLUMN seal_form smallint;
ALTER TABLE audit_logs ADD COLUMN seal_era smallint, ADD COLUMN seal_xid bigint, ADD COLUMN erasure bigint, ADD COLUMN seal_form smallint;
ALTER TABLE audit_seals ADD COLUMN newest_form smallint;
CREATE FUNCTION pg_control_system(OUT system_identifier bigint) RETURNS record AS '' LANGUAGE sql;
