-- Runs of the pipeline, the numbers it fetched, and the lease on a spreadsheet's tab.

-- +goose Up
CREATE TABLE kpi_runs (
    id             uuid        PRIMARY KEY, -- the job id on the wire
    user_id        bigint      NOT NULL REFERENCES users (user_no) ON DELETE CASCADE,
    service        varchar(50) NOT NULL,
    target_day     date,       -- NULL: yesterday in the source's zone
    spreadsheet_id varchar(255), -- overrides the mapping
    sheet_name     varchar(255),
    status         varchar(20) NOT NULL DEFAULT 'waiting'
                   CHECK (status IN ('waiting', 'delayed', 'active', 'completed', 'failed', 'cancelled')),
    progress       smallint    NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    attempt        smallint    NOT NULL DEFAULT 0,
    enqueued       boolean     NOT NULL DEFAULT false, -- handed to the job queue
    run_at         timestamptz NOT NULL DEFAULT now(),
    result         jsonb,
    error          text,
    error_reason   varchar(50),
    created_at     timestamptz NOT NULL DEFAULT now(),
    started_at     timestamptz,
    finished_at    timestamptz,
    UNIQUE (user_id, id)
);
CREATE INDEX kpi_runs_user_idx ON kpi_runs (user_id, created_at);
CREATE INDEX kpi_runs_due_idx ON kpi_runs (run_at) WHERE NOT enqueued AND status IN ('waiting', 'delayed');

-- The numbers themselves; a sheet is one destination of them. id is the row's id in the sheet.
CREATE TABLE kpi_rows (
    user_id    bigint      NOT NULL REFERENCES users (user_no) ON DELETE CASCADE,
    service    varchar(50) NOT NULL,
    day        date        NOT NULL,
    id         uuid        NOT NULL,
    metrics    jsonb       NOT NULL,
    run_id     uuid        NOT NULL, -- no foreign key: runs are forgotten before the numbers they fetched
    fetched_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, service, day)
);

-- One writer per tab over all users and replicas. Not tenant data: only the system role sees it.
CREATE TABLE sheet_leases (
    spreadsheet_id varchar(255) NOT NULL,
    sheet_name     varchar(255) NOT NULL,
    holder         uuid         NOT NULL,
    lease_until    timestamptz  NOT NULL,
    PRIMARY KEY (spreadsheet_id, sheet_name)
);

ALTER TABLE kpi_runs     ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE kpi_rows     ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE sheet_leases ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY kpi_runs_user_isolation ON kpi_runs TO turkey_app
    USING (user_id = (SELECT nullif(current_setting('app.current_user_id', true), '')::bigint))
    WITH CHECK (user_id = (SELECT nullif(current_setting('app.current_user_id', true), '')::bigint));
CREATE POLICY kpi_rows_user_isolation ON kpi_rows TO turkey_app
    USING (user_id = (SELECT nullif(current_setting('app.current_user_id', true), '')::bigint))
    WITH CHECK (user_id = (SELECT nullif(current_setting('app.current_user_id', true), '')::bigint));

CREATE POLICY kpi_runs_system     ON kpi_runs     TO turkey_system USING (true) WITH CHECK (true);
CREATE POLICY kpi_rows_system     ON kpi_rows     TO turkey_system USING (true) WITH CHECK (true);
CREATE POLICY sheet_leases_system ON sheet_leases TO turkey_system USING (true) WITH CHECK (true);

CREATE POLICY kpi_runs_owner     ON kpi_runs     TO turkey_owner USING (true) WITH CHECK (true);
CREATE POLICY kpi_rows_owner     ON kpi_rows     TO turkey_owner USING (true) WITH CHECK (true);
CREATE POLICY sheet_leases_owner ON sheet_leases TO turkey_owner USING (true) WITH CHECK (true);

REVOKE ALL ON kpi_runs, kpi_rows, sheet_leases FROM turkey_app, turkey_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON kpi_runs, kpi_rows TO turkey_app, turkey_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON sheet_leases TO turkey_system;

-- +goose Down
DROP TABLE sheet_leases, kpi_rows, kpi_runs;
