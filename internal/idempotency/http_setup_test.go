package idempotency_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"turkey/internal/caller"
	"turkey/internal/db"
	"turkey/internal/db/dbtest"
	"turkey/internal/fault"
	"turkey/internal/idempotency"
	"turkey/internal/server"
)

const (
	secret   = "canary-secret-0123456789abcdefghi"
	patience = 30 * time.Second
	once     = "canary-shown-once"
)

// bundle is a server with some writes that count how often they ran.
type bundle struct {
	t    testing.TB
	db   *db.DB
	base string
	user uuid.UUID
	ran  atomic.Int64
	hold chan struct{} // what /api/slow waits for
	log  *lines
}

type writeInput struct {
	Status int    `query:"status"`
	Size   int    `query:"size"`
	Panic  bool   `query:"panic"`
	Wait   bool   `query:"wait"`
	Name   string `query:"name"`
	Body   struct {
		Text string `json:"text,omitempty"`
	}
}

type writeOutput struct {
	Status   int
	Location string `header:"Location"`
	Cookie   string `header:"Set-Cookie"`
	Body     struct {
		N      int64  `json:"n"`
		Text   string `json:"text"`
		Filler string `json:"filler"`
	}
}

func setup(t testing.TB) *bundle { t.Helper(); return setupOn(t, dbtest.New(t), secret, "") }

func setupOn(t testing.TB, database *db.DB, secret, previous string) *bundle {
	t.Helper()
	b := &bundle{t: t, db: database, hold: make(chan struct{}), log: &lines{}}
	log := slog.New(slog.NewTextHandler(b.log, nil))
	repeats, err := idempotency.New(idempotency.Config{DB: database, Log: log, Secret: []byte(secret), PreviousSecret: []byte(previous)})
	must(t, err)
	srv := server.New(server.Config{Version: "1.0.0-test", Log: log, Ping: database.Ping})
	after := repeats.Once(srv.API())
	known := func(ctx huma.Context, next func(huma.Context)) {
		if id, err := uuid.Parse(ctx.Header("X-User")); err == nil {
			ctx = huma.WithContext(ctx, caller.WithUser(ctx.Context(), caller.User{ID: id}))
		}
		after(ctx, next)
	}
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "GET"} {
		for _, path := range []string{"/api/write", "/api/write2", "/v1/write"} {
			op := huma.Operation{Method: method, Path: path, OperationID: method + path, Middlewares: huma.Middlewares{known}, DefaultStatus: 201}
			if method == "GET" {
				huma.Register(srv.API(), op, func(_ context.Context, _ *struct{}) (*writeOutput, error) {
					return b.write(&writeInput{})
				})
				continue
			}
			huma.Register(srv.API(), op, func(_ context.Context, in *writeInput) (*writeOutput, error) { return b.write(in) })
		}
	}
	huma.Register(srv.API(), huma.Operation{Method: "DELETE", Path: "/api/nothing", OperationID: "nothing", Middlewares: huma.Middlewares{known}},
		func(context.Context, *struct{}) (*struct{}, error) { b.ran.Add(1); return nil, nil })
	web := httptest.NewServer(srv.Handler())
	t.Cleanup(web.Close)
	b.base, b.user = web.URL, b.person()
	return b
}

func (b *bundle) write(in *writeInput) (*writeOutput, error) {
	n := b.ran.Add(1)
	if in.Wait {
		<-b.hold
	}
	switch {
	case in.Panic:
		panic("on purpose")
	case in.Status == 404:
		return nil, fault.New(fault.NotFound, "THING_NOT_FOUND", "No "+strconv.FormatInt(n, 10))
	case in.Status == 429:
		return nil, fault.New(fault.Limited, "", "").WithRetryAfter(time.Second)
	case in.Status == 408:
		return nil, fault.New(fault.Timeout, "", "")
	case in.Status == 500:
		return nil, fmt.Errorf("on purpose")
	case in.Status == 503:
		return nil, fault.New(fault.Unavailable, "", "")
	}
	out := &writeOutput{Status: 201, Location: "/things/" + strconv.FormatInt(n, 10), Cookie: "session=" + once}
	out.Body.N, out.Body.Text, out.Body.Filler = n, in.Body.Text+once, strings.Repeat("x", in.Size)
	return out, nil
}

type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bundle) person() uuid.UUID {
	b.t.Helper()
	id := uuid.New()
	b.exec(`INSERT INTO apps (id) VALUES ('shop') ON CONFLICT DO NOTHING`)
	b.exec(`INSERT INTO users (id, app_id, email, password_hash) VALUES ($1::uuid, 'shop', $1::uuid || '@example.com', '')`, id)
	return id
}

func (b *bundle) exec(sql string, args ...any) {
	b.t.Helper()
	_, err := b.db.In(db.System()).Exec(b.t.Context(), sql, args...)
	must(b.t, err)
}

func (b *bundle) rows() (n int) {
	b.t.Helper()
	must(b.t, b.db.In(db.System()).QueryRow(b.t.Context(), `SELECT count(*) FROM idempotency_keys`).Scan(&n))
	return n
}

type answer struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

func (a answer) n() int { n, _ := a.body["n"].(float64); return int(n) }

// send makes a request with a key; "-" sends none.
func (b *bundle) send(method, target, key, body string, user uuid.UUID) answer {
	b.t.Helper()
	req, err := http.NewRequest(method, b.base+target, strings.NewReader(body))
	must(b.t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-User", user.String())
	if key != "-" {
		req.Header["Idempotency-Key"] = []string{key}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Error(err)
		return answer{}
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Error(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &a.body) // a 204 has none
	return a
}

func (b *bundle) post(target, key, body string) answer {
	b.t.Helper()
	return b.send("POST", target, key, body, b.user)
}

// again expects the answer that was given before, marked as such, and that nothing ran.
func (b *bundle) again(first, second answer, ran int64) {
	b.t.Helper()
	if second.status != first.status || second.raw != first.raw || second.header.Get("Idempotency-Replayed") != "true" || first.header.Get("Idempotency-Replayed") != "" {
		b.t.Errorf("first %d %s, then %d %s (replayed: %q)", first.status, first.raw, second.status, second.raw, second.header.Get("Idempotency-Replayed"))
	}
	if b.ran.Load() != ran {
		b.t.Errorf("ran %d times, expected %d", b.ran.Load(), ran)
	}
}

func (a answer) want(t testing.TB, status int, code string) answer {
	t.Helper()
	got, _ := a.body["code"].(string)
	if got == "" {
		got, _ = a.body["error"].(string)
	}
	if a.status != status || code != "" && got != code {
		t.Errorf("got %d %s, expected %d %s", a.status, a.raw, status, code)
	}
	return a
}

// until waits for so many requests to run.
func (b *bundle) until(ran int64) {
	b.t.Helper()
	for end := time.Now().Add(patience); b.ran.Load() < ran; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("ran %d times", b.ran.Load())
		}
	}
}
