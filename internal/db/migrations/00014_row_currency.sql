-- In which currency a day's figures are: that of the account they came from, which a service may change.

-- +goose Up
ALTER TABLE kpi_rows ADD COLUMN currency varchar(10); -- NULL: stored before it was kept, or the source has none

-- +goose Down
ALTER TABLE kpi_rows DROP COLUMN currency;
