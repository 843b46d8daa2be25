package cluster_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// probes ask the cheap routes again and again until stop, each at its own pace whatever the answers take.
func probes(t testing.TB, s *server, p *person) (stop func() map[string][]time.Duration) {
	t.Helper()
	took := map[string][]time.Duration{}
	var mu sync.Mutex
	halt := make(chan struct{})
	var done sync.WaitGroup
	for path, token := range map[string]string{"/health": "", "/.well-known/jwks.json": "", "/v1/users/me": p.access, "/api/credentials/list": p.access} {
		done.Go(func() {
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-halt:
					return
				case due := <-tick.C:
					a, err := s.try("GET", path, token, nil)
					if err != nil || a.status != 200 {
						t.Errorf("%s: %d %.100s %v", path, a.status, a.raw, err)
					}
					mu.Lock()
					took[path] = append(took[path], time.Since(due))
					mu.Unlock()
				}
			}
		})
	}
	return func() map[string][]time.Duration {
		close(halt)
		done.Wait()
		return took
	}
}

// honest fails the test when a cheap route took too long.
func honest(t testing.TB, took map[string][]time.Duration, median, worst time.Duration) {
	t.Helper()
	for path, all := range took {
		t.Logf("%-24s %5d  %s", path, len(all), spread(all))
		if percentile(all, 50) > median || percentile(all, 99) > worst {
			t.Errorf("%s: p50 %s and p99 %s are above %s and %s", path, percentile(all, 50), percentile(all, 99), median, worst)
		}
	}
}

// TestALoginStorm sends ten times as many logins as the machine can hash. Those that find no place hear so at once and when to come
// again, the others sign in, memory stays bounded, and cheap routes do not notice much.
func TestALoginStorm(t *testing.T) {
	pg := newPostgres(t)
	s := serve(t, settings(t, url(pg)))
	p := newPerson(s.caller)
	accounts := make([]string, 48) // of one account at the same time few are let in at all
	for i := range accounts {
		accounts[i] = newPerson(s.caller).email
	}
	var next atomic.Int64
	login := func() (answer, error) {
		return s.try("POST", "/v1/auth/login", "", object{"email": accounts[next.Add(1)%int64(len(accounts))], "password": password, "appId": app})
	}

	// What the machine can do: as many as it has places for, one after the other.
	var hashed atomic.Int64
	measure := time.Now().Add(3 * time.Second)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for time.Now().Before(measure) {
				if a, err := login(); err == nil && a.status == 200 {
					hashed.Add(1)
				}
			}
		})
	}
	all.Wait()
	capacity := int(hashed.Load()) / 3
	rate := 10 * max(capacity, 10)
	idle := s.rss(false)

	stop := probes(t, s, p)
	var in, shed, other atomic.Int64
	var mu sync.Mutex
	var refused []time.Duration
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	const length = 10 * time.Second
	for end := time.Now().Add(length); time.Now().Before(end); <-tick.C {
		all.Go(func() {
			began := time.Now()
			a, err := login()
			switch {
			case err == nil && a.status == 200:
				in.Add(1)
			case err == nil && a.status == 503 && a.header.Get("Retry-After") != "":
				shed.Add(1)
				mu.Lock()
				refused = append(refused, time.Since(began))
				mu.Unlock()
			default:
				other.Add(1)
				t.Errorf("%d %.200s %v", a.status, a.raw, err)
			}
		})
	}
	took := stop()
	all.Wait()
	t.Logf("capacity %d logins a second; of %d a second %d signed in, %d were sent away (%s)", capacity, rate, int(in.Load())/int(length.Seconds()), int(shed.Load())/int(length.Seconds()), spread(refused))
	t.Logf("RSS %d MiB before, %d MiB at most", idle, s.rss(true))
	if in.Load() < int64(capacity)*int64(length.Seconds())/2 {
		t.Errorf("only %d signed in during the storm", in.Load())
	}
	if shed.Load() == 0 {
		t.Error("nobody was sent away: was that a storm?")
	}
	if s.rss(true) > 256 {
		t.Errorf("RSS %d MiB", s.rss(true))
	}
	// A cheap request must not wait for hashes: with as many threads as processors it waits for several, one after the other.
	hash := time.Duration(float64(time.Second) * float64(runtime.NumCPU()) / float64(max(capacity, 1)))
	honest(t, took, hash/2, 50*time.Millisecond+3*hash)
}
