package e2e_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	fuzzRequests = flag.Int("requests", 3000, "how many requests TestAPIFuzz sends")
	fuzzSeed     = flag.Uint64("seed", 1, "what TestAPIFuzz's requests are drawn from")
)

// words are texts that one operation or another gives a meaning; those of a tenant join them. All addresses are this machine's.
var words = []string{
	"", " ", "a", "0", "-1", "1", "2", "1.5", "1e3", "9223372036854775807", "9223372036854775808", "true", "null", "user", "admin", "active", "suspended", "deleted", "google_sheets", "ga4",
	"meta", "shopify", "http_json", "unknown", "2026-01-01", "2026-02-30", "2026-13", "2026-01", "2026-01-01T00:00:00Z", "0001-01-01", "9999-12-31", "-0001-01-01", "24:00", "day", "week",
	"month", "once", "each", "0 2 * * *", "*/5 * * * *", "0 0 31 2 *", "60 * * * *", "@daily", "UTC", "Europe/Berlin", "Mars/Olympus", "Local", "jti", "session", "app", "slack", "discord",
	"telegram", "turkey", "run.failed", "credential.broken", "cookie", "token", "#123456", "red", "data:image/png;base64,AAAA", "data:text/html,x", "https://shop.example.com", "*", "default-app",
	"01900000-0000-7000-8000-000000000000", "00000000-0000-0000-0000-000000000000", zeros, "a.b.c", "rt_x.AAAA", "nobody@example.com", "x@y", "planted-tab",
	"A1:B2", "Sheet1!A1", "'", "é", "日本語", "\U0001f986", "a\u0301", "\u202e",
}

// addresses are all that a member which names one may hold: nobody is called but this machine.
var addresses = []string{"http://127.0.0.1:1/in", "https://127.0.0.1:1/", "http://[::1]:1/", "http://localhost:1/x?y=z#f", "ftp://127.0.0.1/", "http://127.0.0.1:99999/", "http:///x", "127.0.0.1:1", "", "javascript:alert(1)"}

// sender of a fuzzed request.
type sender struct {
	name  string
	token string
	key   string // an operator's
}

// fuzzer draws requests.
type fuzzer struct {
	*rand.Rand
	doc     *spec
	of      *tenant
	callers []sender
	words   []string
	rotated int
}

// TestAPIFuzz sends requests that are made from the document, and changed: as a user, as administrators, as nobody. None is
// answered with 5xx (but for 502, where a provider refuses the credential that a request made), or in a form or with a status that is not documented; no answer holds a secret.
func TestAPIFuzz(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.refused.Store(true)
	doc := d.spec()
	const workers = 4
	var mu sync.Mutex
	sent := map[string]int{} // by operation
	statuses := map[int]int{}
	began := time.Now()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			f := &fuzzer{Rand: rand.New(rand.NewPCG(*fuzzSeed, uint64(w))), doc: doc}
			mine := *fuzzRequests / workers
			if w < *fuzzRequests%workers {
				mine++
			}
			// What is drawn is not always sent; it goes on until as many are as were asked for.
			for drawn, done := 0, 0; done < mine; drawn++ {
				if t.Failed() && drawn%100 == 0 {
					return // the first findings are enough
				}
				if drawn > 2*mine+100 {
					t.Errorf("of %d requests %d were sent", drawn, done)
					return
				}
				if drawn%120 == 0 {
					f.move(t, d)
				}
				o := doc.details[f.IntN(len(doc.details))]
				if o.id == "rotateKeys" { // each leaves a key that is published for a day
					if f.rotated++; f.rotated > 5 {
						continue
					}
				}
				a, raw := f.draw(t, o)
				if _, err := url.Parse(d.base + a.url()); err != nil {
					continue // no request
				}
				got, err := f.send(d, o, a, raw)
				if err != nil {
					t.Errorf("%s %s: %v", a.method, a.url(), err)
					continue
				}
				done++
				if secret := d.tells(got.raw); secret != "" {
					t.Errorf("%s %s: %d tells %s: %s", a.method, a.url(), got.status, secret, got.raw)
				}
				mu.Lock()
				sent[o.id]++
				statuses[got.status]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	total := 0
	for _, n := range sent {
		total += n
	}
	t.Logf("%d requests of %d operations in %s, seed %d; answers by status: %v", total, len(sent), time.Since(began).Round(time.Second), *fuzzSeed, statuses)
	if total != *fuzzRequests && !t.Failed() {
		t.Errorf("%d requests were sent instead of %d", total, *fuzzRequests)
	}
	if *fuzzRequests >= 3000 && (len(sent) < len(doc.details)-2 || statuses[200] < total/50 || statuses[401] < total/50) {
		t.Errorf("the requests reach too little: %d operations of %d, %v", len(sent), len(doc.details), statuses)
	}
}

// move makes a tenant for the next requests: what they did to the one before is not to hide what others find.
func (f *fuzzer) move(t testing.TB, d *deployment) {
	f.of = d.tenant(t, act{args: "kid", admin: f.IntN(2) == 0})
	f.callers = []sender{{name: "nobody"}, {name: "owner", token: f.of.owner.access}, {name: "owner", token: f.of.owner.access}, {name: "eve", token: f.of.eve.access},
		{name: "administrator", token: d.person(f.of.things["app"], "role = 'admin'").access}, {name: "operator", token: d.person("default-app", "role = 'admin'").access}, {name: "key", key: d.adminKey}}
	f.words = append(slices.Clone(words), slices.Collect(maps.Values(f.of.things))...)
}

// tells is the first secret in an answer.
func (d *deployment) tells(raw string) (found string) {
	for _, unwanted := range []string{"PRIVATE KEY", "$argon2", "password_hash", "encrypted_data"} {
		if strings.Contains(raw, unwanted) {
			return unwanted
		}
	}
	d.root.secrets.Range(func(v, _ any) bool {
		if s := v.(string); strings.Contains(raw, s) {
			found = s
		}
		return found == ""
	})
	return found
}

func (f *fuzzer) word() string {
	switch f.IntN(12) {
	case 0:
		return slices.Collect(maps.Values(payloads))[f.IntN(len(payloads))]
	case 1:
		b := make([]byte, f.IntN(40))
		for i := range b {
			b[i] = byte(f.IntN(256))
		}
		return string(b)
	case 2:
		return f.bend(f.words[f.IntN(len(f.words))])
	}
	return f.words[f.IntN(len(f.words))]
}

// bend changes a text a little.
func (f *fuzzer) bend(s string) string {
	if s == "" {
		return "x"
	}
	i := f.IntN(len(s))
	switch f.IntN(5) {
	case 0:
		return s[:i]
	case 1:
		return s[:i] + s + s[i:]
	case 2:
		return s[:i] + string(rune(f.IntN(0x300))) + s[i:]
	case 3:
		return strings.ToUpper(s)
	}
	return s[:i] + s[i+1:]
}

// value draws one that the schema takes, most of the time.
func (f *fuzzer) value(schema object, name string, depth int) any {
	if lower := strings.ToLower(name); strings.Contains(lower, "url") || lower == "logo" {
		return addresses[f.IntN(len(addresses))]
	}
	schema = f.doc.resolve(schema)
	if or := alternatives(schema); len(or) > 0 {
		return f.value(or[f.IntN(len(or))], name, depth)
	}
	if f.IntN(12) == 0 || depth > 6 {
		return f.anything(depth)
	}
	if enum, ok := schema["enum"].([]any); ok && f.IntN(4) > 0 {
		return enum[f.IntN(len(enum))]
	}
	if list, ok := schema["examples"].([]any); ok && len(list) > 0 && f.IntN(3) == 0 {
		return list[0]
	}
	switch {
	case takes(schema, "null") && f.IntN(4) == 0:
		return nil
	case schema["type"] == nil && schema["properties"] == nil:
		return f.anything(depth)
	case takes(schema, "string"):
		return f.word()
	case takes(schema, "integer"), takes(schema, "number"):
		return []any{0, 1, 2, 7, -1, 100, 101, 3600, 86400, 1 << 31, -1 << 31, 1 << 53, 1.5, json.Number("1e400"), json.Number("9223372036854775808")}[f.IntN(15)]
	case takes(schema, "boolean"):
		return f.IntN(2) == 0
	case takes(schema, "array"):
		items, _ := schema["items"].(object)
		list := []any{}
		for range f.IntN(4) {
			list = append(list, f.value(items, name, depth+1))
		}
		return list
	}
	properties, _ := schema["properties"].(object)
	m := object{}
	for _, member := range slices.Sorted(maps.Keys(properties)) {
		if f.IntN(6) > 0 {
			m[member] = f.value(properties[member].(object), member, depth+1)
		}
	}
	if f.IntN(8) == 0 {
		names := slices.Sorted(maps.Keys(privileged))
		member := names[f.IntN(len(names))]
		if _, own := properties[member]; !own {
			m[member] = privileged[member]
		}
	}
	return m
}

// anything is JSON that nothing was said of.
func (f *fuzzer) anything(depth int) any {
	switch f.IntN(7) {
	case 0:
		return nil
	case 1:
		return f.IntN(2) == 0
	case 2:
		return f.IntN(1000) - 500
	case 3:
		if depth < 4 {
			return []any{f.anything(depth + 1), f.anything(depth + 1)}
		}
	case 4:
		if depth < 4 {
			return object{f.word(): f.anything(depth + 1), "type": f.word()}
		}
	}
	return f.word()
}

// draw makes a request of an operation: a good one that is changed in places, or one from the schemas alone.
func (f *fuzzer) draw(t testing.TB, o detail) (a *attempt, raw *string) {
	a = f.of.good(t, o, "")
	delete(a.headers, "X-Turkey-Service-Key")
	if o.id == "createWebhook" {
		a.body = object{"url": addresses[0]}
	}
	who := f.callers[f.IntN(len(f.callers))]
	if a.token = who.token; who.key != "" {
		a.headers["X-Turkey-Admin-Key"] = who.key
	}
	if !o.bearer && f.IntN(2) == 0 {
		a.headers["X-Turkey-Service-Key"] = serviceKey
	}
	for i := range a.args {
		if f.IntN(4) == 0 {
			a.args[i] = f.word()
		}
	}
	for _, p := range o.params {
		switch {
		case p.in == "query" && f.IntN(3) == 0:
			a.query[p.name] = []string{text(f.value(p.schema, p.name, 0))}
			if f.IntN(10) == 0 {
				a.query.Add(p.name, f.word())
			}
		case p.in == "header" && f.IntN(5) == 0:
			a.headers[p.name] = printable(f.word())
		}
	}
	if o.schema != nil {
		places := f.doc.texts(o.schema)
		switch f.IntN(10) {
		case 0, 1, 2:
			a.body = f.value(o.schema, "", 0)
		case 3, 4, 5, 6:
			for range min(len(places), 1+f.IntN(2)) {
				at := places[f.IntN(len(places))]
				if name, _ := last(at).(string); a.body != nil {
					a.body = put(a.body, at, f.value(object{"type": "string"}, name, 1))
				}
			}
		case 7:
			if m, ok := a.body.(object); ok && len(m) > 0 {
				m = maps.Clone(m)
				names := slices.Sorted(maps.Keys(m))
				delete(m, names[f.IntN(len(names))])
				a.body = m
			}
		case 8:
			if b, err := json.Marshal(a.body); err == nil && !strings.Contains(string(b), "://") { // an address is not bent: it could become somebody's
				s := f.bend(string(b))
				raw = &s
			}
		}
	} else if f.IntN(20) == 0 {
		a.body = f.anything(0)
	}
	switch f.IntN(25) {
	case 0:
		a.method = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "QUERY"}[f.IntN(9)]
	case 1:
		a.headers["Content-Type"] = []string{"text/plain", "application/xml", "multipart/form-data", "application/json; charset=utf-16", "application/json;;"}[f.IntN(5)]
	case 2:
		a.headers[[]string{"Accept", "Accept-Encoding", "Cookie", "Origin", "Range", "If-None-Match", "If-Modified-Since", "Authorization", "Sec-Fetch-Site", "X-Request-Id"}[f.IntN(10)]] = printable(f.word())
	}
	return a, raw
}

func last(at []any) any {
	if len(at) == 0 {
		return nil
	}
	return at[len(at)-1]
}

// printable is what a client's library lets into a header.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return '.'
		}
		return r
	}, strings.ToValidUTF8(s, "."))
}

func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func (f *fuzzer) send(d *deployment, o detail, a *attempt, raw *string) (answer, error) {
	if o.stream || o.id == "watchRun" {
		a.body = nil
		return d.head(a)
	}
	if raw != nil {
		a.body = *raw
	} else if s, ok := a.body.(string); ok { // which goes as it is
		b, err := json.Marshal(s)
		if err != nil {
			return answer{}, err
		}
		a.body = string(b)
	}
	return d.play(a)
}
