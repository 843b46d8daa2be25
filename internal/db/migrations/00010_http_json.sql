-- Sources whose columns each credential names itself. The names of services are the connectors' own: a list of them here
-- would want a migration for each new one.

-- +goose Up
ALTER TABLE credentials
    DROP CONSTRAINT credentials_service_check,
    ADD CONSTRAINT credentials_service_check CHECK (service ~ '^[a-z][a-z0-9_]*$'),
    ADD COLUMN source_columns jsonb; -- columns and kinds of what it was last read with; NULL of sources with fixed ones

-- +goose Down
-- The check stays: what an older program writes passes it, and nobody's credentials of other services are lost.
ALTER TABLE credentials DROP COLUMN source_columns;
