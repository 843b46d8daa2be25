-- Runs over ranges of days, in pieces; what was written into which tab, so that it can be told from what people wrote
-- there, and taken back; pauses that a provider asked for; incidents that a user was told of.

-- +goose Up
ALTER TABLE kpi_runs
    ADD COLUMN from_day      date,    -- of a range; NULL: target_day decides
    ADD COLUMN to_day        date,
    ADD COLUMN done_day      date,    -- of a range: the last day that is loaded; a retry goes on after it
    ADD COLUMN dry_run       boolean  NOT NULL DEFAULT false,
    ADD COLUMN credential_id bigint,  -- instead of the one that the service is enabled with
    ADD COLUMN awaited       boolean  NOT NULL DEFAULT false, -- somebody waits for the answer: no second attempt, no notice
    ADD COLUMN claim         uuid,    -- of the attempt that works on it; what an earlier one still writes down counts for nothing
    ADD COLUMN beat_at       timestamptz, -- last sign of life of that attempt
    ADD CONSTRAINT kpi_runs_range_check CHECK ((from_day IS NULL) = (to_day IS NULL) AND from_day <= to_day);
CREATE INDEX kpi_runs_beat_idx ON kpi_runs (beat_at) WHERE status = 'active';
CREATE INDEX kpi_runs_queued_idx ON kpi_runs (run_at) WHERE enqueued AND status IN ('waiting', 'delayed');
UPDATE kpi_runs SET beat_at = now() WHERE status = 'active';
CREATE INDEX kpi_runs_finished_idx ON kpi_runs (finished_at) WHERE status IN ('completed', 'failed', 'cancelled'); -- cleanup

-- written is what this row last put into a tab, and written_to which one: what stands there otherwise, people wrote.
ALTER TABLE kpi_rows
    ADD COLUMN provisional boolean NOT NULL DEFAULT false, -- the source may still correct it
    ADD COLUMN api_version varchar(20),
    ADD COLUMN sources     jsonb,  -- which of several candidates a metric was taken from
    ADD COLUMN written     jsonb,
    ADD COLUMN written_to  text;

ALTER TABLE sheet_mappings ADD COLUMN sheet_id bigint; -- Google's number of the tab, as last seen: a renamed tab is found by it
ALTER TABLE credentials ADD COLUMN limited_until timestamptz; -- its provider asked to be left alone until then
ALTER TABLE service_configs ADD COLUMN failing_since timestamptz; -- its runs fail since then, and its user was told

-- What a load replaced, row by row: enough to put it back where nobody has changed it since.
CREATE TABLE kpi_undo (
    user_id        bigint       NOT NULL REFERENCES users (user_no) ON DELETE CASCADE,
    run_id         uuid         NOT NULL,
    spreadsheet_id varchar(255) NOT NULL,
    sheet_id       bigint       NOT NULL,
    cells          jsonb        NOT NULL,
    loaded_at      timestamptz  NOT NULL DEFAULT now(),
    undone_at      timestamptz,
    PRIMARY KEY (user_id, run_id),
    FOREIGN KEY (user_id, run_id) REFERENCES kpi_runs (user_id, id) ON DELETE CASCADE
);
CREATE INDEX kpi_undo_tab_idx ON kpi_undo (user_id, spreadsheet_id, sheet_id, loaded_at);

ALTER TABLE kpi_undo ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY kpi_undo_user_isolation ON kpi_undo TO turkey_app
    USING (user_id = (SELECT nullif(current_setting('app.current_user_id', true), '')::bigint))
    WITH CHECK (user_id = (SELECT nullif(current_setting('app.current_user_id', true), '')::bigint));
CREATE POLICY kpi_undo_system ON kpi_undo TO turkey_system USING (true) WITH CHECK (true);
CREATE POLICY kpi_undo_owner ON kpi_undo TO turkey_owner USING (true) WITH CHECK (true);
REVOKE ALL ON kpi_undo FROM turkey_app, turkey_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON kpi_undo TO turkey_app, turkey_system;

-- +goose Down
DROP TABLE kpi_undo;
ALTER TABLE service_configs DROP COLUMN failing_since;
ALTER TABLE credentials DROP COLUMN limited_until;
ALTER TABLE sheet_mappings DROP COLUMN sheet_id;
ALTER TABLE kpi_rows DROP COLUMN provisional, DROP COLUMN api_version, DROP COLUMN sources, DROP COLUMN written, DROP COLUMN written_to;
ALTER TABLE kpi_runs DROP COLUMN from_day, DROP COLUMN to_day, DROP COLUMN done_day, DROP COLUMN dry_run, DROP COLUMN credential_id, DROP COLUMN awaited,
    DROP COLUMN claim, DROP COLUMN beat_at;
DROP INDEX kpi_runs_finished_idx, kpi_runs_queued_idx;
