-- The original TurKey after its migrations 0000 to 0004 (contract legacy-import.md §2.1).
CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email varchar(255) NOT NULL, password_hash text NOT NULL, role varchar(50) DEFAULT 'user',
    token_version int DEFAULT 0, created_at timestamp DEFAULT now(), email_verified boolean DEFAULT false, app_id varchar(100) DEFAULT 'default-app');
CREATE UNIQUE INDEX users_email_app_idx ON users (email, app_id);
CREATE TABLE refresh_tokens (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid REFERENCES users ON DELETE CASCADE, token_hash text NOT NULL,
    created_at timestamp DEFAULT now(), expires_at timestamp NOT NULL, revoked_at timestamp, replaced_by_id uuid);
CREATE TABLE email_tokens (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid, token_hash text, type varchar(50), expires_at timestamp, used_at timestamp, created_at timestamp DEFAULT now());
CREATE TABLE keys (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), kid varchar(50) UNIQUE, alg varchar(10) DEFAULT 'ES256', public_pem text, private_pem text,
    created_at timestamp DEFAULT now(), retired_at timestamp, is_active boolean DEFAULT true);
CREATE TABLE revoked_jti (jti varchar(100) PRIMARY KEY, user_id uuid, app_id varchar(100) DEFAULT 'default-app', reason varchar(100), expires_at timestamp, created_at timestamp DEFAULT now());
CREATE TABLE audit (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid, actor varchar(100), action varchar(50), ip varchar(45), user_agent text, meta text, created_at timestamp DEFAULT now());
ALTER TABLE users ADD CONSTRAINT users_email_unique UNIQUE (email); -- left over
CREATE SCHEMA drizzle;
CREATE TABLE drizzle.__drizzle_migrations (id serial PRIMARY KEY, hash text NOT NULL, created_at bigint);
INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('0000', 1), ('0002', 3), ('0001', 2);
