package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"turkey/internal/audit"
	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/db/dbtest"
)

// provider is Google's sign-in and GA4 as far as a refresh token gets: each is good for one use, and the answer to it holds
// the next.
type provider struct {
	now func() time.Time

	mu       sync.Mutex
	good     map[string]bool      // refresh tokens that were not used yet
	heir     map[string]string    // what each that was used was replaced by
	tolerant bool                 // one that was used is good until its heir was
	keeps    bool                 // the refresh token is not replaced
	ends     time.Time            // of the grant; zero: it has no end
	life     time.Duration        // of access tokens
	access   map[string]time.Time // access tokens and their ends
	calls    int                  // at the token endpoint
	granted  int
	refused  int
	down     bool                 // answers 503
	cut      int                  // so many answers are lost after the work
	hold     func(refresh string) // before the work
	late     func()               // after it, before the answer
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/token" {
		p.report(w, r)
		return
	}
	refresh := r.PostFormValue("refresh_token")
	p.mu.Lock()
	p.calls++
	hold, late := p.hold, p.late
	p.mu.Unlock()
	if hold != nil {
		hold(refresh)
	}
	status, answer := p.grant(refresh)
	if late != nil {
		late()
	}
	if status == 0 {
		panic(http.ErrAbortHandler) // net/http's way to close the connection silently
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

// grant does the work; status 0: the answer is lost.
func (p *provider) grant(refresh string) (status int, answer map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return http.StatusServiceUnavailable, nil
	}
	if heir := p.heir[refresh]; !p.good[refresh] && (!p.tolerant || !p.good[heir]) {
		p.refused++
		return http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
	}
	p.granted++
	answer = map[string]any{"access_token": fmt.Sprintf("canary-access-%d", p.granted), "expires_in": int(p.life.Seconds())}
	p.access[answer["access_token"].(string)] = p.now().Add(p.life)
	if !p.keeps {
		next := fmt.Sprintf("canary-refresh-%d", p.granted)
		delete(p.good, refresh)
		delete(p.good, p.heir[refresh])
		p.good[next], p.heir[refresh] = true, next
		answer["refresh_token"] = next
	}
	if !p.ends.IsZero() {
		answer["refresh_token_expires_in"] = int(p.ends.Sub(p.now()).Seconds())
	}
	if p.cut > 0 {
		p.cut--
		return 0, nil
	}
	return http.StatusOK, answer
}

func (p *provider) report(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !p.accepts(token, p.now()) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"error":{"code":401,"message":"x","status":"UNAUTHENTICATED"}}`))
		return
	}
	_, _ = w.Write([]byte(`{"metricHeaders":[{"name":"sessions","type":"TYPE_INTEGER"}],"rows":[],"rowCount":0,"metadata":{"timeZone":"UTC","currencyCode":"EUR"}}`))
}

func (p *provider) accepts(token string, at time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return at.Before(p.access[token])
}

// revoke takes back every grant but these.
func (p *provider) revoke(but ...string) {
	p.set(func(p *provider) {
		clear(p.good)
		for _, refresh := range but {
			p.good[refresh] = true
		}
	})
}

func (p *provider) set(change func(*provider)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

func (p *provider) counts() (calls, granted, refused int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls, p.granted, p.refused
}

// told are the notices that a vault gave.
type told struct {
	mu     sync.Mutex
	events []string
	last   map[string]any
}

// Notify is for the vault.
func (n *told) Notify(ctx context.Context, tx pgx.Tx, user uuid.UUID, event string, subject map[string]any) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events, n.last = append(n.events, event), subject
	return nil
}

func (n *told) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.events, " ")
}

// renewed is a credential that is used through a token pair, and the vaults (servers) on its database.
type renewed struct {
	t        testing.TB
	url      string
	sql      *pgxpool.Pool // past every policy
	provider *provider
	offset   atomic.Int64 // of everybody's clock but PostgreSQL's
	told     told
	config   connector.Config
	vaults   []*Service
	user     uuid.UUID
	id       int64
}

// quick are times that a test can wait for. The deadline stays below the lease, as it must.
var quick = renewal{ttl: 3 * time.Second, deadline: 2 * time.Second, pause: 100 * time.Millisecond, yield: time.Second, poll: 5 * time.Millisecond}

func oauthContent(refresh string) string {
	return `{"refresh_token":"` + refresh + `","client_id":"c","client_secret":"canary-client","property_id":"1"}`
}

func setupRenewed(t testing.TB, servers int) *renewed {
	t.Helper()
	r := &renewed{t: t, url: dbtest.URL(t), user: uuid.New()}
	r.provider = &provider{now: r.now, good: map[string]bool{"canary-refresh-0": true}, heir: map[string]string{}, life: time.Hour, access: map[string]time.Time{}}
	server := httptest.NewServer(r.provider)
	t.Cleanup(server.Close)
	r.config = connector.Config{GoogleOAuthBase: server.URL, GADataBase: server.URL, AllowPrivate: true, Now: r.now}
	pool, err := pgxpool.New(t.Context(), r.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	r.sql = pool
	r.exec(`INSERT INTO apps (id) VALUES ('a')`)
	r.exec(`INSERT INTO users (id, app_id, email, password_hash) VALUES ($1, 'a', 'ada@example.com', 'x')`, r.user)
	for range servers {
		r.vaults = append(r.vaults, r.server(Config{}))
	}
	r.id = r.save(oauthContent("canary-refresh-0"))
	return r
}

// server is one more vault on the database.
func (r *renewed) server(cfg Config) *Service {
	r.t.Helper()
	d, err := db.Open(r.t.Context(), db.Config{URL: r.url, MaxConns: 8, ConnectTimeout: time.Minute})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(d.Close)
	cfg.DB, cfg.Log, cfg.Secret, cfg.Now, cfg.Notifier = d, slog.New(slog.DiscardHandler), []byte(strings.Repeat("s", 32)), r.now, &r.told
	cfg.Connectors = connector.New(r.config)
	s, err := New(r.t.Context(), cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	s.renewal = quick
	return s
}

func (r *renewed) now() time.Time       { return time.Now().Add(time.Duration(r.offset.Load())) }
func (r *renewed) pass(d time.Duration) { r.offset.Add(int64(d)) }
func (r *renewed) exec(sql string, a ...any) {
	r.t.Helper()
	if _, err := r.sql.Exec(r.t.Context(), sql, a...); err != nil {
		r.t.Fatal(err)
	}
}

func (r *renewed) save(content string) int64 {
	r.t.Helper()
	saved, err := r.vaults[0].save(r.t.Context(), r.user, "ga4", "Ada's property", []byte(content))
	if err != nil {
		r.t.Fatal(err)
	}
	return saved.id
}

// replace puts another content in the credential's place, on the last server.
func (r *renewed) replace(content string) {
	r.t.Helper()
	v := r.vaults[len(r.vaults)-1]
	head, err := v.head(r.t.Context(), r.user, r.id)
	if err != nil {
		r.t.Fatal(err)
	}
	checked, err := v.check("ga4", []byte(content))
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := v.advance(r.t.Context(), r.user, head, next{raw: []byte(content), content: &checked}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *renewed) number(sql string, a ...any) (n int) {
	r.t.Helper()
	if err := r.sql.QueryRow(r.t.Context(), sql, a...).Scan(&n); err != nil {
		r.t.Fatal(err)
	}
	return n
}

func (r *renewed) text(sql string, a ...any) (v string) {
	r.t.Helper()
	if err := r.sql.QueryRow(r.t.Context(), sql, a...).Scan(&v); err != nil {
		r.t.Fatal(err)
	}
	return v
}

func (r *renewed) generation() int { return r.number(`SELECT generation FROM credential_tokens`) }

// use opens the credential on a server and returns the access token that came with it.
func (r *renewed) use(server int) (string, error) {
	_, content, err := r.vaults[server].Use(context.Background(), r.user, r.id, audit.Use{Purpose: "sync"})
	if err != nil {
		return "", err
	}
	var c struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(content, &c); err != nil {
		return "", err
	}
	return c.AccessToken, nil
}

// await holds a call of the provider, at most until the test is over.
func (r *renewed) await(c <-chan struct{}) {
	select {
	case <-c:
	case <-r.t.Context().Done():
	}
}

func (r *renewed) awaitCall(c <-chan string) {
	r.t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		r.t.Fatal("the provider is not asked")
	}
}

// mustUse is use with a token that the provider accepts.
func (r *renewed) mustUse(server int) string {
	r.t.Helper()
	token, err := r.use(server)
	if err != nil {
		r.t.Fatal(err)
	}
	if !r.provider.accepts(token, r.now()) {
		r.t.Fatalf("the provider does not accept %q", token)
	}
	return token
}

func reasonOf(err error) connector.Reason {
	if e, ok := errors.AsType[*connector.Error](err); ok {
		return e.Reason
	}
	return connector.Reason(fmt.Sprint(err))
}

// noSecrets: neither audit nor health say a token.
func (r *renewed) noSecrets() {
	r.t.Helper()
	if n := r.number(`SELECT count(*) FROM audit_logs WHERE audit_logs::text LIKE '%canary%'`) + r.number(`SELECT count(*) FROM credentials
		WHERE credentials::text LIKE '%canary%'`) + r.number(`SELECT count(*) FROM credential_tokens WHERE credential_tokens::text LIKE '%canary%'`); n > 0 {
		r.t.Errorf("%d rows hold a secret", n)
	}
}
