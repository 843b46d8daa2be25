-- The original KPI ETL backend (contract legacy-import.md §3.1).
CREATE TABLE users (id serial PRIMARY KEY, clerk_id varchar(255) UNIQUE NOT NULL, email varchar(255) UNIQUE, name varchar(255), status varchar(20) DEFAULT 'active',
    onboarding_complete boolean DEFAULT false, created_at timestamp DEFAULT now(), updated_at timestamp DEFAULT now());
CREATE TABLE credentials (id serial PRIMARY KEY, user_id int REFERENCES users ON DELETE CASCADE, service varchar(50), name varchar(255), encrypted_data text, verified boolean,
    verified_at timestamp, expires_at timestamp, created_at timestamp DEFAULT now(), updated_at timestamp DEFAULT now(), deleted_at timestamp);
CREATE TABLE service_configs (id serial PRIMARY KEY, user_id int, service varchar(50), credential_id int NOT NULL REFERENCES credentials ON DELETE CASCADE, enabled boolean,
    created_at timestamp DEFAULT now(), updated_at timestamp DEFAULT now(), UNIQUE (user_id, service));
CREATE TABLE sheet_mappings (id serial PRIMARY KEY, user_id int, service varchar(50), spreadsheet_id varchar(255), sheet_name varchar(255),
    created_at timestamp DEFAULT now(), updated_at timestamp DEFAULT now(), UNIQUE (user_id, service, spreadsheet_id, sheet_name));
CREATE TABLE audit_logs (id serial PRIMARY KEY, user_id int, action varchar(50), service varchar(50), status varchar(20), error_message text, metadata jsonb, created_at timestamp DEFAULT now());
CREATE TABLE job_schedules (id bigserial PRIMARY KEY, user_id int, service varchar(50), cron_expression varchar(100), enabled boolean, timezone varchar(50) DEFAULT 'Asia/Kolkata',
    last_run_at timestamp, next_run_at timestamp, created_at timestamp DEFAULT now(), updated_at timestamp DEFAULT now());
