package db

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

// Listener follows notification channels of PostgreSQL over a connection of its own, for as long as Run runs.
//
// LISTEN needs a session: behind a pooler in transaction mode URL must be a direct one. Whoever keeps state from
// notifications reads a snapshot in Connected, which runs after LISTEN, so nothing is missed between the two.
type Listener struct {
	URL       string
	Channels  []string
	Log       *slog.Logger
	Connected func(ctx context.Context) error // after each connect; an error drops the connection
	Notified  func(channel, payload string)   // in order
	Alive     func()                          // the connection was seen to work: at least every Heartbeat
	Heartbeat time.Duration                   // default 1 s
}

const (
	listenTimeout = 3 * time.Second // for one connect or one heartbeat
	firstPause    = 100 * time.Millisecond
	longestPause  = 5 * time.Second
)

// Run follows the channels until ctx is done, connecting again, with a growing pause, as often as it takes.
func (l *Listener) Run(ctx context.Context) {
	if l.Heartbeat <= 0 {
		l.Heartbeat = time.Second
	}
	pause := firstPause
	for ctx.Err() == nil {
		worked, err := l.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if worked {
			pause = firstPause
		}
		l.Log.WarnContext(ctx, "notifications of PostgreSQL interrupted; connecting again", "pause", pause, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// session is the life of one connection. worked says that it got as far as waiting.
func (l *Listener) session(ctx context.Context) (worked bool, err error) {
	conn, err := l.open(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, c := range l.Channels {
		if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{c}.Sanitize()); err != nil {
			return false, fmt.Errorf("listen on %s: %w", c, err)
		}
	}
	if err := l.Connected(ctx); err != nil {
		return false, fmt.Errorf("snapshot: %w", err)
	}
	l.Alive()
	for {
		wait, cancel := context.WithTimeout(ctx, l.Heartbeat)
		n, err := conn.WaitForNotification(wait)
		cancel()
		switch {
		case err == nil:
			l.Notified(n.Channel, n.Payload)
			l.Alive()
		case ctx.Err() != nil:
			return true, ctx.Err()
		case errors.Is(err, context.DeadlineExceeded):
			if err := l.beat(ctx, conn); err != nil {
				return true, err
			}
		default:
			return true, err
		}
	}
}

func (l *Listener) open(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, listenTimeout)
	defer cancel()
	cc, err := pgx.ParseConfig(l.URL)
	if err != nil {
		return nil, err
	}
	cc.RuntimeParams["application_name"] = "turkey-listen"
	return pgx.ConnectConfig(ctx, cc)
}

// beat asks the server for a sign of life: a silent connection may be a dead one.
func (l *Listener) beat(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, listenTimeout)
	defer cancel()
	if err := conn.Ping(ctx); err != nil {
		return err
	}
	l.Alive()
	return nil
}
