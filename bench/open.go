package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"turkey/bench/internal/proc"
)

// mix is what apps do in a day, in a hundred requests.
var mix = []struct {
	kind   string
	weight int
	act    func(*account) error
}{
	{"me", 55, (*account).me},
	{"credential list", 15, (*account).list},
	{"refresh", 10, (*account).refreshed},
	{"credential get", 8, (*account).read},
	{"introspect", 5, (*account).introspect},
	{"service list", 4, (*account).services},
	{"save or delete", 2, (*account).turn},
	{"login", 1, (*account).login},
}

// order spreads the mix over a hundred places, always in the same way.
func order() []int {
	var all []int
	for i, m := range mix {
		for range m.weight {
			all = append(all, i)
		}
	}
	spread := make([]int, len(all))
	for i := range all {
		spread[i*37%len(all)] = all[i]
	}
	return spread
}

// crowd is how many users send the mix.
const crowd = 64

// open sends the mix at fixed rates.
func (b *bench) open(ctx context.Context) error {
	s, err := b.serve(ctx, "open", nil)
	if err != nil {
		return err
	}
	defer s.stop()
	users, err := newAccounts(crowd)
	if err != nil {
		return err
	}
	for _, u := range users {
		if err := u.save(); err != nil {
			return err
		}
	}
	if err := analyze(ctx, b.pg, "open"); err != nil {
		return err
	}
	places := order()
	people := make([]act, len(users))
	for i, u := range users {
		people[i] = func(place int) (string, error) {
			m := mix[places[place%len(places)]]
			return m.kind, m.act(u)
		}
	}
	most := capacity(people)
	b.title("At a fixed rate")
	b.printf("Open loop: requests are sent by a timetable, over %d connections, and how long one took is counted from the moment at which it should have been sent "+
		"(what waits behind a slow answer counts, as it does for people). Of a hundred requests %s. Closed loop, as fast as they are answered, %.0f a second get through; "+
		"each rate is held for %s.", crowd, described(), most, b.length)
	b.table("rate", "requests", "offered /s", "answered /s", "failed, not sent", "p50 / p95 / p99 / p99.9 ms", "most ms", "server CPU", "RSS MiB")
	for _, share := range []int{30, 60, 90} {
		rate := most * float64(share) / 100
		spent, began := proc.CPU(s.cmd.Process.Pid), time.Now()
		all := paced(rate, b.length, 10*time.Second, people)
		used := (proc.CPU(s.cmd.Process.Pid) - spent).Seconds() / time.Since(began).Seconds()
		b.openRow(fmt.Sprintf("%d %%", share), "all", sum(all, ""), fmt.Sprintf("%.0f %%", used*100), fmt.Sprintf("%.0f", mib(proc.RSS(s.cmd.Process.Pid))))
		for _, kind := range slices.Sorted(maps.Keys(all)) {
			if kind != "" {
				b.openRow("", kind, all[kind], "", "")
			}
		}
	}
	return nil
}

func (b *bench) openRow(rate, kind string, o *outcome, more ...any) {
	if o.first != nil {
		fmt.Printf("(%s: %v)\n", kind, o.first)
	}
	b.row(append([]any{rate, kind, fmt.Sprintf("%.0f", float64(o.offered())/b.length.Seconds()), fmt.Sprintf("%.0f", o.rate),
		fmt.Sprintf("%d, %d", o.failed+o.shed+o.limited, o.unsent), percentiles(o.took), ms(percentile(o.took, 100))}, more...)...)
}

func described() string {
	each := make([]string, len(mix))
	for i, m := range mix {
		each[i] = fmt.Sprintf("%d %s", m.weight, m.kind)
	}
	return strings.Join(each, ", ")
}

// capacity is how many requests a second people get answered who never wait between them: the median of three slices.
func capacity(people []act) float64 {
	var next atomic.Int64
	rates := make([]float64, 3)
	for i := range rates {
		const length = 2 * time.Second
		var answered atomic.Int64
		var all sync.WaitGroup
		began := time.Now()
		for _, do := range people {
			all.Go(func() {
				for time.Since(began) < length {
					if _, err := do(int(next.Add(1))); err == nil {
						answered.Add(1)
					}
				}
			})
		}
		all.Wait()
		rates[i] = float64(answered.Load()) / time.Since(began).Seconds()
	}
	slices.Sort(rates)
	return rates[1]
}
