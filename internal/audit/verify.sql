-- name: ChainSystem :many
-- A stretch of the chain, without what it covers.
SELECT s.no, s.log, s.era, s.cluster, coalesce(s.snapshot, '')::text AS snapshot, s.count, s.first_at, s.last_at, s.root, s.prev, s.hash, s.signature, s.sealed_at
FROM audit_seals s WHERE s.no > sqlc.arg(after) ORDER BY s.no LIMIT sqlc.arg(most)::int;

-- name: CoveredSystem :one
SELECT s.ids, s.ats, s.leaves, s.persons, coalesce(s.newest_form, 1)::smallint AS newest_form FROM audit_seals s WHERE s.no = sqlc.arg(no);

-- name: SealHashSystem :one
SELECT s.hash FROM audit_seals s WHERE s.no = sqlc.arg(no);

-- name: UncoveredSystem :many
-- Rows that no seal covers though one should: the newest complete seal of their log saw them, or their numbers are of no era
-- that is open. Before an era's first complete seal nothing is due.
SELECT r.id::text AS id, r.created_at::timestamptz AS created_at FROM (
    SELECT a.id::text AS id, a.created_at, a.seal_era, a.seal_xid FROM audit a WHERE sqlc.arg(log)::text = 'audit'
        AND a.created_at >= sqlc.arg(since)::timestamptz AND a.created_at < sqlc.arg(until)::timestamptz
    UNION ALL
    SELECT l.id::text, l.created_at, l.seal_era, l.seal_xid FROM audit_logs l WHERE sqlc.arg(log)::text = 'audit_logs'
        AND l.created_at >= sqlc.arg(since)::timestamptz AND l.created_at < sqlc.arg(until)::timestamptz
) r
JOIN (SELECT s.era, s.snapshot FROM audit_seals s WHERE s.log = sqlc.arg(log)::text AND s.snapshot IS NOT NULL
        AND s.era = (SELECT max(e.era) FROM audit_seals e) ORDER BY s.no DESC LIMIT 1) n
    ON r.seal_era IS DISTINCT FROM n.era OR r.seal_xid IS NULL OR txid_visible_in_snapshot(r.seal_xid, n.snapshot::txid_snapshot)
WHERE NOT EXISTS (SELECT FROM audit_seals x CROSS JOIN LATERAL unnest(x.ids) WITH ORDINALITY AS i (id, place)
    WHERE x.log = sqlc.arg(log)::text AND i.id = r.id AND x.ats[i.place] = r.created_at)
ORDER BY r.created_at, r.id LIMIT sqlc.arg(most)::int;

-- name: PersonKeysSystem :many
SELECT k.person, k.key FROM audit_keys k WHERE k.log = sqlc.arg(log) AND k.person = ANY (sqlc.arg(persons)::text[]);

-- name: ErasuresSystem :many
SELECT e.id, e.pseudonyms, e.rows FROM audit_erasures e ORDER BY e.id;

-- name: DoubtfulErasuresSystem :many
-- Erasures that no deletion explains, or whose person's key is there still.
SELECT e.id, e.erased_at FROM audit_erasures e
WHERE NOT EXISTS (SELECT FROM audit a WHERE a.seal_xid = e.seal_xid AND a.created_at >= e.erased_at - interval '1 hour' AND a.action IN ('account_deleted', 'user_deleted'))
        AND NOT EXISTS (SELECT FROM audit_archives f WHERE f.log = 'audit' AND f.month = date_trunc('month', e.erased_at AT TIME ZONE 'UTC')::date)
    OR EXISTS (SELECT FROM audit_keys k WHERE sha256(k.key) = ANY (e.pseudonyms))
ORDER BY e.id;

-- name: ImportsSystem :many
-- When imports wrote: their rows are older than their seals.
SELECT DISTINCT date_trunc('minute', m.imported_at)::timestamptz AS at FROM import_map m;

-- name: ArchivesSystem :many
SELECT f.file, f.log, f.month, f.rows, f.sha256, f.signature, f.archived_at, f.restored_at FROM audit_archives f ORDER BY f.log, f.month, f.file;
