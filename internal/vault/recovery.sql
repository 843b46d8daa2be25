-- What a recovery bundle is held against.

-- name: RecordBundleSystem :exec
WITH r AS (UPDATE vault_roots x SET bundled_at = now() WHERE x.id = ANY (sqlc.arg(ids)::text[]))
INSERT INTO audit (app_id, actor, action, meta) VALUES (sqlc.arg(app_id)::text, sqlc.arg(actor)::text, 'vault_recovery_created', sqlc.arg(meta)::text);

-- name: KeysUnderRootSystem :many
-- Users' keys under a root key, by number of user or a few picked at random, each with one sealed credential if there is any.
SELECT k.user_id, u.id AS person, k.root_id, k.keyset, k.index_key, coalesce(c.uid, '00000000-0000-0000-0000-000000000000')::uuid AS uid,
    coalesce(c.service, '')::text AS service, coalesce(c.version, 0)::int AS version, coalesce(c.encrypted_data, '')::text AS sealed
FROM vault_keys k JOIN users u ON u.user_no = k.user_id
LEFT JOIN LATERAL (SELECT x.uid, x.service, x.version, x.encrypted_data FROM credentials x
    WHERE x.user_id = k.user_id AND x.encrypted_data IS NOT NULL ORDER BY x.id DESC LIMIT 1) c ON true
WHERE k.root_id = sqlc.arg(root_id)::text AND k.user_id > sqlc.arg(after) AND (NOT sqlc.arg(at_random)::boolean OR k.user_id IN (
    SELECT s.user_id FROM vault_keys s WHERE s.root_id = sqlc.arg(root_id)::text ORDER BY random() LIMIT sqlc.arg(batch)::int))
ORDER BY k.user_id LIMIT sqlc.arg(batch)::int;
