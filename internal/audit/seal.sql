-- What sealing and verifying ask. Both logs come in one form: who, ip and agent are what an erasure takes out, facts is the
-- row's JSON as it is stored. The log that is not asked for costs nothing, its branch is never entered.

-- name: ClusterSystem :one
-- Which cluster counts the transactions here, and the era that began on it; 0: the newest era began on another one.
SELECT p.system_identifier::bigint AS cluster,
    coalesce((SELECT s.era FROM audit_seals s WHERE s.log = 'era' AND s.cluster = p.system_identifier
        AND s.no = (SELECT max(e.no) FROM audit_seals e WHERE e.log = 'era')), 0)::smallint AS era
FROM pg_control_system() p;

-- name: BeginEraSystem :one
SELECT begin_audit_era()::smallint AS era;

-- name: MakeMonthsSystem :one
SELECT make_audit_months(sqlc.arg(ahead)::int)::int AS made;

-- name: LockErasuresSystem :exec
-- Nobody leaves the audit while their rows are being sealed; forget_in_audit takes the other half of this lock. And no other
-- server seals.
SELECT pg_advisory_xact_lock(7205759403793001);

-- name: SealedUpToSystem :one
-- The newest seal of this era whose snapshot is sealed to its end.
SELECT s.no, coalesce(s.snapshot, '')::text AS snapshot FROM audit_seals s
WHERE s.log = sqlc.arg(log) AND s.era = sqlc.arg(era) AND s.snapshot IS NOT NULL ORDER BY s.no DESC LIMIT 1;

-- name: SnapshotSystem :one
SELECT txid_current_snapshot()::text AS snapshot;

-- name: UnsealedSystem :many
-- Rows that the snapshot seen did not see, upto does, and no seal after the given one covers. No snapshot: at the beginning of an
-- era, when numbers of transactions say nothing, all rows that no seal covers; those of earlier eras are committed. The brin indexes on seal_xid carry it.
SELECT r.id::text AS id, r.created_at::timestamptz AS created_at FROM (
    SELECT a.id::text AS id, a.created_at FROM audit a
    WHERE sqlc.arg(log)::text = 'audit' AND (sqlc.arg(seen)::text = '' OR a.seal_era = sqlc.arg(era)::smallint
        AND a.seal_xid >= txid_snapshot_xmin(nullif(sqlc.arg(seen)::text, '')::txid_snapshot)
        AND NOT txid_visible_in_snapshot(a.seal_xid, nullif(sqlc.arg(seen)::text, '')::txid_snapshot))
        AND (a.seal_era IS DISTINCT FROM sqlc.arg(era)::smallint OR txid_visible_in_snapshot(a.seal_xid, sqlc.arg(upto)::text::txid_snapshot))
    UNION ALL
    SELECT l.id::text, l.created_at FROM audit_logs l
    WHERE sqlc.arg(log)::text = 'audit_logs' AND (sqlc.arg(seen)::text = '' OR l.seal_era = sqlc.arg(era)::smallint
        AND l.seal_xid >= txid_snapshot_xmin(nullif(sqlc.arg(seen)::text, '')::txid_snapshot)
        AND NOT txid_visible_in_snapshot(l.seal_xid, nullif(sqlc.arg(seen)::text, '')::txid_snapshot))
        AND (l.seal_era IS DISTINCT FROM sqlc.arg(era)::smallint OR txid_visible_in_snapshot(l.seal_xid, sqlc.arg(upto)::text::txid_snapshot))
) r
WHERE NOT EXISTS (SELECT FROM audit_seals x CROSS JOIN LATERAL unnest(x.ids) WITH ORDINALITY AS i (id, place)
    WHERE x.log = sqlc.arg(log)::text AND x.no > sqlc.arg(after)::bigint AND i.id = r.id AND x.ats[i.place] = r.created_at)
ORDER BY r.created_at, r.id LIMIT sqlc.arg(most)::int;

-- name: RowsSystem :many
-- Rows by id and time; the keys carry it. '+' stands before what might be NULL.
SELECT r.place::int AS place, r.id::text AS id, r.created_at::timestamptz AS created_at, r.who::text AS who, r.actor::text AS actor, r.action::text AS action, r.service, r.status,
    r.error_message, r.ip::text AS ip, r.agent, r.facts, r.erasure, coalesce(r.seal_form, 1)::smallint AS form
FROM (
    SELECT u.place, a.id::text AS id, a.created_at, coalesce(a.user_id::text, '') AS who, coalesce('+' || a.actor, '') AS actor, a.action::text AS action, NULL::text AS service,
        NULL::text AS status, NULL::text AS error_message, coalesce('+' || a.ip, '') AS ip, a.user_agent AS agent, a.meta AS facts, a.erasure, a.seal_form
    FROM unnest(sqlc.arg(ids)::text[]) WITH ORDINALITY AS u (id, place)
    JOIN audit a ON a.id = u.id::uuid AND a.created_at = (sqlc.arg(ats)::timestamptz[])[u.place] WHERE sqlc.arg(log)::text = 'audit'
    UNION ALL
    SELECT u.place, l.id::text, l.created_at, coalesce(l.user_id::text, ''), '', l.action::text, l.service::text, l.status::text, l.error_message, '', NULL::text,
        l.metadata::text, l.erasure, l.seal_form
    FROM unnest(sqlc.arg(ids)::text[]) WITH ORDINALITY AS u (id, place)
    JOIN audit_logs l ON l.id = u.id::bigint AND l.created_at = (sqlc.arg(ats)::timestamptz[])[u.place] WHERE sqlc.arg(log)::text = 'audit_logs'
) r;

-- name: KeysSystem :many
-- The keys of these persons, made where there is none yet.
WITH made AS (
    INSERT INTO audit_keys (log, person) SELECT sqlc.arg(log)::text, p FROM unnest(sqlc.arg(persons)::text[]) p
    ON CONFLICT (log, person) DO NOTHING RETURNING audit_keys.person, audit_keys.key
)
SELECT m.person, m.key FROM made m
UNION ALL
SELECT k.person, k.key FROM audit_keys k WHERE k.log = sqlc.arg(log)::text AND k.person = ANY (sqlc.arg(persons)::text[]);

-- name: InsertSealSystem :exec
INSERT INTO audit_seals (no, log, era, cluster, snapshot, count, first_at, last_at, root, prev, hash, signature, sealed_at, ids, ats, leaves, persons, newest_form)
VALUES (sqlc.arg(no), sqlc.arg(log), sqlc.arg(era), sqlc.arg(cluster), sqlc.narg(snapshot), sqlc.arg(count), sqlc.narg(first_at), sqlc.narg(last_at),
    sqlc.arg(root), sqlc.arg(prev), sqlc.arg(hash), sqlc.arg(signature), sqlc.arg(sealed_at), sqlc.arg(ids), sqlc.arg(ats), sqlc.arg(leaves), sqlc.arg(persons), sqlc.arg(newest_form)::smallint);

-- name: NewestSealSystem :one
SELECT s.no, s.hash, s.signature, s.sealed_at FROM audit_seals s ORDER BY s.no DESC LIMIT 1;
