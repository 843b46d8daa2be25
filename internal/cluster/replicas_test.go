package cluster_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"turkey/client"
)

// bound is how soon every replica knows of a revocation.
const bound = time.Second

// from is the caller at another address of this machine. Linux has all of 127.0.0.0/8.
func (c caller) from(address string) caller {
	transport := c.http.Transport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).DialContext
	c.http = &http.Client{Timeout: patience, Transport: transport}
	return c
}

// replicate starts three replicas behind nginx.
func replicate(t testing.TB, env []string) ([]*server, caller) {
	t.Helper()
	var replicas []*server
	var ports []string
	for range 3 {
		s := serve(t, env)
		replicas, ports = append(replicas, s), append(ports, s.port)
	}
	_, front := nginx(t, ports...)
	return replicas, front
}

// gravy runs a command of the program beside the servers.
func gravy(t testing.TB, env []string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env, cmd.Dir = env, t.TempDir()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// kidOf is the name of the key that signed a token.
func kidOf(t testing.TB, token string) string {
	t.Helper()
	head, err := base64.RawURLEncoding.DecodeString(strings.SplitN(token, ".", 2)[0])
	must(t, err)
	_, rest, _ := strings.Cut(string(head), `"kid":"`)
	kid, _, _ := strings.Cut(rest, `"`)
	return kid
}

// TestThreeReplicasAreOneServer: while people work and the signing key is replaced, three replicas share limits, schedules and
// revocations. Not one request fails, and whoever verifies by the published keys takes every token.
func TestThreeReplicasAreOneServer(t *testing.T) {
	pg := newPostgres(t)
	const registrations = 40
	env := settings(t, url(pg), "TRUST_PROXY=127.0.0.1", "REGISTER_RATE_LIMIT_MAX_ATTEMPTS="+fmt.Sprint(registrations))
	replicas, front := replicate(t, env)
	var people []*person
	for range 6 {
		p := newPerson(front)
		p.verifier = client.New(front.base, client.WithApp(app), client.WithHTTPClient(hosted(front.http))).NewVerifier(client.WithIssuer(issuer))
		people = append(people, p)
	}
	old := kidOf(t, people[0].access)
	gravy(t, env, "key", "rotate", "-y")
	rotated := time.Now()
	l := drive(t, people, 20*time.Millisecond)

	limitIsShared(t, front.from("127.0.0.2"), registrations)
	schedulesFireOnce(t, pg, front.from("127.0.0.3"))
	revocationsReachAll(t, replicas, front.from("127.0.0.4"))

	// The new key signs a minute after it was published: at every replica, and nobody's token was refused meanwhile.
	p := newPerson(front.from("127.0.0.5"))
	for i, s := range replicas {
		for deadline := rotated.Add(3 * time.Minute); ; time.Sleep(time.Second) {
			a, err := p.act(200, "POST", "/v1/auth/refresh", object{"refreshToken": p.refresh, "appId": app})
			must(t, err)
			p.keep(a)
			q := p.through(s.caller)
			a, err = q.act(200, "POST", "/v1/auth/refresh", object{"refreshToken": q.refresh, "appId": app})
			must(t, err)
			p.keep(a)
			if kidOf(t, p.access) != old {
				t.Logf("replica %d signs with the new key after %s", i, time.Since(rotated).Round(time.Second))
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("replica %d still signs with the old key", i)
			}
		}
		for _, other := range replicas {
			if _, err := p.through(other.caller).act(200, "GET", "/api/credentials/list", nil); err != nil {
				t.Error(err)
			}
		}
	}
	time.Sleep(2 * time.Second) // some work under the new key
	l.stop()
	l.none(nil)
	l.kept(front)
	t.Logf("%d requests while the key was replaced", l.requests())
}

// hosted calls the server by its public name.
func hosted(hc *http.Client) *http.Client {
	return &http.Client{Timeout: patience, Transport: named{hc.Transport}}
}

type named struct{ next http.RoundTripper }

// RoundTrip is for http.Client.
func (n named) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host = strings.TrimPrefix(issuer, "https://")
	return n.next.RoundTrip(r)
}

// limitIsShared sends three times as many at once as the limit lets through, over all replicas.
func limitIsShared(t *testing.T, c caller, limit int) {
	t.Helper()
	var passed, refused atomic.Int64
	var all sync.WaitGroup
	for range 3 * limit {
		all.Go(func() {
			a, err := c.try("POST", "/v1/auth/register", "", object{})
			switch {
			case err != nil:
				t.Error(err)
			case a.status == 400:
				passed.Add(1)
			case a.status == 429 && a.header.Get("Retry-After") != "":
				refused.Add(1)
			default:
				t.Errorf("%d %s", a.status, a.raw)
			}
		})
	}
	all.Wait()
	if int(passed.Load()) != limit || int(refused.Load()) != 2*limit {
		t.Errorf("%d of %d passed a limit of %d, %d were refused", passed.Load(), 3*limit, limit, refused.Load())
	}
}

// schedulesFireOnce makes schedules due for all replicas at the same moment.
func schedulesFireOnce(t *testing.T, pg *postgres, c caller) {
	t.Helper()
	const n = 10
	const ofThese = `FROM kpi_runs WHERE user_id IN (SELECT user_id FROM job_schedules WHERE cron_expression = '7 3 * * *')`
	for range n {
		p := newPerson(c)
		p.c.call("PUT", "/api/schedules/ga4", p.access, object{"cron": "7 3 * * *", "enabled": true}).want(t, 200)
	}
	pg.exec(`WITH c AS (INSERT INTO credentials (uid, user_id, service, name, encrypted_data, verified, source_currency, source_timezone)
			SELECT gen_random_uuid(), user_id, 'ga4', 'n', 'junk', true, 'EUR', 'Europe/Berlin' FROM job_schedules WHERE cron_expression = '7 3 * * *' RETURNING id, user_id, service)
		INSERT INTO service_configs (user_id, service, credential_id) SELECT user_id, service, id FROM c`)
	pg.exec(`UPDATE job_schedules SET next_run_at = now() + interval '1 second' WHERE cron_expression = '7 3 * * *'`)
	eventually(t, "schedules that are due become runs", func() bool { return pg.count(`SELECT count(DISTINCT user_id) `+ofThese) == n })
	time.Sleep(2 * time.Second) // for a second one of the same time
	if runs := pg.count(`SELECT count(*) ` + ofThese); runs != n {
		t.Errorf("%d runs of %d schedules", runs, n)
	}
}

// revocationsReachAll ends sessions at each replica and asks all others.
func revocationsReachAll(t *testing.T, replicas []*server, c caller) {
	t.Helper()
	var took []time.Duration
	for n := range 12 {
		p := newPerson(c)
		for _, s := range replicas {
			_, err := p.through(s.caller).act(200, "GET", "/api/credentials/list", nil)
			must(t, err)
		}
		replicas[n%3].call("POST", "/v1/auth/logout", "", object{"refreshToken": p.refresh}).want(t, 200)
		ended := time.Now()
		var all sync.WaitGroup
		late := make([]time.Duration, len(replicas))
		for i, s := range replicas {
			all.Go(func() {
				for {
					a, err := s.try("GET", "/api/credentials/list", p.access, nil)
					if late[i] = time.Since(ended); err == nil && a.status == 401 || late[i] > 10*bound {
						return
					}
				}
			})
		}
		all.Wait()
		for i, d := range late {
			if took = append(took, d); d > bound {
				t.Errorf("replica %d refuses a revoked token after %s", i, d)
			}
			if replicas[i].active(p.access) {
				t.Errorf("replica %d introspects a revoked token as active", i)
			}
		}
	}
	t.Logf("a revocation is known everywhere after: %s", spread(took))
}

// TestAReplicaIsKilled under load, with runs in its hands: nothing that was acknowledged is lost, no read fails, and the others
// finish its runs.
func TestAReplicaIsKilled(t *testing.T) {
	pg := newPostgres(t)
	fake := newProviders(t, 300*time.Millisecond)
	replicas, front := replicate(t, settings(t, url(pg), append(fake.env, "TRUST_PROXY=127.0.0.1", "RUN_SILENCE=1s", "MAX_RETRIES=10", "RUN_WORKERS=4")...))
	var people, working []*person
	for range 8 {
		p := newPerson(front)
		fake.connects(p)
		people = append(people, p)
	}
	for range 8 {
		working = append(working, newPerson(front))
	}
	l := drive(t, working, 10*time.Millisecond)
	for range 4 {
		for i, p := range people {
			day := time.Now().AddDate(0, 0, -2-i).Format(time.DateOnly)
			p.c.call("POST", "/api/runs", p.access, object{"service": "ga4", "from": day, "to": day}).want(t, 201)
		}
	}
	eventually(t, "runs are on", func() bool { return pg.count(`SELECT count(*) FROM kpi_runs WHERE status = 'active'`) >= 6 })
	killed := time.Now()
	replicas[0].stop(syscall.SIGKILL)
	eventually(t, "all runs have ended", func() bool {
		return pg.count(`SELECT count(*) FROM kpi_runs WHERE status NOT IN ('completed', 'failed', 'cancelled')`) == 0
	})
	t.Logf("all runs ended %s after the kill, %d of them at a second replica", time.Since(killed).Round(time.Millisecond), pg.count(`SELECT count(*) FROM kpi_runs WHERE attempt > 1`))
	if n := pg.count(`SELECT count(*) FROM kpi_runs WHERE status = 'completed'`); n != 32 {
		t.Errorf("%d runs are completed", n)
	}
	if pg.count(`SELECT count(*) FROM kpi_runs WHERE attempt > 1`) == 0 {
		t.Error("no run was taken over: the killed replica had none")
	}
	l.stop()
	l.none(func(e event) bool { // a write that was on its way may have been done: nginx does not send it twice
		f, ok := errors.AsType[failure](e.err)
		return ok && f.status == 502 && f.method != "GET" && e.at.After(killed.Add(-time.Second)) && e.at.Before(killed.Add(time.Second))
	})
	l.kept(front)
	t.Logf("%d requests, %d writes cut off by the kill", l.requests(), len(l.failed(nil)))
}
