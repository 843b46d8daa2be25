package chaos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// actor is somebody who works with the server whatever happens to it, and writes down what they were told.
type actor struct {
	t      testing.TB
	base   string
	bases  []string // more than one: servers that disagree on the time, now this one, now that one
	fixed  bool     // base is the one at the moment
	chance *rand.Rand
	http   *http.Client
	number int

	email, access, refresh string
	spent                  []string // refresh tokens that were traded, the oldest first
	spentAt                []time.Time

	saved   map[string]int64 // credentials that they were told are saved, by name
	maybe   map[string]bool  // those of which they heard nothing
	gone    map[string]bool  // deleted, as they were told
	leaving map[string]bool  // to be deleted, and nothing heard
	tab     string           // of the mapping, as they were told
	tabs    map[string]bool  // what it may be since: they heard nothing
	joined  []string         // accounts they made for others
	over    []string         // refresh tokens of sessions that they ended

	told, silent atomic.Int64
	odd          []string // answers that nobody should get
	renewed      int      // times that a server did not take a token of the other one
}

const actorPassword = "Canary-Pass-4711!"

// act sends a request. done: the server said that it is; else nobody knows, and the caller has to ask or to repeat. A server whose
// clock is another may find the token over, or of a time to come: it gives a new one, as clients ask for.
func (a *actor) act(ctx context.Context, method, path, token string, body, out any) (status int, done bool) {
	several := len(a.bases) > 1 && !a.fixed
	if several {
		a.base = a.bases[a.chance.IntN(len(a.bases))]
	}
	status, done = a.sends(ctx, method, path, token, body, out)
	for n := 0; n < 4 && several && done && status == http.StatusUnauthorized && token != "" && token == a.access; n++ {
		a.fixed = true
		a.renews(ctx)
		a.fixed = false
		a.renewed++
		token = a.access
		status, done = a.sends(ctx, method, path, token, body, out)
	}
	return status, done
}

func (a *actor) sends(ctx context.Context, method, path, token string, body, out any) (status int, done bool) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	raw, err := json.Marshal(body)
	must(a.t, err)
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(raw))
	must(a.t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-App-Id", "shop")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := a.http.Do(req)
	if err != nil {
		a.silent.Add(1)
		return 0, false
	}
	defer resp.Body.Close() // it was read
	answer, err := io.ReadAll(resp.Body)
	switch {
	case err != nil, resp.StatusCode == http.StatusServiceUnavailable, resp.StatusCode == http.StatusTooManyRequests:
		a.silent.Add(1)
		return resp.StatusCode, false
	case resp.StatusCode > 499:
		a.odd = append(a.odd, fmt.Sprintf("%s %s: %d %s", method, path, resp.StatusCode, answer))
		return resp.StatusCode, false
	case resp.StatusCode < 300 && out != nil:
		if err := json.Unmarshal(answer, out); err != nil {
			a.odd = append(a.odd, fmt.Sprintf("%s %s: %d with %s", method, path, resp.StatusCode, answer))
		}
	}
	a.told.Add(1)
	return resp.StatusCode, true
}

type tokenAnswer struct {
	Data struct {
		AccessToken  string `json:"accessToken"`
		RefreshToken string `json:"refreshToken"`
	} `json:"data"`
}

func newActor(t testing.TB, base string, number int, seed uint64) *actor {
	t.Helper()
	a := &actor{t: t, base: base, number: number, chance: rand.New(rand.NewPCG(seed, uint64(number))), http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2}},
		email: fmt.Sprintf("actor-%d@example.com", number), saved: map[string]int64{}, maybe: map[string]bool{}, gone: map[string]bool{}, leaving: map[string]bool{}, tabs: map[string]bool{}}
	t.Cleanup(a.http.CloseIdleConnections)
	must(t, a.join(t.Context(), a.email))
	a.access, a.refresh = a.signIn(t.Context(), a.email)
	return a
}

func (a *actor) join(ctx context.Context, email string) error {
	status, done := a.act(ctx, "POST", "/v1/auth/register", "", object{"email": email, "password": actorPassword, "appId": "shop"}, nil)
	if !done || status != http.StatusCreated {
		return fmt.Errorf("register %s: %d", email, status)
	}
	return nil
}

// signIn tries until it is told something.
func (a *actor) signIn(ctx context.Context, email string) (access, refresh string) {
	for ctx.Err() == nil {
		var answer tokenAnswer
		status, done := a.act(ctx, "POST", "/v1/auth/login", "", object{"email": email, "password": actorPassword, "appId": "shop"}, &answer)
		if done && status == http.StatusOK {
			return answer.Data.AccessToken, answer.Data.RefreshToken
		}
		if done {
			a.odd = append(a.odd, fmt.Sprintf("%s cannot sign in: %d", email, status))
			return "", ""
		}
		time.Sleep(20 * time.Millisecond)
	}
	return "", ""
}

// works does one thing after the other until told to stop.
func (a *actor) works(stop <-chan struct{}) {
	ctx := context.Background() // what was begun is ended
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		switch a.chance.IntN(12) {
		case 0, 1, 2:
			a.saves(ctx, n)
		case 3, 4:
			a.deletes(ctx)
		case 5, 6:
			a.maps(ctx, n)
		case 7, 8:
			a.renews(ctx)
		case 9:
			a.looks(ctx)
		case 10:
			if n%4 == 0 {
				a.invites(ctx, n)
			}
		case 11:
			if n%4 == 0 {
				a.endsASession(ctx)
			}
		}
	}
}

func (a *actor) saves(ctx context.Context, n int) {
	if len(a.saved)-len(a.gone)+len(a.maybe) > 60 {
		return // the contract's most is 100
	}
	name := fmt.Sprintf("n-%d-%d", a.number, n)
	var answer struct {
		CredentialID int64 `json:"credentialId"`
	}
	status, done := a.act(ctx, "POST", "/api/credentials/save", a.access, object{"service": "shopify", "credentialName": name,
		"credentialJson": object{"shop_url": "kill.myshopify.com", "access_token": fmt.Sprintf("shpat_%032x", n)}}, &answer)
	switch {
	case !done:
		a.maybe[name] = true
	case status == http.StatusCreated || status == http.StatusOK:
		a.saved[name] = answer.CredentialID
	default:
		a.odd = append(a.odd, fmt.Sprintf("save: %d", status))
	}
}

func (a *actor) deletes(ctx context.Context) {
	for name, id := range a.saved {
		if a.gone[name] || a.leaving[name] {
			continue
		}
		status, done := a.act(ctx, "DELETE", fmt.Sprintf("/api/credentials/%d", id), a.access, nil, nil)
		switch {
		case !done:
			a.leaving[name] = true
		case status == http.StatusOK:
			a.gone[name] = true
		default:
			a.odd = append(a.odd, fmt.Sprintf("delete of %s: %d", name, status))
		}
		return
	}
}

func (a *actor) maps(ctx context.Context, n int) {
	tab := fmt.Sprintf("tab-%d", n)
	status, done := a.act(ctx, "POST", "/api/sheet-mappings/set", a.access, object{"service": "ga4", "spreadsheetId": "sheet", "sheetName": tab}, nil)
	switch {
	case !done:
		a.tabs[tab] = true
	case status == http.StatusCreated || status == http.StatusOK:
		a.tab = tab
		clear(a.tabs)
	default:
		a.odd = append(a.odd, fmt.Sprintf("mapping: %d", status))
	}
}

// renews trades the refresh token; without an answer the same one is sent again, as clients do.
func (a *actor) renews(ctx context.Context) {
	for began := time.Now(); time.Since(began) < 25*time.Second; time.Sleep(20 * time.Millisecond) { // the grace is 30 seconds
		var answer tokenAnswer
		status, done := a.act(ctx, "POST", "/v1/auth/refresh", "", object{"refreshToken": a.refresh, "appId": "shop"}, &answer)
		if !done {
			continue
		}
		if status != http.StatusOK {
			a.odd = append(a.odd, fmt.Sprintf("an honest refresh: %d", status))
			a.access, a.refresh = a.signIn(ctx, a.email)
			a.spent, a.spentAt = nil, nil
			return
		}
		a.spent, a.spentAt = append(a.spent, a.refresh), append(a.spentAt, time.Now())
		a.access, a.refresh = answer.Data.AccessToken, answer.Data.RefreshToken
		return
	}
}

func (a *actor) looks(ctx context.Context) {
	if status, done := a.act(ctx, "GET", "/v1/users/me", a.access, nil, nil); done && status != http.StatusOK {
		a.odd = append(a.odd, fmt.Sprintf("me: %d", status))
	}
}

func (a *actor) invites(ctx context.Context, n int) {
	email := fmt.Sprintf("guest-%d-%d@example.com", a.number, n)
	if a.join(ctx, email) == nil {
		a.joined = append(a.joined, email)
	}
}

func (a *actor) endsASession(ctx context.Context) {
	_, refresh := a.signIn(ctx, a.email)
	if status, done := a.act(ctx, "POST", "/v1/auth/logout", "", object{"refreshToken": refresh, "appId": "shop"}, nil); done && status == http.StatusOK {
		a.over = append(a.over, refresh)
	}
}

// check compares what the actor was told with what is there, and returns what differs.
func (a *actor) check(ctx context.Context) (wrong []string) {
	say := func(format string, args ...any) {
		wrong = append(wrong, fmt.Sprintf("actor %d: ", a.number)+fmt.Sprintf(format, args...))
	}
	for _, o := range a.odd {
		say("%s", o)
	}
	a.renews(ctx)
	var list struct {
		Credentials []struct{ Name string } `json:"credentials"`
	}
	if status, done := a.act(ctx, "GET", "/api/credentials/list", a.access, nil, &list); !done || status != http.StatusOK {
		say("list: %d", status)
	}
	count := map[string]int{}
	for _, c := range list.Credentials {
		if count[c.Name]++; count[c.Name] > 1 {
			say("%s is there twice", c.Name)
		}
	}
	for name := range a.saved {
		switch n := count[name]; {
		case a.gone[name] && n > 0:
			say("%s was deleted, and is there", name)
		case !a.gone[name] && !a.leaving[name] && n == 0:
			say("%s was saved, and is lost", name)
		}
		delete(count, name)
	}
	for name := range count {
		if !a.maybe[name] {
			say("%s is there, and was never saved", name)
		}
	}
	var maps struct {
		Mappings []struct{ SheetName string } `json:"mappings"`
	}
	if status, done := a.act(ctx, "GET", "/api/sheet-mappings", a.access, nil, &maps); !done || status != http.StatusOK {
		say("mappings: %d", status)
	}
	switch {
	case len(maps.Mappings) > 1:
		say("%d mappings", len(maps.Mappings))
	case len(maps.Mappings) == 1 && maps.Mappings[0].SheetName != a.tab && !a.tabs[maps.Mappings[0].SheetName]:
		say("mapped to %s instead of %s", maps.Mappings[0].SheetName, a.tab)
	case len(maps.Mappings) == 0 && a.tab != "":
		say("the mapping to %s is lost", a.tab)
	}
	for _, email := range a.joined[max(0, len(a.joined)-3):] { // each costs a hash
		if access, _ := a.signIn(ctx, email); access == "" {
			say("%s is registered, and cannot sign in", email)
		}
	}
	for _, token := range a.over {
		if status, done := a.act(ctx, "POST", "/v1/auth/refresh", "", object{"refreshToken": token, "appId": "shop"}, nil); !done || status != http.StatusUnauthorized {
			say("a session that was ended goes on: %d", status)
		}
	}
	if len(a.spent) > 2 { // last: a replay ends the session
		if status, done := a.act(ctx, "POST", "/v1/auth/refresh", "", object{"refreshToken": a.spent[0], "appId": "shop"}, nil); !done || status != http.StatusUnauthorized {
			say("a refresh token of %d generations ago works: %d", len(a.spent), status)
		}
	}
	return wrong
}

// crowd is several actors at work.
type crowd struct {
	t    testing.TB
	all  []*actor
	stop chan struct{}
	done sync.WaitGroup
}

func newCrowd(t testing.TB, base string, n int, seed uint64, others ...string) *crowd {
	t.Helper()
	c := &crowd{t: t, stop: make(chan struct{})}
	for i := range n {
		a := newActor(t, base, i, seed)
		a.bases = append([]string{base}, others...)
		c.all = append(c.all, a)
	}
	for _, a := range c.all {
		c.done.Go(func() { a.works(c.stop) })
	}
	return c
}

// told is how many answers they got so far.
func (c *crowd) told() (n int64) {
	for _, a := range c.all {
		n += a.told.Load()
	}
	return n
}

// ends stops the work and says what was told and what is not as it should be.
func (c *crowd) ends() (told, silent int64, wrong []string) {
	c.t.Helper()
	close(c.stop)
	c.done.Wait()
	for _, a := range c.all {
		told, silent = told+a.told.Load(), silent+a.silent.Load()
		wrong = append(wrong, a.check(c.t.Context())...)
	}
	if len(wrong) > 0 {
		c.t.Errorf("%d things are not as they should be:\n%s", len(wrong), strings.Join(wrong[:min(len(wrong), 20)], "\n"))
	}
	return told, silent, wrong
}

// leftovers looks for what a process that died might have left behind.
func (w *world) leftovers() {
	w.t.Helper()
	for what, sql := range map[string]string{
		"jobs that run without a process": `SELECT count(*) FROM river.river_job WHERE state = 'running' AND attempted_at < now() - interval '2 minutes'`,
		"leases of runs that are gone":    `SELECT count(*) FROM sheet_leases l LEFT JOIN kpi_runs r ON r.id = l.holder WHERE r.id IS NULL AND l.lease_until > now()`, // the end of a run ends its lease
		// A mail may come twice: whoever dies between delivery and note cannot ask a mail server. None is lost.
		"accounts without a mail":  `SELECT count(*) FROM users u WHERE u.email LIKE 'guest-%' AND NOT EXISTS (SELECT FROM mails m WHERE m.user_id = u.id)`,
		"mails noted and not sent": `SELECT count(*) FROM mails m WHERE m.sent_at IS NOT NULL AND NOT EXISTS (SELECT FROM mailbox b WHERE b.recipient = m.recipient)`,
		"mails without a job": `SELECT count(*) FROM mails m WHERE m.sent_at IS NULL AND NOT EXISTS (SELECT FROM river.river_job j WHERE j.args ->> 'mail' = m.id::text
			AND j.state IN ('available', 'running', 'retryable', 'scheduled', 'pending'))`,
		"advisory locks":    `SELECT count(*) FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND a.pid IS NULL`,
		"open transactions": `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%' AND now() - state_change > interval '1 minute'`,
	} {
		var n int
		must(w.t, w.sql.QueryRow(w.t.Context(), sql).Scan(&n))
		if n != 0 {
			w.t.Errorf("%d %s", n, what)
		}
	}
}
