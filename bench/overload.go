package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"turkey/bench/internal/proc"
)

// overload sends ten times what the server can do, of what is dear and of what is cheap, and looks at what others notice.
func (b *bench) overload(ctx context.Context) error {
	s, err := b.serve(ctx, "overload", nil)
	if err != nil {
		return err
	}
	defer s.stop()
	users, err := newAccounts(48) // of one account few are let in at the same time
	if err != nil {
		return err
	}
	h, err := newHonest()
	if err != nil {
		return err
	}
	by := func(client int, do func(*account) error) []act {
		people := make([]act, client)
		for i := range people {
			people[i] = func(place int) (string, error) { return "flood", do(users[place%len(users)]) }
		}
		return people
	}
	b.title("Overload")
	b.printf("Ten times what gets through in a closed loop, for %s, over 512 connections; what finds none within a second is not sent, as people give up. "+
		"Meanwhile honest users ask four cheap routes, each 50 times a second, on connections of their own. Load and server share the processors. "+
		"Targets: those sent away hear 503 with Retry-After; p99 of /health below 50 ms, RSS below 250 MiB while passwords are hashed.", b.length)
	b.table("flood of", "capacity /s", "offered /s", "sent /s", "answered /s", "503 /s", "other, without Retry-After", "the 503's p50, p99 ms", "RSS before, at most MiB")
	var noticed []string
	for _, f := range []struct {
		name    string
		clients int // at which most get through: of sign-ins few may wait
		do      func(*account) error
	}{{"sign-ins", 4, (*account).login}, {"users/me", 64, (*account).me}} {
		most := capacity(by(f.clients, f.do))
		before := proc.RSS(s.cmd.Process.Pid)
		var all map[string]*outcome
		took, heaviest := h.during(s, func() { all = paced(10*most, b.length, time.Second, by(512, f.do)) })
		o := sum(all, "")
		if o.first != nil {
			fmt.Printf("(%s: %v)\n", f.name, o.first)
		}
		each := func(n int) string { return fmt.Sprintf("%.0f", float64(n)/b.length.Seconds()) }
		b.row(f.name, fmt.Sprintf("%.0f", most), each(o.offered()), each(o.offered()-o.unsent), each(len(o.took)), each(o.shed), fmt.Sprintf("%d, %d", o.failed+o.limited, o.bare),
			ms(percentile(o.turned, 50))+", "+ms(percentile(o.turned, 99)), fmt.Sprintf("%.0f, %.0f", mib(before), mib(heaviest)))
		noticed = append(noticed, h.lines("flood of "+f.name, took)...)
	}
	calm, _ := h.during(s, func() { time.Sleep(4 * time.Second) })
	b.printNoticed(append(h.lines("nobody else", calm), noticed...))
	return nil
}

// printNoticed prints what honest users saw.
func (b *bench) printNoticed(lines []string) {
	b.table("honest users during", "route", "answered", "failed", "p50 / p95 / p99 / p99.9 ms")
	b.printf("%s", strings.Join(lines, "\n"))
}

// honest users go on with their work while others flood.
type honest struct {
	*account
	routes []string
}

func newHonest() (*honest, error) {
	a, err := newAccount()
	if err == nil {
		err = a.save()
	}
	if err != nil {
		return nil, err
	}
	a.client = newClient()
	return &honest{a, []string{"/health", "/.well-known/jwks.json", "/v1/users/me", "/api/credentials/list"}}, nil
}

// during asks while something goes on, and looks at what the server weighs.
func (h *honest) during(s *server, what func()) (all map[string]*outcome, heaviest int) {
	over := make(chan struct{})
	all = map[string]*outcome{}
	var mu sync.Mutex
	var done sync.WaitGroup
	for _, route := range h.routes {
		done.Go(func() {
			o := &outcome{}
			var asked sync.WaitGroup
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-over:
					asked.Wait()
					slices.Sort(o.took)
					mu.Lock()
					all[route] = o
					mu.Unlock()
					return
				case due := <-tick.C:
					asked.Go(func() { // at its own pace, whatever the answers take
						err := h.get(route)
						took := time.Since(due)
						mu.Lock()
						o.note(took, err)
						mu.Unlock()
					})
				}
			}
		})
	}
	done.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case <-tick.C:
				heaviest = max(heaviest, proc.RSS(s.cmd.Process.Pid))
			}
		}
	})
	what()
	close(over)
	done.Wait()
	return all, heaviest
}

// lines are rows of what they saw.
func (h *honest) lines(during string, all map[string]*outcome) []string {
	var lines []string
	for _, route := range h.routes {
		o := all[route]
		if o.first != nil {
			fmt.Printf("(%s, %s: %v)\n", during, route, o.first)
		}
		lines = append(lines, fmt.Sprintf("| %s | `%s` | %d | %d | %s |", during, route, len(o.took), o.failed+o.shed+o.limited, percentiles(o.took)))
	}
	return lines
}
