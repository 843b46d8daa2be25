package db

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// replica is a PostgreSQL that replays ours, for reads that bear to be a little late.
//
// How late it is goes by positions in the log, not by clocks: whatever was committed before a position was read at the primary is
// there once the replica has replayed that position. So its age is that of the newest position that it has reached, also while it
// is cut off, and grows by itself when nobody looks any more.
type replica struct {
	pool   *pgxpool.Pool
	maxLag time.Duration
	log    *slog.Logger
	asOf   atomic.Int64 // Unix ns: everything that was committed before is there; 0: not known

	stop context.CancelFunc
	done sync.WaitGroup
}

// mark is a position of the primary's log, and when it was asked for.
type mark struct {
	at  time.Time
	lsn uint64
}

// marks that the replica may still have to reach; more than one lag's worth are of no use.
const marks = 16

func (d *DB) openReplica(ctx context.Context, cfg Config) error {
	pc, err := poolConfig(cfg.ReplicaURL, "DATABASE_REPLICA_URL", cfg)
	if err != nil {
		return err
	}
	pc.MinConns = 0
	pc.ConnConfig.RuntimeParams["application_name"] = "turkey-replica"
	unnamed(pc.ConnConfig) // a pooler may stand before this one, too
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return fmt.Errorf("replica pool: %w", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &replica{pool: pool, maxLag: cfg.ReplicaMaxLag, log: cfg.Log, stop: cancel}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	d.replica = r
	r.done.Go(func() { r.follow(ctx, d.pool) })
	return nil
}

func (r *replica) close() {
	r.stop()
	r.done.Wait()
	r.pool.Close()
}

// fresh tells whether the replica has what was committed before the bound.
func (r *replica) fresh() bool {
	return time.Now().UnixNano()-r.asOf.Load() <= int64(r.maxLag)
}

// follow compares positions several times within the bound.
func (r *replica) follow(ctx context.Context, primary *pgxpool.Pool) {
	var known []mark
	used := false
	for tick := time.NewTicker(min(r.maxLag/4, time.Second)); ; {
		err := r.look(ctx, primary, &known)
		if ctx.Err() != nil {
			return
		}
		if now := r.fresh(); now != used {
			used = now
			if used {
				r.log.Info("reads that may be late go to the replica", "at_most", r.maxLag)
			} else {
				r.log.Warn("the replica is behind or away: all reads go to the primary", "error", err)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

var errNoReplica = errors.New("it does not replay another server (any more)")

func (r *replica) look(ctx context.Context, primary *pgxpool.Pool, known *[]mark) error {
	ctx, cancel := context.WithTimeout(ctx, r.maxLag)
	defer cancel()
	m := mark{at: time.Now()}
	var lsn, replayed int64
	var replays bool
	if err := primary.QueryRow(ctx, `SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint`).Scan(&lsn); err != nil {
		return err
	}
	m.lsn = uint64(lsn)
	if *known = append(*known, m); len(*known) > marks {
		*known = (*known)[1:]
	}
	err := r.pool.QueryRow(ctx, `SELECT pg_is_in_recovery(), coalesce(pg_last_wal_replay_lsn() - '0/0', 0)::bigint`).Scan(&replays, &replayed)
	if err != nil || !replays {
		r.asOf.Store(0)
		if err == nil {
			err = errNoReplica
		}
		return err
	}
	for i := len(*known) - 1; i >= 0; i-- {
		if (*known)[i].lsn <= uint64(replayed) {
			r.asOf.Store((*known)[i].at.UnixNano())
			*known = (*known)[i:]
			break
		}
	}
	return nil
}

// Reading is In for reads that bear not to know the last moments: lists, figures, logs; never what decides who somebody is, and
// nothing that a client reads back after it wrote. They go to the replica while it is within the bound, else to the primary.
func (d *DB) Reading(s Scope) Conn { return Conn{db: d, scope: s, late: d.replica != nil} }
