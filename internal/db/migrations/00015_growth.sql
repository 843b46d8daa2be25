-- Indexes for what reads a whole table without them, which shows once there are millions of rows. Each is built while its table
-- is used; what an interrupted build left behind is dropped first.

-- +goose NO TRANSACTION
-- +goose Up
-- Who must not be the last administrator of an app is asked whenever an account is deleted or suspended.
DROP INDEX CONCURRENTLY IF EXISTS users_admins_idx;
CREATE INDEX CONCURRENTLY users_admins_idx ON users (app_id, id) WHERE role = 'admin';
-- Lists of the administration. A refresh touches none of the columns, and so stays without work on indexes (HOT).
DROP INDEX CONCURRENTLY IF EXISTS refresh_tokens_created_idx;
CREATE INDEX CONCURRENTLY refresh_tokens_created_idx ON refresh_tokens (created_at, id);
DROP INDEX CONCURRENTLY IF EXISTS refresh_tokens_app_created_idx;
CREATE INDEX CONCURRENTLY refresh_tokens_app_created_idx ON refresh_tokens (app_id, created_at, id);
-- What is read again of the feed: that which may have been committed late.
DROP INDEX CONCURRENTLY IF EXISTS revocation_events_created_idx;
CREATE INDEX CONCURRENTLY revocation_events_created_idx ON revocation_events (created_at);
-- Who did it, where that is not the user whom it happened to: few rows of many.
DROP INDEX CONCURRENTLY IF EXISTS audit_actor_idx;
CREATE INDEX CONCURRENTLY audit_actor_idx ON audit (actor, created_at) WHERE actor IS NOT NULL AND actor IS DISTINCT FROM user_id::text;
-- Whose key is there still though they were taken out of the audit.
DROP INDEX CONCURRENTLY IF EXISTS audit_keys_pseudonym_idx;
CREATE INDEX CONCURRENTLY audit_keys_pseudonym_idx ON audit_keys (sha256(key));

-- +goose Down
DROP INDEX IF EXISTS audit_keys_pseudonym_idx, audit_actor_idx, revocation_events_created_idx, refresh_tokens_app_created_idx, refresh_tokens_created_idx, users_admins_idx;
