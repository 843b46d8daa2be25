-- Credentials of a predecessor. They run in the system scope with the user's number set besides, because the user may be
-- younger than the transaction.

-- name: ActForSystem :exec
SELECT set_config('app.current_user_id', sqlc.arg(user_no)::bigint::text, true);

-- name: HoldUserKeys :one
-- Nobody replaces them before the transaction is over.
SELECT root_id, keyset, index_key FROM vault_keys WHERE user_id = current_user_no() FOR SHARE;

-- name: ImportCredentialSystem :one
-- Equal content is taken over once: new is false then, and id is of the one that is here.
WITH c AS (
    INSERT INTO credentials (uid, user_id, service, name, type, encrypted_data, preview, fingerprint, host, expires_at, verified, verified_at,
        created_at, updated_at, deleted_at, next_check_at)
    VALUES (sqlc.arg(uid), current_user_no(), sqlc.arg(service)::text, sqlc.arg(name), sqlc.arg(type), sqlc.narg(encrypted_data), sqlc.arg(preview),
        sqlc.narg(fingerprint)::bytea, sqlc.narg(host), sqlc.narg(expires_at), sqlc.arg(verified)::boolean, sqlc.narg(verified_at)::timestamptz,
        sqlc.arg(created_at), sqlc.arg(updated_at), sqlc.narg(deleted_at)::timestamptz,
        CASE WHEN sqlc.arg(verified)::boolean AND sqlc.narg(deleted_at)::timestamptz IS NULL THEN now() END)
    ON CONFLICT (user_id, service, fingerprint) WHERE deleted_at IS NULL DO NOTHING
    RETURNING credentials.id
)
SELECT c.id, true AS new FROM c
UNION ALL
SELECT x.id, false FROM credentials x WHERE x.user_id = current_user_no() AND x.service = sqlc.arg(service)::text
    AND x.fingerprint = sqlc.narg(fingerprint)::bytea AND x.deleted_at IS NULL AND NOT EXISTS (SELECT FROM c);
