-- What a copy of the vault is proved by.

-- name: KeysToProveSystem :many
-- The second condition says again what the first one does: users are then read from there on as well.
SELECT k.user_id, u.id AS person, k.root_id, k.keyset, k.index_key FROM vault_keys k JOIN users u ON u.user_no = k.user_id
WHERE k.user_id > sqlc.arg(after) AND u.user_no > sqlc.arg(after) ORDER BY k.user_id LIMIT sqlc.arg(batch)::int;
