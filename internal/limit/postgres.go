package limit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/db"
)

var errNotAlong = errors.New("limit: what comes along did not take the statement before it into its trip")

// postgres is the store in PostgreSQL. Every operation is one statement. Rows are always locked in one order, windows by
// key and logins client before account, so statements never wait for each other in a circle.
type postgres struct {
	db  *db.DB
	now func() time.Time // nil: PostgreSQL's
}

// stamp is the time given to a statement; NULL makes it look at PostgreSQL's own clock.
func (p *postgres) stamp() *time.Time {
	if p.now == nil {
		return nil
	}
	now := p.now()
	return &now
}

func (p *postgres) conn() db.Conn { return p.db.In(db.System()) }

// $1 key, $2 limit, $3 window, $4 now or NULL. Above the limit hits stays at one more than it: that says "refused" and is
// not a unit. ON CONFLICT waits for others and then sees what they wrote, so no two get the last unit.
const takeSQL = `
INSERT INTO limit_windows AS w (key, hits, resets_at)
SELECT $1, 1, n.now + $3::interval FROM (SELECT coalesce($4::timestamptz, clock_timestamp()) AS now) n
ON CONFLICT (key) DO UPDATE SET
	hits = CASE WHEN w.resets_at <= excluded.resets_at - $3::interval THEN 1 ELSE least(w.hits, $2::integer) + 1 END,
	resets_at = CASE WHEN w.resets_at <= excluded.resets_at - $3::interval THEN excluded.resets_at ELSE w.resets_at END
RETURNING hits, resets_at, resets_at - coalesce($4::timestamptz, clock_timestamp())`

func (p *postgres) take(ctx context.Context, key string, r Rule) (window, error) {
	var w window
	var resets time.Time
	err := p.conn().QueryRow(ctx, takeSQL, key, r.Max, r.Window, p.stamp()).Scan(&w.hits, &resets, &w.left)
	w.id = resets.UnixMicro()
	return w, err
}

// $1 keys, $2 ends of their windows, $3 units, $4 limits. A window that is over, or another one by now, keeps its count.
const giveBackSQL = `
WITH u AS (
	SELECT w.key, u.units, u.most
	FROM unnest($1::text[], $2::timestamptz[], $3::integer[], $4::integer[]) AS u (key, resets_at, units, most)
	JOIN limit_windows w ON w.key = u.key AND w.resets_at = u.resets_at
	ORDER BY w.key FOR UPDATE OF w
)
UPDATE limit_windows w SET hits = greatest(least(w.hits, u.most) - u.units, 0) FROM u WHERE w.key = u.key`

func (p *postgres) giveBack(ctx context.Context, units []unit) error {
	keys, ends := make([]string, len(units)), make([]time.Time, len(units))
	counts, limits := make([]int, len(units)), make([]int, len(units))
	for i, u := range units {
		keys[i], ends[i], counts[i], limits[i] = u.key, time.UnixMicro(u.window), u.n, u.limit
	}
	_, err := p.conn().Exec(ctx, giveBackSQL, keys, ends, counts, limits)
	return err
}

// $1 keys, $2 counts, $3 what is left of the windows, $4 now or NULL.
const mergeSQL = `
INSERT INTO limit_windows AS w (key, hits, resets_at)
SELECT u.key, u.hits, n.now + u.remaining
FROM unnest($1::text[], $2::integer[], $3::interval[]) AS u (key, hits, remaining),
	(SELECT coalesce($4::timestamptz, clock_timestamp()) AS now) n
ORDER BY u.key
ON CONFLICT (key) DO UPDATE SET
	hits = greatest(excluded.hits + CASE WHEN w.resets_at > coalesce($4::timestamptz, clock_timestamp()) THEN w.hits ELSE 0 END, 0),
	resets_at = CASE WHEN w.resets_at > coalesce($4::timestamptz, clock_timestamp()) THEN w.resets_at ELSE excluded.resets_at END
RETURNING key, hits, resets_at - coalesce($4::timestamptz, clock_timestamp())`

func (p *postgres) merge(ctx context.Context, counts []count) ([]window, error) {
	keys, hits, left := make([]string, len(counts)), make([]int, len(counts)), make([]time.Duration, len(counts))
	place := make(map[string]int, len(counts))
	for i, c := range counts {
		keys[i], hits[i], left[i], place[c.key] = c.key, c.hits, c.left, i
	}
	rows, err := p.conn().Query(ctx, mergeSQL, keys, hits, left, p.stamp())
	if err != nil {
		return nil, err
	}
	windows := make([]window, len(counts))
	var key string
	var w window
	_, err = pgx.ForEachRow(rows, []any{&key, &w.hits, &w.left}, func() error {
		windows[place[key]] = w
		return nil
	})
	return windows, err
}

// $1 account, $2 client, $3 now or NULL, $4 length of a lease, $5 most at a time, $6 known device, $7 failures that slow
// down, $8 pause between attempts then.
//
// The row of the client is written even if nothing in it changes: writing is the way to read what was committed after the
// statement began, so a lock that was set while this waits for a row is seen. granted says what became of this attempt. OFFSET 0
// keeps PostgreSQL from working out live once for each of its uses.
const beginSQL = `
WITH n AS MATERIALIZED (SELECT coalesce($3::timestamptz, clock_timestamp()) AS now),
l AS (
	INSERT INTO login_locks AS l (account, client, failures, locked_until, failed_at)
	SELECT $1::bytea, $2::bytea, 0, 'epoch', n.now FROM n
	ON CONFLICT (account, client) DO UPDATE SET failures = l.failures
	RETURNING l.locked_until
), a AS (
	INSERT INTO login_accounts AS a (account, leases, granted, failures, failures_until, next_at, idle_at)
	SELECT $1::bytea, ARRAY[n.now + $4::interval], n.now + $4::interval, 0, 'epoch', 'epoch', n.now + $4::interval
	FROM n, l WHERE l.locked_until <= n.now
	ON CONFLICT (account) DO UPDATE SET (leases, granted, next_at, idle_at) = (
		SELECT CASE WHEN s.free THEN s.live || excluded.granted ELSE s.live END,
			CASE WHEN s.free THEN excluded.granted END,
			CASE WHEN s.slow AND s.free AND NOT $6::boolean THEN excluded.granted - $4::interval + $8::interval
				WHEN s.slow THEN a.next_at ELSE 'epoch' END,
			greatest(a.idle_at, excluded.idle_at)
		FROM (
			SELECT v.live, v.slow, cardinality(v.live) < $5::integer
				AND ($6::boolean OR NOT v.slow OR a.next_at <= excluded.granted - $4::interval) AS free
			FROM (
				SELECT ARRAY(SELECT t FROM unnest(a.leases) t WHERE t > excluded.granted - $4::interval) AS live,
					a.failures >= $7::integer AND a.failures_until > excluded.granted - $4::interval AS slow
				OFFSET 0
			) v OFFSET 0
		) s)
	RETURNING a.granted, a.next_at
)
SELECT l.locked_until - n.now, a.granted, a.next_at - n.now FROM n CROSS JOIN l LEFT JOIN a ON true`

func (p *postgres) begin(ctx context.Context, who login, known bool, along db.Along) (verdict, error) {
	var lock time.Duration
	var lease *time.Time
	var pause *time.Duration
	args := []any{who.account, who.client, p.stamp(), leaseFor, maxParallel, known, slowAfter, slowPause}
	var err error
	if along == nil {
		err = p.conn().QueryRow(ctx, beginSQL, args...).Scan(&lock, &lease, &pause)
	} else {
		_, err = together(along, beginSQL, args, func(br pgx.BatchResults) error { return br.QueryRow().Scan(&lock, &lease, &pause) })
	}
	switch {
	case err != nil:
		return verdict{}, err
	case lock > 0:
		return verdict{outcome: locked, retry: lock}, nil
	case lease != nil:
		return verdict{outcome: granted, lease: lease.UnixMicro()}, nil
	case pause != nil && *pause > 0 && !known:
		return verdict{outcome: slowed, retry: *pause}, nil
	default:
		return verdict{outcome: busy, retry: time.Second}, nil
	}
}

// endLease takes one lease out of login_accounts a: %s is its end. Leases that end at the same moment are interchangeable.
const endLease = `(SELECT CASE WHEN i IS NULL THEN a.leases ELSE a.leases[:i - 1] || a.leases[i + 1:] END
	FROM array_position(a.leases, %s) i)`

// $1 account, $2 client, $3 now or NULL, $4 lease, $5 failures and $6 the lock from that number on, $7 quiet that forgets,
// $8 window of the failures from all clients.
var failSQL = fmt.Sprintf(`
WITH n AS MATERIALIZED (SELECT coalesce($3::timestamptz, clock_timestamp()) AS now),
l AS (
	INSERT INTO login_locks AS l (account, client, failures, locked_until, failed_at)
	SELECT $1::bytea, $2::bytea, 1, 'epoch', n.now FROM n
	ON CONFLICT (account, client) DO UPDATE SET (failures, locked_until, failed_at) = (
		SELECT c.failures, excluded.failed_at + coalesce((SELECT max(t.lock)
				FROM unnest($5::integer[], $6::interval[]) AS t (failures, lock) WHERE t.failures <= c.failures), '0'),
			excluded.failed_at
		FROM (SELECT CASE WHEN l.failed_at <= excluded.failed_at - $7::interval THEN 1 ELSE l.failures + 1 END AS failures) c)
	RETURNING l.locked_until
), a AS (
	INSERT INTO login_accounts AS a (account, leases, failures, failures_until, next_at, idle_at)
	SELECT $1::bytea, '{}', 1, n.now + $8::interval, 'epoch', n.now + $8::interval FROM n, l
	ON CONFLICT (account) DO UPDATE SET
		leases = %s,
		failures = CASE WHEN a.failures_until > excluded.failures_until - $8::interval THEN a.failures + 1 ELSE 1 END,
		failures_until = CASE WHEN a.failures_until > excluded.failures_until - $8::interval THEN a.failures_until ELSE excluded.failures_until END,
		idle_at = greatest(a.idle_at, excluded.idle_at)
)
SELECT l.locked_until - n.now FROM n, l`, fmt.Sprintf(endLease, "$4::timestamptz"))

func (p *postgres) fail(ctx context.Context, who login, lease int64) (time.Duration, error) {
	failures, lengths := make([]int, len(locks)), make([]time.Duration, len(locks))
	for i, l := range locks {
		failures[i], lengths[i] = l.from, l.lasts
	}
	var lock time.Duration
	err := p.conn().QueryRow(ctx, failSQL, who.account, who.client, p.stamp(), time.UnixMicro(lease), failures, lengths,
		forgetAfter, slowWindow).Scan(&lock)
	return max(lock, 0), err
}

// $1 account, $2 client, $3 lease. The condition on l does nothing but put the client's row first.
var succeedSQL = fmt.Sprintf(`
WITH l AS (DELETE FROM login_locks WHERE account = $1 AND client = $2 RETURNING 1)
UPDATE login_accounts a SET leases = %s WHERE account = $1 AND (SELECT count(*) FROM l) >= 0`, fmt.Sprintf(endLease, "$3::timestamptz"))

func (p *postgres) succeed(ctx context.Context, who login, lease int64, along db.Along) error {
	args := []any{who.account, who.client, time.UnixMicro(lease)}
	if along != nil {
		exec := func(br pgx.BatchResults) error { _, err := br.Exec(); return err }
		if kept, _ := together(along, succeedSQL, args, exec); kept {
			return nil
		}
	}
	_, err := p.conn().Exec(ctx, succeedSQL, args...) // also when nobody waits for the session any more
	return err
}

// $1 account, $2 lease.
var releaseSQL = fmt.Sprintf(`UPDATE login_accounts a SET leases = %s WHERE account = $1`, fmt.Sprintf(endLease, "$2::timestamptz"))

func (p *postgres) release(ctx context.Context, who login, lease int64) error {
	_, err := p.conn().Exec(ctx, releaseSQL, who.account, time.UnixMicro(lease))
	return err
}

// $1 account. Leases stay: they are of logins that are being verified now.
const clearSQL = `
WITH l AS (DELETE FROM login_locks WHERE account = $1 RETURNING 1)
UPDATE login_accounts SET failures = 0, failures_until = 'epoch', next_at = 'epoch'
WHERE account = $1 AND (SELECT count(*) FROM l) >= 0`

func (p *postgres) clear(ctx context.Context, who login) error {
	_, err := p.conn().Exec(ctx, clearSQL, who.account)
	return err
}

// together runs a statement of ours before what comes along with it, in one trip. It is kept when both were committed; the
// error tells why ours was not answered.
func together(along db.Along, sql string, args []any, read func(pgx.BatchResults) error) (kept bool, err error) {
	answered := false
	err = along(&db.Statement{Scope: db.System(), SQL: sql, Args: args, Read: func(br pgx.BatchResults) error {
		err := read(br)
		answered = err == nil
		return err
	}})
	switch {
	case !answered && err == nil:
		return false, errNotAlong
	case !answered:
		return false, err
	}
	return err == nil || errors.Is(err, pgx.ErrNoRows), nil
}

// $1 now or NULL, $2 most rows of each table, $3 quiet that forgets failures. Rows that somebody holds are skipped: they
// are in use. The indexes on the last column of each condition carry it.
const purgeSQL = `
WITH n AS MATERIALIZED (SELECT coalesce($1::timestamptz, clock_timestamp()) AS now),
w AS (DELETE FROM limit_windows WHERE key IN
	(SELECT key FROM limit_windows WHERE resets_at <= (SELECT now FROM n) LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING 1),
l AS (DELETE FROM login_locks WHERE (account, client) IN
	(SELECT account, client FROM login_locks WHERE failed_at <= (SELECT now FROM n) - $3::interval LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING 1),
a AS (DELETE FROM login_accounts WHERE account IN
	(SELECT account FROM login_accounts WHERE idle_at <= (SELECT now FROM n) LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING 1)
SELECT (SELECT count(*) FROM w) + (SELECT count(*) FROM l) + (SELECT count(*) FROM a)`

func (p *postgres) purge(ctx context.Context, batch int) (int, error) {
	var n int
	err := p.conn().QueryRow(ctx, purgeSQL, p.stamp(), batch, forgetAfter).Scan(&n)
	return n, err
}
