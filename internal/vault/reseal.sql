-- New keys for users, and what they sealed under the old ones sealed anew. All run in the scope of the system, for a batch
-- of users at a time. A sealed text is replaced only where it is still the one that was read, so a write by its user wins.

-- name: BeginResealSystem :one
-- The beginning of this reseal, or of the one that did not end.
WITH r AS (
    UPDATE vault_roots x SET reseal_since = coalesce((SELECT min(o.reseal_since) FROM vault_roots o), now())
    WHERE x.id = (SELECT y.id FROM vault_roots y WHERE y.retired_at IS NULL AND y.active_from IS NOT NULL ORDER BY y.active_from DESC, y.id LIMIT 1)
    RETURNING x.reseal_since
), a AS (
    INSERT INTO audit (app_id, actor, action, meta)
    SELECT sqlc.arg(app_id)::text, sqlc.arg(actor)::text, 'vault_reseal_began', jsonb_build_object('since', r.reseal_since)::text FROM r
)
SELECT r.reseal_since::timestamptz AS since FROM r;

-- name: EndResealSystem :exec
WITH r AS (UPDATE vault_roots x SET reseal_since = NULL WHERE x.reseal_since IS NOT NULL)
INSERT INTO audit (app_id, actor, action, meta) VALUES (sqlc.arg(app_id)::text, sqlc.arg(actor)::text, 'vault_reseal_ended', sqlc.arg(meta)::text);

-- name: CountToResealSystem :one
SELECT count(*) FROM vault_keys k WHERE k.resealing OR coalesce(k.rotated_at, k.created_at) < sqlc.arg(since)::timestamptz;

-- name: KeysToResealSystem :many
-- due: the keyset has no new key yet.
SELECT k.user_id, u.id AS person, k.root_id, k.keyset, k.index_key, (coalesce(k.rotated_at, k.created_at) < sqlc.arg(since)::timestamptz)::boolean AS due
FROM vault_keys k JOIN users u ON u.user_no = k.user_id
WHERE (k.resealing OR coalesce(k.rotated_at, k.created_at) < sqlc.arg(since)::timestamptz) AND k.user_id > sqlc.arg(after)
ORDER BY k.user_id LIMIT sqlc.arg(batch)::int FOR UPDATE OF k SKIP LOCKED;

-- name: RenewKeysSystem :execrows
-- Another key seals from now on: key_id is what keeps the old one from being written under.
WITH k AS (
    UPDATE vault_keys x SET keyset = n.keyset, key_id = n.key_id, rotated_at = clock_timestamp(), resealing = true
    FROM (SELECT unnest(sqlc.arg(user_ids)::bigint[]) AS user_id, unnest(sqlc.arg(key_ids)::bigint[]) AS key_id, unnest(sqlc.arg(keysets)::bytea[]) AS keyset) n
    WHERE x.user_id = n.user_id
    RETURNING x.user_id, x.key_id
)
INSERT INTO audit_logs (user_id, action, status, metadata)
SELECT k.user_id, 'keys_renewed', 'success', jsonb_build_object('keyId', k.key_id) FROM k;

-- name: LockKeysSystem :many
-- Waits for writers that hold the fence.
SELECT k.user_id, u.id AS person, k.root_id, k.keyset, k.index_key FROM vault_keys k JOIN users u ON u.user_no = k.user_id
WHERE k.user_id = ANY (sqlc.arg(user_ids)::bigint[]) AND k.resealing ORDER BY k.user_id FOR UPDATE OF k;

-- name: UsersUnderOldKeysSystem :many
-- Which of these users have a text that is not under their present key.
SELECT k.user_id FROM vault_keys k WHERE k.user_id = ANY (sqlc.arg(user_ids)::bigint[]) AND (
    EXISTS (SELECT FROM credentials x WHERE x.user_id = k.user_id AND x.encrypted_data IS NOT NULL AND x.key_id IS DISTINCT FROM k.key_id)
    OR EXISTS (SELECT FROM credential_versions x WHERE x.user_id = k.user_id AND x.key_id IS DISTINCT FROM k.key_id)
    OR EXISTS (SELECT FROM credential_tokens x WHERE x.user_id = k.user_id AND x.encrypted_data IS NOT NULL AND x.key_id IS DISTINCT FROM k.key_id)
    OR EXISTS (SELECT FROM webhooks x WHERE x.user_id = k.user_id AND x.key_id IS DISTINCT FROM k.key_id));

-- name: DropOldKeysSystem :execrows
UPDATE vault_keys k SET keyset = n.keyset, resealing = false
FROM (SELECT unnest(sqlc.arg(user_ids)::bigint[]) AS user_id, unnest(sqlc.arg(keysets)::bytea[]) AS keyset) n
WHERE k.user_id = n.user_id;

-- name: OldCredentialsSystem :many
-- everything, here and below: not only what is under old keys.
SELECT x.id, x.user_id, x.uid, x.service, x.version, x.encrypted_data::text AS sealed FROM credentials x JOIN vault_keys k ON k.user_id = x.user_id
WHERE x.user_id = ANY (sqlc.arg(user_ids)::bigint[]) AND x.encrypted_data IS NOT NULL AND (sqlc.arg(everything)::boolean OR x.key_id IS DISTINCT FROM k.key_id)
    AND x.id > sqlc.arg(after) ORDER BY x.id LIMIT sqlc.arg(batch)::int;

-- name: ResealCredentialsSystem :execrows
UPDATE credentials x SET encrypted_data = n.new
FROM (SELECT unnest(sqlc.arg(ids)::bigint[]) AS id, unnest(sqlc.arg(old)::text[]) AS old, unnest(sqlc.arg(new)::text[]) AS new) n
WHERE x.id = n.id AND x.encrypted_data = n.old;

-- name: OldVersionsSystem :many
SELECT x.credential_id, x.user_id, x.version, c.uid, c.service, x.encrypted_data AS sealed FROM credential_versions x
JOIN vault_keys k ON k.user_id = x.user_id JOIN credentials c ON c.user_id = x.user_id AND c.id = x.credential_id
WHERE x.user_id = ANY (sqlc.arg(user_ids)::bigint[]) AND (sqlc.arg(everything)::boolean OR x.key_id IS DISTINCT FROM k.key_id)
    AND (x.credential_id, x.version) > (sqlc.arg(after)::bigint, sqlc.arg(after_version)::int)
ORDER BY x.credential_id, x.version LIMIT sqlc.arg(batch)::int;

-- name: ResealVersionsSystem :execrows
UPDATE credential_versions x SET encrypted_data = n.new
FROM (SELECT unnest(sqlc.arg(ids)::bigint[]) AS id, unnest(sqlc.arg(versions)::int[]) AS version, unnest(sqlc.arg(old)::text[]) AS old,
    unnest(sqlc.arg(new)::text[]) AS new) n
WHERE x.credential_id = n.id AND x.version = n.version AND x.encrypted_data = n.old;

-- name: OldTokensSystem :many
SELECT x.credential_id, x.user_id, x.version, x.generation, c.uid, x.encrypted_data::text AS sealed FROM credential_tokens x
JOIN vault_keys k ON k.user_id = x.user_id JOIN credentials c ON c.user_id = x.user_id AND c.id = x.credential_id
WHERE x.user_id = ANY (sqlc.arg(user_ids)::bigint[]) AND x.encrypted_data IS NOT NULL AND (sqlc.arg(everything)::boolean OR x.key_id IS DISTINCT FROM k.key_id)
    AND x.credential_id > sqlc.arg(after) ORDER BY x.credential_id LIMIT sqlc.arg(batch)::int;

-- name: ResealTokensSystem :execrows
UPDATE credential_tokens x SET encrypted_data = n.new
FROM (SELECT unnest(sqlc.arg(ids)::bigint[]) AS id, unnest(sqlc.arg(old)::text[]) AS old, unnest(sqlc.arg(new)::text[]) AS new) n
WHERE x.credential_id = n.id AND x.encrypted_data = n.old;

-- name: OldWebhooksSystem :many
SELECT x.id, x.user_id, x.secret AS sealed FROM webhooks x JOIN vault_keys k ON k.user_id = x.user_id
WHERE x.user_id = ANY (sqlc.arg(user_ids)::bigint[]) AND (sqlc.arg(everything)::boolean OR x.key_id IS DISTINCT FROM k.key_id) AND x.id > sqlc.arg(after)
ORDER BY x.id LIMIT sqlc.arg(batch)::int;

-- name: ResealWebhooksSystem :execrows
UPDATE webhooks x SET secret = n.new
FROM (SELECT unnest(sqlc.arg(ids)::uuid[]) AS id, unnest(sqlc.arg(old)::text[]) AS old, unnest(sqlc.arg(new)::text[]) AS new) n
WHERE x.id = n.id AND x.secret = n.old;
