-- Root keys and users' keys. All run in a user scope unless the name says System; they filter by current_user_no()
-- besides, so that the policies are the second wall and not the only one.

-- name: UserKeys :one
SELECT root_id, keyset, index_key FROM vault_keys WHERE user_id = current_user_no();

-- name: CreateUserKeys :exec
-- The first of parallel calls wins; all read the winner's keys afterwards.
INSERT INTO vault_keys (user_id, root_id, key_id, keyset, index_key)
VALUES (current_user_no(), sqlc.arg(root_id), sqlc.arg(key_id)::bigint, sqlc.arg(keyset), sqlc.arg(index_key))
ON CONFLICT (user_id) DO NOTHING;

-- name: RootsSystem :many
SELECT id, check_value FROM vault_roots WHERE retired_at IS NULL;

-- name: InsertRootSystem :exec
INSERT INTO vault_roots (id, check_value, active_from) VALUES (sqlc.arg(id), sqlc.arg(check_value), now()) ON CONFLICT (id) DO NOTHING;

-- name: RootInUseSystem :one
SELECT EXISTS (SELECT FROM vault_keys WHERE root_id <> sqlc.arg(root_id));
