-- +goose Up
-- The words of an app's mails, where it has words of its own: one row for each kind that was changed.
CREATE TABLE app_mail_templates (
    app_id     varchar(100) NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    kind       varchar(50)  NOT NULL,
    subject    text         NOT NULL CHECK (length(subject) <= 1000),
    body_text  text         NOT NULL CHECK (length(body_text) <= 100000),
    body_html  text         NOT NULL CHECK (length(body_html) <= 100000),
    updated_at timestamptz  NOT NULL DEFAULT now(),
    PRIMARY KEY (app_id, kind)
);
ALTER TABLE app_mail_templates ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY app_mail_templates_app ON app_mail_templates TO turkey_app
    USING (app_id = (SELECT nullif(current_setting('app.current_app_id', true), '')))
    WITH CHECK (app_id = (SELECT nullif(current_setting('app.current_app_id', true), '')));
CREATE POLICY app_mail_templates_system ON app_mail_templates TO turkey_system USING (true) WITH CHECK (true);
CREATE POLICY app_mail_templates_owner ON app_mail_templates TO turkey_owner USING (true) WITH CHECK (true);
REVOKE ALL ON app_mail_templates FROM turkey_app, turkey_system;
GRANT SELECT ON app_mail_templates TO turkey_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON app_mail_templates TO turkey_system;

-- +goose Down
DROP TABLE app_mail_templates;
