package db

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Listener follows notification channels of PostgreSQL over a connection of its own, for as long as Run runs.
//
// LISTEN needs a session, so URL must lead to PostgreSQL itself: behind a pooler in transaction mode channels that were asked for
// one after the other may be followed in different sessions, and what comes through says nothing of the rest. Alive is never
// called there. Whoever keeps state from notifications reads a snapshot in Connected, which runs after LISTEN, so nothing is
// missed between the two.
type Listener struct {
	URL       string
	Channels  []string
	Log       *slog.Logger
	Connected func(ctx context.Context) error // after each connect; an error drops the connection
	Notified  func(channel, payload string)   // in order
	Alive     func()                          // notifications were seen to come through: every Heartbeat
	Heartbeat time.Duration                   // default 1 s
}

const (
	listenTimeout = 3 * time.Second // for one connect or one heartbeat
	firstPause    = 100 * time.Millisecond
	longestPause  = 5 * time.Second
	poolerPause   = time.Minute // a pooler does not go away by itself
)

var errPooler = errors.New("a pooler stands between, and notifications get lost in it: set DATABASE_DIRECT_URL to PostgreSQL itself")

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
		if errors.Is(err, errPooler) {
			pause = poolerPause
		}
		l.Log.WarnContext(ctx, "notifications of PostgreSQL interrupted; connecting again", "pause", pause, "error", err)
		sleep(ctx, pause)
		pause = min(2*pause, longestPause) // of a pooler, too: what comes next may be something else
	}
}

// session is the life of one connection. worked says that it got as far as waiting.
//
// A sign of life is a notification that went through PostgreSQL and came back here, not an answered query.
func (l *Listener) session(ctx context.Context) (worked bool, err error) {
	conn, err := l.open(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if pooled, err := throughPooler(ctx, conn); err != nil || pooled {
		return false, cmp.Or(err, errPooler)
	}
	pulse := "turkey_pulse_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	for _, c := range append([]string{pulse}, l.Channels...) {
		if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{c}.Sanitize()); err != nil {
			return false, fmt.Errorf("listen on %s: %w", c, err)
		}
	}
	if err := l.Connected(ctx); err != nil {
		return false, fmt.Errorf("snapshot: %w", err)
	}
	back := true // the last pulse came back
	sent := time.Time{}
	for {
		if back && time.Since(sent) >= l.Heartbeat {
			if err := send(ctx, conn, pulse); err != nil {
				return worked, err
			}
			back, sent = false, time.Now()
		}
		wait, cancel := context.WithTimeout(ctx, max(time.Until(sent.Add(l.Heartbeat)), 50*time.Millisecond))
		n, err := conn.WaitForNotification(wait)
		cancel()
		switch {
		case err == nil && n.Channel == pulse:
			back, worked = true, true
			l.Alive()
		case err == nil:
			l.Notified(n.Channel, n.Payload)
		case ctx.Err() != nil:
			return worked, ctx.Err()
		case !errors.Is(err, context.DeadlineExceeded):
			return worked, err
		case !back && time.Since(sent) > listenTimeout:
			return worked, errors.New("notifications do not come back")
		}
	}
}

// send notifies our own channel.
func send(ctx context.Context, conn *pgx.Conn, channel string) error {
	ctx, cancel := context.WithTimeout(ctx, listenTimeout)
	defer cancel()
	_, err := conn.Exec(ctx, `SELECT pg_notify($1, '')`, channel)
	return err
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
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
	unnamed(cc)
	return pgx.ConnectConfig(ctx, cc)
}
