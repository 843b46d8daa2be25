package main

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"turkey/bench/internal/ask"
)

// outcome is what became of requests of one kind.
type outcome struct {
	took                        []time.Duration // of those that were answered well; sorted
	turned                      []time.Duration // of those that were sent away: 503 or 429 with Retry-After; sorted
	shed, limited, bare, unsent int             // 503, 429, either without Retry-After, and what nobody had a connection for
	failed                      int             // anything else
	first                       error           // of those
	rate                        float64         // answered well, per second
}

func (o *outcome) note(took time.Duration, err error) {
	r, ok := err.(*ask.Refusal) //nolint:errorlint // nobody wraps it, and this happens a million times
	switch {
	case err == nil:
		o.took = append(o.took, took)
	case ok && (r.Code == http.StatusServiceUnavailable || r.Code == http.StatusTooManyRequests):
		o.turned = append(o.turned, took)
		if r.Again == "" {
			o.bare++
		}
		if r.Code == http.StatusTooManyRequests {
			o.limited++
		} else {
			o.shed++
		}
	default:
		o.failed++
		o.first = cmp.Or(o.first, err)
	}
}

func (o *outcome) add(p *outcome) {
	o.took, o.turned = append(o.took, p.took...), append(o.turned, p.turned...)
	o.shed, o.limited, o.bare, o.unsent, o.failed = o.shed+p.shed, o.limited+p.limited, o.bare+p.bare, o.unsent+p.unsent, o.failed+p.failed
	o.first = cmp.Or(o.first, p.first)
}

// offered is how many requests the timetable had.
func (o *outcome) offered() int { return len(o.took) + len(o.turned) + o.failed + o.unsent }

// act sends the request with that place in the timetable and says of which kind it was.
type act func(place int) (kind string, err error)

// paced sends requests by a timetable: one each 1/rate, whatever became of those before. Whoever is free takes the next one.
// How long one took is counted from the moment at which it should have been sent, so a server that hangs makes all wait that
// came meanwhile, as it does with people. After patience nobody wants the answer any more: what could not be sent until then
// is not.
func paced(rate float64, length, patience time.Duration, people []act) map[string]*outcome {
	const unsent = ""
	var next atomic.Int64
	var mu sync.Mutex
	all := map[string]*outcome{}
	began := time.Now()
	var done sync.WaitGroup
	for _, do := range people {
		done.Go(func() {
			mine := map[string]*outcome{}
			of := func(kind string) *outcome {
				if mine[kind] == nil {
					mine[kind] = &outcome{}
				}
				return mine[kind]
			}
			for {
				place := next.Add(1) - 1
				at := time.Duration(float64(place) / rate * float64(time.Second))
				if at >= length {
					break
				}
				due := began.Add(at)
				if late := time.Since(due); late > patience {
					of(unsent).unsent++
					continue
				} else if late < 0 {
					time.Sleep(-late)
				}
				kind, err := do(int(place))
				of(kind).note(time.Since(due), err)
			}
			mu.Lock()
			defer mu.Unlock()
			for kind, o := range mine {
				if all[kind] == nil {
					all[kind] = &outcome{}
				}
				all[kind].add(o)
			}
		})
	}
	done.Wait()
	for _, o := range all {
		slices.Sort(o.took)
		slices.Sort(o.turned)
		o.rate = float64(len(o.took)) / length.Seconds()
	}
	return all
}

// sum puts kinds together, those whose name begins so.
func sum(all map[string]*outcome, prefix string) *outcome {
	s := &outcome{}
	for kind, o := range all {
		if strings.HasPrefix(kind, prefix) {
			s.add(o)
			s.rate += o.rate
		}
	}
	slices.Sort(s.took)
	slices.Sort(s.turned)
	return s
}
