-- What a schedule does about days that nobody was there for, and which runs schedules made: others go before them.

-- +goose Up
ALTER TABLE job_schedules
    ADD COLUMN misfire varchar(10) NOT NULL DEFAULT 'once' CHECK (misfire IN ('once', 'each'));
ALTER TABLE kpi_runs
    ADD COLUMN scheduled boolean NOT NULL DEFAULT false;

-- A run is written four times and a day's figures at every run, mostly without touching an index: with room in the page that
-- stays so (HOT), and leaves less for the vacuum.
ALTER TABLE kpi_runs SET (fillfactor = 70);
ALTER TABLE kpi_rows SET (fillfactor = 70);

-- +goose Down
ALTER TABLE kpi_rows RESET (fillfactor);
ALTER TABLE kpi_runs RESET (fillfactor);
ALTER TABLE kpi_runs DROP COLUMN scheduled;
ALTER TABLE job_schedules DROP COLUMN misfire;
