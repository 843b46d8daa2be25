-- Root keys and users' keys. All run in a user scope unless the name says System; they filter by current_user_no()
-- besides, so that the policies are the second wall and not the only one.

-- name: UserKeys :one
SELECT root_id, keyset, index_key FROM vault_keys WHERE user_id = current_user_no();

-- name: CreateUserKeys :exec
-- The first of parallel calls wins; all read the winner's keys afterwards. Nothing is written under a root key that is not
-- the active one (any more).
INSERT INTO vault_keys (user_id, root_id, key_id, keyset, index_key)
SELECT current_user_no(), sqlc.arg(root_id)::text, sqlc.arg(key_id)::bigint, sqlc.arg(keyset)::bytea, sqlc.arg(index_key)::bytea
WHERE hold_active_root(sqlc.arg(root_id)::text)
ON CONFLICT (user_id) DO NOTHING;

-- name: RootsSystem :many
-- The newest active one that is not retired wraps what is made now.
SELECT r.id, r.source, r.check_value, r.wrapped, r.wrapped_by, r.created_at, r.active_from, r.retired_at, r.bundled_at,
    EXISTS (SELECT FROM vault_keys k WHERE k.root_id = r.id) AS in_use
FROM vault_roots r ORDER BY r.active_from DESC NULLS LAST, r.id;

-- name: LockRootsSystem :exec
-- One change of the active root at a time; a statement that comes after it in its transaction sees the changes before.
SELECT pg_advisory_xact_lock(4785074604081153);

-- name: ActiveRootSystem :one
SELECT r.id FROM vault_roots r WHERE r.retired_at IS NULL AND r.active_from IS NOT NULL ORDER BY r.active_from DESC, r.id LIMIT 1;

-- name: ActivateRootSystem :exec
-- app_id NULL: the first one, which no operator asked for. The turn comes after all earlier ones, whatever the clock says.
WITH t AS (
    SELECT greatest(clock_timestamp(), max(o.active_from) + interval '1 microsecond') AS turn FROM vault_roots o
), r AS (
    INSERT INTO vault_roots (id, source, check_value, wrapped, wrapped_by, active_from)
    SELECT sqlc.arg(id)::text, sqlc.arg(source)::text, sqlc.arg(check_value)::bytea, sqlc.narg(wrapped)::bytea, sqlc.narg(wrapped_by)::text, t.turn FROM t
    ON CONFLICT (id) DO UPDATE SET active_from = excluded.active_from
    RETURNING vault_roots.id
)
INSERT INTO audit (app_id, actor, action, meta)
SELECT sqlc.narg(app_id)::text, sqlc.arg(actor)::text, 'vault_root_activated', sqlc.arg(meta)::text FROM r WHERE sqlc.narg(app_id)::text IS NOT NULL;

-- name: CountToRewrapSystem :one
SELECT count(*) FROM vault_keys k WHERE k.root_id <> sqlc.arg(root_id);

-- name: KeysToRewrapSystem :many
SELECT k.user_id, u.id AS person, k.root_id, k.keyset, k.index_key FROM vault_keys k JOIN users u ON u.user_no = k.user_id
WHERE k.root_id <> sqlc.arg(root_id) AND k.user_id > sqlc.arg(after) ORDER BY k.user_id LIMIT sqlc.arg(batch)::int
FOR UPDATE OF k SKIP LOCKED;

-- name: RewrapKeysSystem :execrows
-- The same keys under another root key.
UPDATE vault_keys k SET root_id = sqlc.arg(root_id)::text, keyset = n.keyset, index_key = n.index_key, key_id = coalesce(k.key_id, n.key_id)
FROM (SELECT unnest(sqlc.arg(user_ids)::bigint[]) AS user_id, unnest(sqlc.arg(old_roots)::text[]) AS old_root, unnest(sqlc.arg(key_ids)::bigint[]) AS key_id,
    unnest(sqlc.arg(keysets)::bytea[]) AS keyset, unnest(sqlc.arg(index_keys)::bytea[]) AS index_key) n
WHERE k.user_id = n.user_id AND k.root_id = n.old_root;

-- name: LockOldRootsSystem :exec
-- Waits for whoever writes a row under one of them at this moment (hold_active_root).
SELECT r.id FROM vault_roots r WHERE r.retired_at IS NULL AND r.id <> sqlc.arg(active_id) ORDER BY r.id FOR UPDATE;

-- name: RetireRootsSystem :many
-- Root keys that were in use and wrap nothing any more.
WITH r AS (
    UPDATE vault_roots x SET retired_at = now()
    WHERE x.retired_at IS NULL AND x.active_from IS NOT NULL AND x.id <> sqlc.arg(active_id)::text
        AND NOT EXISTS (SELECT FROM vault_keys k WHERE k.root_id = x.id)
    RETURNING x.id
), a AS (
    INSERT INTO audit (app_id, actor, action, meta)
    SELECT sqlc.arg(app_id)::text, sqlc.arg(actor)::text, 'vault_root_retired', jsonb_build_object('rootId', r.id)::text FROM r
)
SELECT r.id FROM r;

-- name: UsersPerRootSystem :many
SELECT r.id, (SELECT count(*) FROM vault_keys k WHERE k.root_id = r.id) AS users FROM vault_roots r;

-- name: SealedTextsSystem :many
-- Sealed texts per table: under the user's present key, under an older one, and those whose user has no keys any more.
SELECT 'credentials'::text AS name, count(*) FILTER (WHERE coalesce(k.key_id, x.key_id) = x.key_id) AS current,
    count(*) FILTER (WHERE k.user_id IS NOT NULL AND (x.key_id IS NULL OR x.key_id <> k.key_id)) AS older, count(*) FILTER (WHERE k.user_id IS NULL) AS lost
FROM credentials x LEFT JOIN vault_keys k ON k.user_id = x.user_id WHERE x.encrypted_data IS NOT NULL
UNION ALL
SELECT 'credential_versions', count(*) FILTER (WHERE coalesce(k.key_id, x.key_id) = x.key_id),
    count(*) FILTER (WHERE k.user_id IS NOT NULL AND (x.key_id IS NULL OR x.key_id <> k.key_id)), count(*) FILTER (WHERE k.user_id IS NULL)
FROM credential_versions x LEFT JOIN vault_keys k ON k.user_id = x.user_id
UNION ALL
SELECT 'credential_tokens', count(*) FILTER (WHERE coalesce(k.key_id, x.key_id) = x.key_id),
    count(*) FILTER (WHERE k.user_id IS NOT NULL AND (x.key_id IS NULL OR x.key_id <> k.key_id)), count(*) FILTER (WHERE k.user_id IS NULL)
FROM credential_tokens x LEFT JOIN vault_keys k ON k.user_id = x.user_id WHERE x.encrypted_data IS NOT NULL
UNION ALL
SELECT 'webhooks', count(*) FILTER (WHERE coalesce(k.key_id, x.key_id) = x.key_id),
    count(*) FILTER (WHERE k.user_id IS NOT NULL AND (x.key_id IS NULL OR x.key_id <> k.key_id)), count(*) FILTER (WHERE k.user_id IS NULL)
FROM webhooks x LEFT JOIN vault_keys k ON k.user_id = x.user_id;

-- name: CountResealingSystem :one
SELECT count(*) FROM vault_keys k WHERE k.resealing;

-- name: RecordActSystem :exec
-- An act of an operator on the vault.
INSERT INTO audit (app_id, actor, action, meta) VALUES (sqlc.arg(app_id), sqlc.arg(actor)::text, sqlc.arg(action), sqlc.arg(meta)::text);
