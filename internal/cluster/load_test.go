package cluster_test

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turkey/client"
)

// person is somebody who works, one request after the other, and knows what was acknowledged.
type person struct {
	c               caller
	email           string
	access, refresh string
	credentials     map[int64]bool // saved; false: the answer to its deletion was not heard
	verifier        *client.Verifier
}

var born atomic.Int64

// join registers somebody.
func join(c caller, tries int) (*person, error) {
	p := &person{c: c, email: fmt.Sprintf("person-%d@example.com", born.Add(1)), credentials: map[int64]bool{}}
	var a answer
	var err error
	for range tries {
		if a, err = c.try("POST", "/v1/auth/register", "", object{"email": p.email, "password": password, "appId": app}); err == nil && a.status == 201 {
			p.keep(a)
			return p, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil, fmt.Errorf("register: %d %.200s %w", a.status, a.raw, err)
}

func newPerson(c caller) *person {
	c.t.Helper()
	p, err := join(c, 1)
	must(c.t, err)
	return p
}

func (p *person) keep(a answer) {
	p.access, p.refresh = a.text("data", "accessToken"), a.text("data", "refreshToken")
}

func (p *person) login() {
	p.c.t.Helper()
	p.keep(p.c.call("POST", "/v1/auth/login", "", object{"email": p.email, "password": password, "appId": app}).want(p.c.t, 200))
}

// through is the same person at another address.
func (p *person) through(c caller) *person {
	q := *p
	q.c = c
	return &q
}

// act is one request that must be answered with the status.
func (p *person) act(status int, method, path string, body any) (answer, error) {
	token := p.access
	if path == "/v1/auth/refresh" {
		token = ""
	}
	a, err := p.c.try(method, path, token, body)
	if err != nil {
		return a, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if a.status != status {
		return a, failure{method, path, a}
	}
	return a, nil
}

// failure is an answer that is not the one that was hoped for.
type failure struct {
	method, path string
	answer
}

func (f failure) Error() string {
	return fmt.Sprintf("%s %s: %d %.200s", f.method, f.path, f.status, f.raw)
}

// round is what somebody does again and again: look, save, see it, get new tokens, look with them, remove, see it gone.
func (p *person) round(do func(what string, act func() error) bool) {
	var saved int64
	do("me", func() error { _, err := p.act(200, "GET", "/v1/users/me", nil); return err })
	do("save", func() error {
		a, err := p.act(201, "POST", "/api/credentials/save", object{"service": "google_sheets", "credentialName": "Load", "credentialJson": serviceAccount(fmt.Sprintf("c%d", born.Add(1)))})
		if id, ok := a.at("credentialId").(float64); err == nil && ok {
			saved = int64(id)
			p.credentials[saved] = true
		}
		return err
	})
	do("list", p.list)
	do("refresh", func() error {
		a, err := p.act(200, "POST", "/v1/auth/refresh", object{"refreshToken": p.refresh, "appId": app})
		if err == nil {
			p.keep(a)
		}
		return err
	})
	do("me", func() error { _, err := p.act(200, "GET", "/v1/users/me", nil); return err })
	if p.verifier != nil {
		do("verify", func() error { _, err := p.verifier.Verify(p.c.t.Context(), p.access); return err })
	}
	if saved != 0 && len(p.credentials) > 3 {
		do("delete", func() error {
			p.credentials[saved] = false
			_, err := p.act(200, "DELETE", fmt.Sprintf("/api/credentials/%d", saved), nil)
			if err == nil {
				delete(p.credentials, saved)
			}
			return err
		})
		do("list", p.list)
	}
}

// list compares what is there with what was acknowledged.
func (p *person) list() error {
	a, err := p.act(200, "GET", "/api/credentials/list?limit=100", nil)
	if err != nil {
		return err
	}
	there := map[int64]bool{}
	all, _ := a.at("credentials").([]any)
	for i := range all {
		id, _ := a.at("credentials", i, "id").(float64)
		there[int64(id)] = true
	}
	for id, sure := range p.credentials {
		if sure && !there[id] {
			return fmt.Errorf("credential %d was acknowledged and is not there: %.300s", id, a.raw)
		}
	}
	return nil
}

// load is people at work.
type load struct {
	t      testing.TB
	people []*person
	stop   func() // waits until all have finished what they are at

	mu       sync.Mutex
	took     map[string][]time.Duration
	failures []event
	last     atomic.Int64 // UnixNano of the last acknowledged write
}

type event struct {
	at   time.Time
	what string
	err  error
}

// drive lets people work until stop, with a pause between their requests.
func drive(t testing.TB, people []*person, pause time.Duration) *load {
	t.Helper()
	l := &load{t: t, people: people, took: map[string][]time.Duration{}}
	halt := make(chan struct{})
	var done sync.WaitGroup
	for _, p := range people {
		done.Go(func() {
			for {
				select {
				case <-halt:
					return
				default:
				}
				p.round(func(what string, act func() error) bool { return l.do(what, pause, act) })
			}
		})
	}
	l.stop = sync.OnceFunc(func() { close(halt); done.Wait() })
	t.Cleanup(l.stop)
	return l
}

func (l *load) do(what string, pause time.Duration, act func() error) bool {
	began := time.Now()
	err := act()
	took := time.Since(began)
	l.mu.Lock()
	if err != nil {
		l.failures = append(l.failures, event{began, what, err})
	} else {
		l.took[what] = append(l.took[what], took)
		if what == "save" || what == "refresh" {
			l.last.Store(time.Now().UnixNano())
		}
	}
	l.mu.Unlock()
	time.Sleep(pause)
	return err == nil
}

// requests is how many were answered as they should.
func (l *load) requests() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, all := range l.took {
		n += len(all)
	}
	return n
}

// failed lists what went wrong and is not excused.
func (l *load) failed(excused func(event) bool) (found []event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.failures {
		if excused == nil || !excused(e) {
			found = append(found, e)
		}
	}
	return found
}

// none fails the test for each failure that is not excused.
func (l *load) none(excused func(event) bool) {
	l.t.Helper()
	for i, e := range l.failed(excused) {
		if i == 10 {
			l.t.Errorf("and %d more", len(l.failed(excused))-i)
			return
		}
		l.t.Errorf("%s %s: %v", e.at.Format("15:04:05.000"), e.what, e.err)
	}
}

// report tells how long things took.
func (l *load) report() {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, what := range slices.Sorted(maps.Keys(l.took)) {
		l.t.Logf("%-8s %6d  %s", what, len(l.took[what]), spread(l.took[what]))
	}
}

// spread is the median, the 99th percentile and the longest.
func spread(all []time.Duration) string {
	if len(all) == 0 {
		return "none"
	}
	return fmt.Sprintf("p50 %s, p99 %s, max %s", percentile(all, 50), percentile(all, 99), percentile(all, 100))
}

func percentile(all []time.Duration, p int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	return all[min(len(all)*p/100, len(all)-1)].Round(10 * time.Microsecond)
}

// kept looks whether everything that was acknowledged is there: accounts, credentials, sessions.
func (l *load) kept(c caller) {
	l.t.Helper()
	for _, p := range l.people {
		p = p.through(c)
		if err := p.list(); err != nil {
			l.t.Errorf("%s: %v", p.email, err)
		}
		if a, err := p.act(200, "POST", "/v1/auth/refresh", object{"refreshToken": p.refresh, "appId": app}); err != nil {
			l.t.Errorf("%s: the session: %v", p.email, err)
		} else {
			p.keep(a)
		}
		if _, err := p.act(200, "GET", "/v1/users/me", nil); err != nil {
			l.t.Errorf("%s: %v", p.email, err)
		}
	}
}
