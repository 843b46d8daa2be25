package main

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"turkey/bench/internal/ask"
)

// junk are tokens that no key of ours made.
var junk = []string{"x", "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImsifQ.e30." + strings.Repeat("A", 86)}

// statements counts what each operation asks PostgreSQL.
func (b *bench) statements(ctx context.Context) error {
	providers, err := startProviders(ctx, 0)
	if err != nil {
		return err
	}
	defer providers.stop()
	t, l, err := tapped(filepath.Join(b.pg.SocketDir, ".s.PGSQL.5432"))
	if err != nil {
		return err
	}
	defer l.Close()
	_, at, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return err
	}
	through := fmt.Sprintf("DATABASE_URL=host=127.0.0.1 port=%s user=postgres dbname=counted sslmode=disable", at)
	s, err := b.serve(ctx, "counted", []string{"--no-workers"}, append(atProviders(providersBase), through)...)
	if err != nil {
		return err
	}
	defer s.stop()

	own := map[string]bool{} // what the server asks by itself
	time.Sleep(3 * time.Second)
	for _, trip := range t.take() {
		own[strings.Join(trip.asked, " + ")] = true
	}
	b.title("What operations ask PostgreSQL")
	b.printf("Counted on the wire between the server and PostgreSQL, one client, per operation, with what the server does about it in the moments after the answer. A trip is all that is sent before an answer is waited for; the "+
		"statement that sets role and tenant goes in the same trip as the one that it is for and is not counted as one. What comes less than once in %d operations "+
		"(counters that are merged, last use), and what the server asks by itself, is left out.", rarely)
	b.table("operation", "trips", "promised", "transactions", "statements", "which")
	all := operations()
	for _, token := range junk {
		all = append(all, operation{name: fmt.Sprintf("refused: token %.20s…", token), trips: "0", ours: func(int) (func() error, error) { return junkRequest(token), nil }})
	}
	all = append(all, operation{name: "refused: a token with a forged signature", trips: "0", ours: forged})
	for _, op := range all {
		if err := b.count(t, op, own); err != nil {
			return fmt.Errorf("%s: %w", op.name, err)
		}
	}
	return nil
}

// rarely is less than once in so many operations.
const rarely = 10

func (b *bench) count(t *tap, op operation, own map[string]bool) error {
	act, err := op.ours(0)
	if err != nil {
		return err
	}
	for range 5 {
		if err := act(); err != nil {
			return err
		}
	}
	time.Sleep(300 * time.Millisecond) // what follows from it
	t.take()
	n := 200
	if op.hashes || op.alone {
		n = 40
	}
	for range n {
		if err := act(); err != nil {
			return err
		}
		if op.alone {
			time.Sleep(5 * time.Millisecond) // the dispatcher looks once for several that come together
		}
	}
	time.Sleep(300 * time.Millisecond)
	type kind struct{ trips, ended, statements int }
	kinds := map[string]kind{}
	for _, trip := range t.take() {
		name := strings.Join(trip.asked, " + ")
		k := kinds[name]
		k.trips++
		k.statements += len(trip.asked)
		if trip.ended {
			k.ended++
		}
		kinds[name] = k
	}
	var sum kind
	var which []string
	for name, k := range kinds {
		if own[name] && k.trips*2 < n || k.trips*rarely < n {
			continue
		}
		sum.trips, sum.ended, sum.statements = sum.trips+k.trips, sum.ended+k.ended, sum.statements+k.statements
		if each := float64(k.trips) / float64(n); each < 0.95 || each > 1.05 {
			name = strings.TrimSuffix(fmt.Sprintf("%.1f", each), ".0") + " × " + name
		}
		which = append(which, name)
	}
	slices.Sort(which)
	per := func(v int) string { return fmt.Sprintf("%.2f", float64(v)/float64(n)) }
	trips := per(sum.trips)
	if most, err := strconv.ParseFloat(op.trips, 64); err == nil && float64(sum.trips)/float64(n) > most+0.05 {
		trips = "**" + trips + "**"
	}
	promised := ""
	if op.trips != "" {
		promised = "≤ " + op.trips
	}
	b.row(strings.TrimSuffix(strings.TrimSuffix(op.name, " / a static answer"), " / one hash"), trips, promised, per(sum.ended), per(sum.statements), strings.Join(which, ", "))
	return nil
}

// junkRequest sends a token that must be refused.
func junkRequest(token string) func() error {
	return func() error {
		err := call("GET", turkeyBase+"/v1/users/me", token, nil, nil)
		if ask.Refused(err, 401) {
			return nil
		}
		return fmt.Errorf("it was not refused: %w", err)
	}
}

// forged is the token of a user with a signature of somebody's own, another each time.
func forged(int) (func() error, error) {
	a, err := newAccount()
	if err != nil {
		return nil, err
	}
	n := 0
	return func() error {
		n++
		return junkRequest(fmt.Sprintf("%s%08d%s", a.access[:len(a.access)-20], n, a.access[len(a.access)-12:]))()
	}, nil
}
