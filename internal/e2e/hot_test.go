package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/caller"
)

// trips counts the round trips to PostgreSQL that requests make, by what is asked in them besides the scope. What the
// server does by itself (the queue, counters that are merged) belongs to no request.
type trips struct {
	mu    sync.Mutex
	asked []string
}

// take returns what was asked since the last time, a word for each trip.
func (c *trips) take() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	asked := c.asked
	c.asked = nil
	return strings.Join(asked, " ")
}

func (c *trips) note(ctx context.Context, statements ...string) {
	if caller.RequestFrom(ctx).ID == "" {
		return
	}
	var names []string
	for _, sql := range statements {
		if name := nameOf(sql); !strings.Contains(sql, "set_config('role'") && name != "AppSystem" { // the app's settings are read every few seconds
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, strings.Join(names, "+"))
}

// nameOf is what sqlc writes before a statement. Those of the exact limits have no name.
func nameOf(sql string) string {
	if rest, named := strings.CutPrefix(strings.TrimSpace(sql), "-- name: "); named {
		name, _, _ := strings.Cut(rest, " ")
		return name
	}
	if strings.Contains(sql, "limit_windows") || strings.Contains(sql, "login_locks") {
		return "limit"
	}
	return strings.Join(strings.Fields(sql), "_")
}

// TraceQueryStart is pgx's.
func (c *trips) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	c.note(ctx, data.SQL)
	return ctx
}

// TraceQueryEnd is pgx's.
func (c *trips) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart is pgx's.
func (c *trips) TraceBatchStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	statements := make([]string, len(data.Batch.QueuedQueries))
	for i, q := range data.Batch.QueuedQueries {
		statements[i] = q.SQL
	}
	c.note(ctx, statements...)
	return ctx
}

// TraceBatchQuery is pgx's.
func (c *trips) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd is pgx's.
func (c *trips) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// The paths that requests take most often ask PostgreSQL once. A sign-in asks before the password is hashed and after
// it, each time together with the lockout.
func TestHotPathsAskPostgreSQLOnce(t *testing.T) {
	t.Parallel()
	count := &trips{}
	s := setup(t, func(set *settings) { set.tracer = count })
	h := s.holder()
	id := h.saved("google_sheets", "first", pasted(0)) // makes the user's keys
	n := 0
	for _, path := range []struct {
		name, trips string
		call        func()
	}{
		{"JWKS", "", func() { s.get("/.well-known/jwks.json", "").want(t, 200, "") }},
		{"me", "LiveUser", func() { s.me(h.access).want(t, 200, "") }},
		{"refresh", "RotateSession", func() { h.refresh = s.refresh("shop", h.refresh).want(t, 200, "").text("data", "refreshToken") }},
		{"login", "limit+UserForLogin limit+OpenSession", func() { s.login("shop", h.email, password).want(t, 200, "") }},
		{"introspect", "LiveUser", func() { s.introspect(h.access) }},
		{"save", "SaveCredential", func() { n++; h.saved("google_sheets", fmt.Sprint(n), pasted(n)) }},
		{"list", "ListCredentials", func() { s.get("/api/credentials/list", h.access).want(t, 200, "") }},
		{"get", "GetCredential", func() { h.on(id, "GET", "", nil).want(t, 200, "") }},
		{"services", "ListServices", func() { s.get("/api/services", h.access).want(t, 200, "") }},
	} {
		path.call() // whatever is read once
		count.take()
		for range 3 {
			path.call()
			if trips := count.take(); trips != path.trips {
				t.Errorf("%s asks %q, expected %q", path.name, trips, path.trips)
			}
		}
	}
}

// What no key of ours signed costs no query: a flood of it does not reach PostgreSQL.
func TestJunkReachesNoDatabase(t *testing.T) {
	t.Parallel()
	count := &trips{}
	s := setup(t, func(set *settings) { set.tracer = count })
	u := s.user("shop")
	header, rest, _ := strings.Cut(u.access, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	session, mac, _ := strings.Cut(strings.TrimPrefix(u.refresh, "rt_"), ".")
	_, mac, _ = strings.Cut(mac, ".")
	count.take()
	for i := range 20 {
		for _, token := range []string{"", "x", strings.Repeat("A", 900), "..", header + "..", header + "." + payload + ".", header + "." + payload + "." + strings.Repeat("A", 86),
			header + "." + payload + "A." + signature, fmt.Sprintf("rt_%s.%d.%s", session, i+1, mac), u.refresh} {
			for _, a := range []answer{s.get("/v1/users/me", token), s.get("/api/credentials/list", token),
				s.call("POST", "/api/credentials/save", token, object{"service": "google_sheets", "credentialName": "x", "credentialJson": pasted(1)})} {
				if a.status != 401 {
					t.Errorf("%.40s…: %d %s", token, a.status, a.raw)
				}
			}
		}
		for _, token := range []string{"x", "rt_", "rt_" + session, fmt.Sprintf("rt_%s.%d.%s", session, i+1, mac), "rt_" + session + ".0." + strings.Repeat("A", 43), strings.Repeat("rt_", 200)} {
			if a := s.refresh("shop", token); a.status < 400 || a.status >= 500 {
				t.Errorf("%.40s…: %d %s", token, a.status, a.raw)
			}
		}
	}
	if trips := count.take(); trips != "" {
		t.Errorf("junk asks %q", trips)
	}
	s.me(u.access).want(t, 200, "")
	if trips := count.take(); trips != "LiveUser" {
		t.Errorf("a genuine token asks %q", trips)
	}
}

// wire is a connection whose requests cost the measuring side next to nothing.
type wire struct {
	net.Conn
	r    *bufio.Reader
	body []byte
}

func (s *replica) wire() *wire {
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
	must(s.t, err)
	s.t.Cleanup(func() { _ = conn.Close() })
	return &wire{Conn: conn, r: bufio.NewReaderSize(conn, 64<<10)}
}

// request is one on the wire.
func request(method, path, token string, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: hot\r\nAccept-Encoding: gzip\r\n", method, path)
	if token != "" {
		b.WriteString("Authorization: Bearer " + token + "\r\n")
	}
	if body != nil {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

// do sends a request and reads its answer, which has to be short enough not to come in pieces. The body is valid until
// the next call.
func (w *wire) do(request []byte) (status int, body []byte, err error) {
	if _, err := w.Write(request); err != nil {
		return 0, nil, err
	}
	length := -1
	for {
		line, err := w.r.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case status == 0:
			if status, err = strconv.Atoi(string(line[9:12])); err != nil {
				return 0, nil, err
			}
		case len(line) == 0:
			if length < 0 {
				return 0, nil, fmt.Errorf("an answer without Content-Length")
			}
			w.body = append(w.body[:0], make([]byte, length)...)
			_, err := io.ReadFull(w.r, w.body)
			return status, w.body, err
		case bytes.HasPrefix(line, []byte("Content-Length: ")):
			if length, err = strconv.Atoi(string(line[16:])); err != nil {
				return 0, nil, err
			}
		}
	}
}

// BenchmarkHot is the hot paths from the socket to PostgreSQL and back. Allocations, and processor time without
// PostgreSQL's, are the server's: the side that asks allocates next to nothing.
func BenchmarkHot(b *testing.B) {
	s := setup(b, func(set *settings) { set.quiet = true })
	h := s.holder()
	id := h.saved("google_sheets", "first", pasted(0))
	me := request("GET", "/v1/users/me", h.access, nil)
	list := request("GET", "/api/credentials/list", h.access, nil)
	get := request("GET", fmt.Sprintf("/api/credentials/%d", id), h.access, nil)
	services := request("GET", "/api/services", h.access, nil)
	keys := request("GET", "/.well-known/jwks.json", "", nil)
	login, err := json.Marshal(object{"email": h.email, "password": password, "appId": "shop"})
	must(b, err)
	n := 0
	for _, path := range []struct {
		name string
		next func(last []byte) []byte
	}{
		{"JWKS", func([]byte) []byte { return keys }},
		{"me", func([]byte) []byte { return me }},
		{"refresh", func(last []byte) []byte {
			token := []byte(h.refresh)
			if _, after, found := bytes.Cut(last, []byte(`"refreshToken":"`)); found {
				token, _, _ = bytes.Cut(after, []byte{'"'})
				h.refresh = string(token)
			}
			return request("POST", "/v1/auth/refresh", "", append(append([]byte(`{"appId":"shop","refreshToken":"`), token...), `"}`...))
		}},
		{"login", func([]byte) []byte { return request("POST", "/v1/auth/login", "", login) }}, // with a hash: the first sign-in replaces the one that costs nothing
		{"save", func([]byte) []byte {
			if n++; n%90 == 0 { // a service takes a hundred
				s.exec(`DELETE FROM credentials WHERE name = 'hot'`)
			}
			body, err := json.Marshal(object{"service": "google_sheets", "credentialName": "hot", "credentialJson": account(n)})
			must(b, err)
			return request("POST", "/api/credentials/save", h.access, body)
		}},
		{"list", func([]byte) []byte { return list }},
		{"get", func([]byte) []byte { return get }},
		{"services", func([]byte) []byte { return services }},
	} {
		b.Run(path.name, func(b *testing.B) {
			w := s.wire()
			if path.name == "list" {
				s.exec(`DELETE FROM credentials WHERE name = 'hot'`)
			}
			ask := func(last []byte) []byte {
				status, body, err := w.do(path.next(last))
				if err != nil || status >= 300 {
					b.Fatalf("%d %s %v", status, body, err)
				}
				return body
			}
			var last []byte
			for range 20 {
				last = ask(last)
			}
			b.ReportAllocs()
			began := processor(b)
			for b.Loop() {
				last = ask(last)
			}
			b.ReportMetric(float64((processor(b)-began).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

// account is a credential of a real one's size.
func account(n int) object {
	key := strings.Repeat("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n", 25)
	return object{"type": "service_account", "project_id": "bench", "private_key_id": strconv.Itoa(n), "client_id": "1",
		"private_key":  "-----BEGIN PRIVATE KEY-----\n" + key + strconv.Itoa(n) + "\n-----END PRIVATE KEY-----\n",
		"client_email": "bench@bench.iam.gserviceaccount.com", "token_uri": "https://oauth2.googleapis.com/token"}
}

// processor is the time that this process has used.
func processor(t testing.TB) time.Duration {
	var u syscall.Rusage
	must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
