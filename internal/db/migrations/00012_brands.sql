-- +goose Up
-- How an app's pages look: those for signing in, and the console that its users see.
CREATE TABLE app_brands (
    app_id     varchar(100) PRIMARY KEY REFERENCES apps (id) ON DELETE CASCADE,
    color      varchar(7)   CHECK (color ~ '^#[0-9a-f]{6}$'),
    logo       text         CHECK (length(logo) <= 100000), -- a data: URL of an image
    updated_at timestamptz  NOT NULL DEFAULT now()
);
ALTER TABLE app_brands ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY app_brands_app ON app_brands TO turkey_app
    USING (app_id = (SELECT nullif(current_setting('app.current_app_id', true), '')))
    WITH CHECK (app_id = (SELECT nullif(current_setting('app.current_app_id', true), '')));
CREATE POLICY app_brands_system ON app_brands TO turkey_system USING (true) WITH CHECK (true);
CREATE POLICY app_brands_owner ON app_brands TO turkey_owner USING (true) WITH CHECK (true);
REVOKE ALL ON app_brands FROM turkey_app, turkey_system;
GRANT SELECT ON app_brands TO turkey_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON app_brands TO turkey_system;

-- +goose Down
DROP TABLE app_brands;
