package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/bench/internal/ask"
	"turkey/bench/internal/proc"
)

// bad sends what nobody should, and looks at what it costs and at what others notice.
func (b *bench) bad(ctx context.Context) error {
	s, err := b.serve(ctx, "bad", nil, "TRUST_PROXY=127.0.0.1")
	if err != nil {
		return err
	}
	defer s.stop()
	h, err := newHonest()
	if err != nil {
		return err
	}
	b.title("Bad input")
	if err := b.junkFlood(s); err != nil {
		return err
	}
	b.table("flood", "what came of it", "RSS before, at most, 3 s after MiB")
	var noticed []string
	for _, f := range []struct {
		name string
		run  func(context.Context) (string, error)
	}{
		{"100,000 addresses, one request each", b.manyKeys},
		{fmt.Sprintf("%d connections that say nothing", silent), silentConnections},
		{"a connection for each request", churn},
		{fmt.Sprintf("%d clients that send a byte a second", slow), slowClients},
	} {
		before := proc.RSS(s.cmd.Process.Pid)
		var text string
		var err error
		all, heaviest := h.during(s, func() { text, err = f.run(ctx) })
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		time.Sleep(3 * time.Second)
		b.row(f.name, text, fmt.Sprintf("%.0f, %.0f, %.0f", mib(before), mib(heaviest), mib(proc.RSS(s.cmd.Process.Pid))))
		noticed = append(noticed, h.lines(f.name, all)...)
	}
	b.printNoticed(noticed)
	return nil
}

// junkFlood is tokens that hold nothing, as fast as they are refused.
func (b *bench) junkFlood(s *server) error {
	b.printf("Tokens that are refused, closed loop, %d connections. None of them reaches PostgreSQL ([counted](#what-operations-ask-postgresql)); its time is that of "+
		"counters and of the server's own clockwork.", clients)
	b.table("token", "refused /s", "p50 / p95 / p99 / p99.9 ms", "other answers", "server µs", "PostgreSQL µs", "RSS after MiB")
	for _, j := range []struct {
		name string
		make worker
	}{
		{"not a token", func(int) (func() error, error) { return junkRequest(junk[0]), nil }},
		{"of an unknown key", func(int) (func() error, error) { return junkRequest(junk[1]), nil }},
		{"a user's, with another signature", forged},
	} {
		calls, err := crew(j.make)
		if err != nil {
			return err
		}
		f, err := b.measure(s, calls)
		if err != nil {
			return err
		}
		b.row(j.name, fmt.Sprintf("%.0f", f.perSecond), percentiles(f.took), f.failed, f.server.Microseconds(), f.database.Microseconds(), fmt.Sprintf("%.0f", mib(f.rss)))
	}
	return nil
}

// manyKeys asks from 100,000 addresses, which the limiter has to tell apart.
func (b *bench) manyKeys(ctx context.Context) (string, error) {
	const keys = 100_000
	var next, refusals atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for range clients {
		all.Go(func() {
			for i := next.Add(1); i <= keys; i = next.Add(1) {
				err := callBy(httpClient, http.MethodGet, turkeyBase+"/v1/users/me", junk[1], nil, nil, [2]string{"X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)})
				if ask.Refused(err, http.StatusUnauthorized) {
					refusals.Add(1)
				}
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	conn, err := pgx.Connect(ctx, b.pg.DSN("postgres", "bad"))
	if err != nil {
		return "", err
	}
	var rows int
	err = conn.QueryRow(ctx, `SELECT count(*) FROM limit_windows`).Scan(&rows)
	return fmt.Sprintf("%d of %d refused for their token, %.0f a second; %d rows of counters in PostgreSQL", refusals.Load(), keys, keys/took.Seconds(), rows), errors.Join(err, conn.Close(ctx))
}

const (
	silent = 5000
	slow   = 1000
	// hurry bounds how long connections may stay that say nothing whole.
	hurry = 30 * time.Second
)

// dial opens connections, at most 500 at a time.
func dial(n int) ([]net.Conn, error) {
	conns := make([]net.Conn, n)
	places := make(chan struct{}, 500)
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	for i := range conns {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			c, err := net.DialTimeout("tcp", strings.TrimPrefix(turkeyBase, "http://"), hurry)
			if err != nil {
				failed.Store(&err)
				return
			}
			conns[i] = c
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		closeAll(conns)
		return nil, *err
	}
	return conns, nil
}

func closeAll(conns []net.Conn) {
	for _, c := range conns {
		if c != nil {
			_ = c.Close() // they are thrown away
		}
	}
}

// closed waits until the server has hung up on all, and tells on how many.
func closed(conns []net.Conn) (n int64) {
	var all sync.WaitGroup
	var over atomic.Int64
	for _, c := range conns {
		all.Go(func() {
			_ = c.SetReadDeadline(time.Now().Add(hurry)) // an error shows in the next line
			_, err := io.Copy(io.Discard, c)
			if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
				over.Add(1)
			}
		})
	}
	all.Wait()
	return over.Load()
}

func silentConnections(context.Context) (string, error) {
	began := time.Now()
	conns, err := dial(silent)
	if err != nil {
		return "", err
	}
	defer closeAll(conns)
	opened := time.Since(began)
	n := closed(conns)
	return fmt.Sprintf("open after %s; the server hung up on %d of them, the last after %s", opened.Round(time.Millisecond), n, time.Since(began).Round(100*time.Millisecond)), nil
}

// slowClients never finish their request.
func slowClients(context.Context) (string, error) {
	conns, err := dial(slow)
	if err != nil {
		return "", err
	}
	defer closeAll(conns)
	began, over := time.Now(), make(chan struct{})
	go func() {
		text := "GET /v1/users/me HTTP/1.1\r\nHost: x\r\nX-Slow: " + strings.Repeat("y", 60)
		for i := range text {
			for _, c := range conns {
				_, _ = c.Write([]byte{text[i]}) // cut off at some point
			}
			select {
			case <-over:
				return
			case <-time.After(time.Second):
			}
		}
	}()
	n := closed(conns)
	close(over)
	return fmt.Sprintf("the server hung up on %d of them, the last after %s", n, time.Since(began).Round(100*time.Millisecond)), nil
}

// churn closes every connection after one answer.
func churn(context.Context) (string, error) {
	once := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	people := make([]act, 32)
	for i := range people {
		people[i] = func(int) (string, error) {
			return "", callBy(once, http.MethodGet, turkeyBase+"/.well-known/jwks.json", "", nil, nil)
		}
	}
	rate := capacity(people)
	return fmt.Sprintf("%.0f connections and answers a second", rate), nil
}
