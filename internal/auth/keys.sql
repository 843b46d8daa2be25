-- Signing keys and server secrets (keys.go, rotate.go). All run in the system scope.

-- name: KeysSystem :many
-- Newest first: what is published or was revoked while its tokens could live, with room for servers' clocks, or everything.
-- app_ttl is the longest life, in seconds, that an app gives its access tokens now.
SELECT kid, public_pem, private_pem, created_at, signs_from, retired_at, is_active, revoked_at, longest_ttl,
    (SELECT coalesce(max(a.access_ttl), 0) FROM apps a)::integer AS app_ttl
FROM keys
WHERE sqlc.arg(everything)::boolean OR (is_active AND retired_at IS NULL)
    OR retired_at + greatest(longest_ttl, sqlc.arg(ttl)::integer) * interval '1 second' > sqlc.arg(since)::timestamptz
ORDER BY created_at DESC, kid;

-- name: InsertKeySystem :exec
INSERT INTO keys (kid, public_pem, private_pem, created_at, signs_from, longest_ttl)
VALUES (sqlc.arg(kid), sqlc.arg(public_pem), sqlc.arg(private_pem), sqlc.arg(created_at), sqlc.narg(signs_from),
    greatest(sqlc.arg(ttl)::integer, (SELECT coalesce(max(a.access_ttl), 0) FROM apps a)));

-- name: StretchKeysSystem :exec
-- Keys that sign stay, once they are retired, for as long as tokens live at this moment, however short that becomes later.
-- ttl is another life that tokens may have, in seconds; a key that was retired after signs_until may sign still.
UPDATE keys k SET longest_ttl = v.ttl
FROM (SELECT greatest(sqlc.arg(ttl)::integer, (SELECT coalesce(max(a.access_ttl), 0) FROM apps a)) AS ttl) v
WHERE k.longest_ttl < v.ttl AND (k.retired_at IS NULL OR k.retired_at > sqlc.arg(signs_until)::timestamptz);

-- name: ScheduleKeysSystem :exec
-- lives is a list of {"kid", "signs_from", "retired_at", "revoked_at"}.
UPDATE keys k SET
    signs_from = (v.life ->> 'signs_from')::timestamptz,
    retired_at = (v.life ->> 'retired_at')::timestamptz,
    revoked_at = (v.life ->> 'revoked_at')::timestamptz,
    is_active  = v.life ->> 'retired_at' IS NULL
FROM (SELECT jsonb_array_elements(sqlc.arg(lives)::jsonb) AS life) v
WHERE k.kid = v.life ->> 'kid';

-- name: RewrapKeysSystem :exec
UPDATE keys k SET private_pem = v.pem
FROM (SELECT unnest(sqlc.arg(kids)::text[]) AS kid, unnest(sqlc.arg(pems)::text[]) AS pem) v
WHERE k.kid = v.kid;

-- name: LockKeysSystem :exec
-- One at a time makes or changes keys: servers that start together make one key and one secret.
SELECT pg_advisory_xact_lock(7205759403792795);

-- name: ClockSystem :one
SELECT clock_timestamp()::timestamptz;

-- name: SecretsSystem :many
SELECT name, sealed FROM server_secrets;

-- name: InsertSecretSystem :exec
INSERT INTO server_secrets (name, sealed) VALUES ($1, $2);

-- name: RewrapSecretsSystem :exec
UPDATE server_secrets s SET sealed = v.sealed
FROM (SELECT unnest(sqlc.arg(names)::text[]) AS name, unnest(sqlc.arg(sealed)::bytea[]) AS sealed) v
WHERE s.name = v.name;

-- name: ImportKeySystem :execrows
-- One that is not retired signs.
INSERT INTO keys (id, kid, public_pem, private_pem, created_at, retired_at, is_active, signs_from, longest_ttl)
VALUES (sqlc.arg(id), sqlc.arg(kid), sqlc.arg(public_pem), sqlc.arg(private_pem), sqlc.arg(created_at), sqlc.narg(retired_at)::timestamptz,
    sqlc.narg(retired_at)::timestamptz IS NULL, CASE WHEN sqlc.narg(retired_at)::timestamptz IS NULL THEN sqlc.arg(created_at)::timestamptz END, sqlc.arg(ttl))
ON CONFLICT DO NOTHING;
