package notify_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/db"
	"turkey/internal/db/dbtest"
	"turkey/internal/notify"
	"turkey/internal/queue"
	"turkey/internal/seal"
)

const patience = 30 * time.Second

// bundle is a service on a database of its own, with a queue that works.
type bundle struct {
	*notify.Service
	t    testing.TB
	db   *db.DB
	mail *post
	log  *lines
	user uuid.UUID
}

func setup(t testing.TB, change ...func(*notify.Config)) *bundle {
	t.Helper()
	return setupQueue(t, func(b *bundle, jobs *queue.Queue) {
		cfg := notify.Config{DB: b.db, Log: b.logger(), Now: time.Now, Queue: jobs, Mail: b.mail, AllowPrivate: true}
		for _, c := range change {
			c(&cfg)
		}
		b.Service = notify.New(cfg)
		b.SealWith(newSealer(t))
	})
}

// setupQueue makes a bundle whose queue works what register registers.
func setupQueue(t testing.TB, register func(*bundle, *queue.Queue)) *bundle {
	t.Helper()
	b := &bundle{t: t, db: dbtest.New(t), mail: &post{}, log: &lines{}}
	jobs := queue.New(b.db, b.logger(), 4)
	register(b, jobs)
	must(t, jobs.Open())
	must(t, jobs.Start(context.WithoutCancel(t.Context())))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		must(t, jobs.Stop(ctx))
	})
	b.user = b.person()
	return b
}

func (b *bundle) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sealer is the vault's part: what was sealed for one user, purpose and id opens for no other.
type sealer struct{ box *seal.Box }

func newSealer(t testing.TB) sealer {
	t.Helper()
	box, err := seal.New([]byte(strings.Repeat("s", 32)), "test")
	must(t, err)
	return sealer{box}
}

func (s sealer) place(user uuid.UUID, purpose, id string) []byte {
	return []byte(user.String() + " " + purpose + " " + id)
}

func (s sealer) SealFor(_ context.Context, user uuid.UUID, purpose, id string, plain []byte) (string, error) {
	sealed, err := s.box.Encrypt(plain, s.place(user, purpose, id))
	return base64.StdEncoding.EncodeToString(sealed), err
}

func (s sealer) OpenFor(_ context.Context, user uuid.UUID, purpose, id, sealed string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return nil, err
	}
	return s.box.Decrypt(raw, s.place(user, purpose, id))
}

// post keeps what would be mailed.
type post struct {
	mu    sync.Mutex
	kinds []string
	full  bool
}

func (p *post) MailUser(_ context.Context, _ pgx.Tx, _ uuid.UUID, kind string, _ map[string]any) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.full {
		return false, nil
	}
	p.kinds = append(p.kinds, kind)
	return true, nil
}

func (p *post) sent() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.kinds)
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

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// person makes a user.
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

func one[T any](b *bundle, sql string, args ...any) (v T) {
	b.t.Helper()
	must(b.t, b.db.In(db.System()).QueryRow(b.t.Context(), sql, args...).Scan(&v))
	return v
}

// tell is what the vault and the pipeline do.
func (b *bundle) tell(user uuid.UUID, event string, subject map[string]any) error {
	return b.db.Tx(b.t.Context(), db.User(user), func(tx pgx.Tx) error { return b.Notify(b.t.Context(), tx, user, event, subject) })
}

func (b *bundle) eventually(what string, ok func() bool) {
	b.t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("never: %s\n%s", what, b.state())
		}
	}
}

func (b *bundle) state() string {
	return one[string](b, `SELECT coalesce(string_agg(concat_ws(' ', status, attempts, response_status, error), '; '), 'no delivery') FROM webhook_deliveries`)
}

// hurry makes what waits for another attempt due.
func (b *bundle) hurry() {
	b.t.Helper()
	b.exec(`UPDATE river.river_job SET scheduled_at = now() WHERE state IN ('retryable', 'scheduled')`)
}

// call is one request that reached a receiver.
type call struct {
	path, id, body string
	valid          bool // its signature
	header         http.Header
}

// receiver is a webhook's other end. It checks signatures by itself, as the specification says.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	secret string
	status int
	to     string // Location
	calls  []call
}

func receive(t testing.TB) *receiver {
	t.Helper()
	r := &receiver{status: 204}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	h := req.Header
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(r.secret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", h.Get("webhook-id"), h.Get("webhook-timestamp"), body)
	r.calls = append(r.calls, call{path: req.URL.Path, id: h.Get("webhook-id"), body: string(body), header: h.Clone(),
		valid: h.Get("webhook-signature") == "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil))})
	if r.to != "" {
		w.Header().Set("Location", r.to)
	}
	w.WriteHeader(r.status)
	_, _ = w.Write([]byte("words of the receiver"))
}

func (r *receiver) answers(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) got() []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// hook gives a user a webhook that leads to the receiver.
func (b *bundle) hook(user uuid.UUID, r *receiver, events ...string) uuid.UUID {
	b.t.Helper()
	id, secret, err := b.Create(b.t.Context(), user, r.URL+"/hook", events)
	must(b.t, err)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secret = secret
	return id
}
