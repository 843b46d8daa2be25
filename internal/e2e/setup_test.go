package e2e_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/crypto/argon2"

	"turkey/internal/audit"
	"turkey/internal/auth"
	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/db/dbtest"
	"turkey/internal/idempotency"
	"turkey/internal/kpi"
	"turkey/internal/limit"
	"turkey/internal/mail"
	"turkey/internal/notify"
	"turkey/internal/queue"
	"turkey/internal/server"
	"turkey/internal/vault"
)

// patience bounds a wait for something that takes well under a second unless the machine is busy.
const patience = 30 * time.Second

// What every deployment of these tests has.
const (
	publicURL  = "https://auth.example.com" // nobody listens there: links must not follow the request
	secret     = "canary-jwt-secret-0123456789abcdef"
	serviceKey = "canary-service-key-0123456789"
	password   = "Canary-Pass-4711!" // of every user who is not said to have another
	wrong      = "Wrong-Canary-0815!"
	another    = "Other-Canary-1213!"
	device     = "e2e-device/1.0"
)

// settings are what a test changes of a deployment.
type settings struct {
	auth    auth.Config
	limits  limit.Config
	proxies string // TRUST_PROXY
	url     string // of the database; empty: a fresh one
	direct  string // where notifications are followed; empty: the database

	providers connector.Config // where the providers are; zero: the real ones, which no test may call
	checks    bool             // credentials are checked without being asked
	runs      bool             // the pipeline works off its runs
	tracer    pgx.QueryTracer  // hears of every statement
	quiet     bool             // logs warnings only
}

type option func(*settings)

// with changes the settings of the auth half.
func with(change func(*auth.Config)) option { return func(s *settings) { change(&s.auth) } }

// limited changes the limits, which no test reaches otherwise. Zero rules are the contract's.
func limited(change func(*limit.Config)) option { return func(s *settings) { change(&s.limits) } }

// production is NODE_ENV=production.
func production(s *settings) { s.auth.Production, s.limits.Production = true, true }

// behindProxy trusts one hop, so that a request may come from anywhere.
func behindProxy(s *settings) { s.proxies = "1" }

// on is a database that the test brings along.
func on(url string) option { return func(s *settings) { s.url = url } }

// world is one database with everything that belongs to it but the replicas.
type world struct {
	t       testing.TB
	url     string
	sql     *pgxpool.Pool // as a superuser, past every policy
	offset  *atomic.Int64 // of the services' clock
	log     *lines
	users   atomic.Int64
	broken  atomic.Bool // a 5xx is part of the test
	refused atomic.Bool // a provider may refuse what it is asked: 502
	secrets sync.Map    // planted values that no error and no log may hold
}

// replica is a running server.
type replica struct {
	*world
	settings settings
	base     string
	http     *http.Client
	auth     *auth.Service
	notify   *notify.Service
	halt     func()
}

// setup starts a server on a database of its own: auth, vault, pipeline, limits, queue and a mailbox, wired as `serve`
// does it, with a clock that the test can move.
func setup(t testing.TB, options ...option) *replica {
	t.Helper()
	roomy := limit.Rule{Window: time.Hour, Max: 1 << 20}
	w := &world{t: t, offset: new(atomic.Int64), log: &lines{}}
	set := settings{
		auth: auth.Config{Issuer: publicURL, PublicURL: publicURL, DefaultApp: "default-app", Secret: []byte(secret), ServiceKey: []byte(serviceKey),
			AccessTTL: 15 * time.Minute, RefreshTTL: 7 * 24 * time.Hour, RefreshAbsolute: 90 * 24 * time.Hour, RefreshGrace: 30 * time.Second,
			ResetTTL: time.Hour, VerificationTTL: 48 * time.Hour, CleanupInterval: 24 * time.Hour, MailFrom: "noreply@example.com"},
		limits: limit.Config{General: roomy, Login: roomy, Mail: roomy, Refresh: roomy, Register: roomy, Admin: roomy, API: roomy, InProcess: true},
	}
	for _, o := range options {
		o(&set)
	}
	if w.url = set.url; w.url == "" {
		w.url = dbtest.URL(t)
	}
	pool, err := pgxpool.ParseConfig(w.url)
	must(t, err)
	pool.MaxConns = 4
	w.sql, err = pgxpool.NewWithConfig(t.Context(), pool)
	must(t, err)
	t.Cleanup(w.sql.Close)
	for _, s := range []string{secret, serviceKey, password, wrong, another} {
		w.secret(s)
	}
	t.Cleanup(w.checkLog)
	return w.start(set)
}

// again starts another replica on the same database.
func (s *replica) again(options ...option) *replica {
	s.t.Helper()
	set := s.settings
	for _, o := range options {
		o(&set)
	}
	return s.start(set)
}

func (w *world) start(set settings) *replica {
	w.t.Helper()
	t := w.t
	level := slog.LevelDebug
	if set.quiet {
		level = slog.LevelWarn
	}
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: level}))
	database, err := db.Open(t.Context(), db.Config{URL: dbtest.Through(t, w.url), MaxConns: 8, ConnectTimeout: patience, Tracer: set.tracer})
	must(t, err)
	proxies, err := server.ParseTrustProxy(set.proxies)
	must(t, err)
	jobs := queue.New(database, log, 4)
	s := &replica{world: w, settings: set}

	lc := set.limits
	lc.DB, lc.Log, lc.Key = database, log, []byte("0123456789abcdef")
	lc.ServiceKey = func(r *http.Request) bool { return s.auth.HasServiceKey(r) }
	lc.APIUser = func(r *http.Request) string { return s.auth.TokenUser(r) }
	limits, err := limit.New(t.Context(), lc)
	must(t, err)

	ac := set.auth
	ac.DB, ac.Log, ac.Queue, ac.Now, ac.Lockout = database, log, jobs, w.now, lockout{limits.Lockout()}
	ac.Purgers = map[string]auth.Purger{"rate_limits": limits.Purge}
	for name, purge := range vault.Purgers(database) {
		ac.Purgers[name] = purge
	}
	if ac.Templates, err = mail.LoadTemplates(""); err != nil {
		t.Fatal(err)
	}
	if ac.Mail == nil {
		ac.Mail, err = mail.NewSender(mail.Config{Service: "mailbox", Mailbox: auth.Mailbox{DB: database}, Log: log})
		must(t, err)
	}
	s.auth, err = auth.New(t.Context(), ac)
	must(t, err)
	srv := server.New(server.Config{Version: "1.0.0-test", Log: log, Origins: ac.Origins, AllowOrigin: s.auth.AllowsOrigin, TrustProxy: proxies, Ping: database.Ping, Clerk: s.auth.ClerkState})
	srv.Use(limits.Layer(auth.PageErrors(srv.WriteError)))
	repeats, err := idempotency.New(idempotency.Config{DB: database, Log: log, Secret: ac.Secret, PreviousSecret: ac.PreviousSecret})
	must(t, err)
	s.auth.Then(repeats.Once(srv.API()))
	s.auth.Mount(srv.API())
	s.auth.MountAdmin(srv.API())
	s.auth.MountPages(srv)
	seed, err := s.auth.Secret(t.Context(), "audit-seal")
	must(t, err)
	keeper, err := audit.NewKeeper(audit.Config{DB: database, Log: log, Now: w.now, Seed: seed})
	must(t, err)
	keeper.Mount(srv.API(), s.auth.Operators(srv.API()))
	connectors := connector.New(set.providers)
	notices := notify.New(notify.Config{DB: database, Log: log, Now: w.now, Queue: jobs, Mail: s.auth, AllowPrivate: true})
	s.notify = notices
	vc := vault.Config{DB: database, Log: log, Secret: []byte(strings.Repeat("e", 32)), Connectors: connectors, Notifier: notices, Now: w.now}
	if set.checks {
		vc.Queue = jobs
	}
	credentials, err := vault.New(t.Context(), vc)
	must(t, err)
	credentials.Mount(srv.API(), s.auth.Recognised(srv.API()))
	notices.SealWith(credentials)
	notices.Mount(srv.API(), s.auth.Recognised(srv.API()))
	pipeline := kpi.New(kpi.Config{DB: database, Log: log, Now: w.now, Credentials: credentials, Connectors: connectors, Zone: "UTC", MaxAttempts: 1, Queue: jobs,
		Schedules: kpi.Schedules{On: true, Cron: "0 2 * * *"}, OperatorApp: ac.DefaultApp, Notifier: notices})
	pipeline.Mount(srv.API(), s.auth.Recognised(srv.API()))
	s.auth.AddExporter("notifications", notices.Export)
	s.auth.AddExporter("credentials", credentials.Export)
	s.auth.AddExporter("pipeline", pipeline.Export)
	stopRuns := func() {}
	if set.runs {
		pipeline.Start(context.WithoutCancel(t.Context()))
		stopRuns = pipeline.Stop
	}
	must(t, jobs.Open())
	must(t, jobs.Start(context.WithoutCancel(t.Context())))
	limits.Start()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s.base = "http://" + listener.Addr().String()
	s.http = &http.Client{Transport: inspector{s, &http.Transport{MaxIdleConnsPerHost: 64}}, Timeout: 2 * patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	direct := set.direct
	if direct == "" {
		direct = w.url
	}
	var running sync.WaitGroup
	running.Go(func() { s.auth.Follow(ctx, direct) })
	running.Go(func() {
		if err := srv.Serve(ctx, listener, patience); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	s.halt = sync.OnceFunc(func() {
		s.http.CloseIdleConnections()
		cancel()
		running.Wait()
		stopRuns()
		grace, stop := context.WithTimeout(context.Background(), patience)
		defer stop()
		if err := jobs.Stop(grace); err != nil && !w.broken.Load() {
			t.Errorf("stop jobs: %v", err)
		}
		if err := limits.Stop(grace); err != nil && !w.broken.Load() {
			t.Errorf("stop limits: %v", err)
		}
		database.Close()
	})
	t.Cleanup(s.halt)
	return s
}

// lockout lets the auth half use package limit's, as cli does.
type lockout struct{ *limit.Lockout }

// Begin asks whether a guess may be judged.
func (l lockout) Begin(ctx context.Context, app, email, ip, device string, along db.Along) (auth.Attempt, error) {
	if device != "" {
		ctx = limit.WithKnownDevice(ctx, device)
	}
	return l.Lockout.Begin(ctx, app, email, ip, along)
}

// now is the services' clock; PostgreSQL's and the caches' are the real one.
func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) }

// pass moves the services' clock.
func (w *world) pass(d time.Duration) { w.offset.Add(int64(d)) }

// lines is a buffer that servers write and a test reads.
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

// secret plants a value: it must not appear in an error or in the log.
func (w *world) secret(v string) string {
	w.secrets.Store(v, true)
	return v
}

// never stands in no answer that is an error: traces, SQL, keys, tokens.
var never = regexp.MustCompile(`(?i)\.go:\d+|SQLSTATE|pgx|pgconn|password_hash|argon2|turkey_(app|system|owner)|` + unlogged)

// unlogged stands in no log either, where a cause may name its SQLSTATE and its role.
const unlogged = `\b(insert into|delete from|select [a-z_.*]+ from|update [a-z_]+ set)\b|-----BEGIN|eyJ[A-Za-z0-9_-]{12}|` +
	`rt_[0-9a-f]{8}-[0-9a-f]{4}|\$argon2|\$2[aby]\$|goroutine \d|panic|token=[0-9a-f]{8}`

var neverLogged = regexp.MustCompile(`(?i)` + unlogged)

func (w *world) checkLog() {
	text := w.log.String()
	if w.t.Failed() {
		var odd []string
		for _, level := range []string{"level=ERROR", "level=WARN"} {
			for line := range strings.Lines(text) {
				if len(odd) < 40 && strings.Contains(line, level) {
					odd = append(odd, line)
				}
			}
		}
		w.t.Logf("warnings of the servers:\n%s", strings.Join(odd, ""))
	}
	if found := neverLogged.FindString(text); found != "" {
		w.t.Errorf("the log holds %q", found)
	}
	w.secrets.Range(func(v, _ any) bool {
		if strings.Contains(text, v.(string)) {
			w.t.Errorf("the log holds the secret %q", v)
		}
		return true
	})
}

// inspector looks at every answer: what the contract says of all of them (auth-api.md §1, §2).
type inspector struct {
	s    *replica
	next http.RoundTripper
}

// RoundTrip is for http.Client.
func (i inspector) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := i.next.RoundTrip(r)
	if err != nil {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp, err
	}
	if err := resp.Body.Close(); err != nil {
		return resp, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	i.s.checkHeaders(r, resp)
	if r.Method != http.MethodHead {
		if wrong := document().check(r, resp.StatusCode, resp.Header.Get("Content-Type"), body); wrong != "" {
			i.s.t.Errorf("%s %s: %d is not as openapi.json says: %s\n%s", r.Method, r.URL.Path, resp.StatusCode, wrong, body[:min(len(body), 600)])
		}
	}
	health := strings.HasSuffix(r.URL.Path, "/health") || r.URL.Path == "/readyz" // a 503 has the shape of the 200 there
	page := strings.HasPrefix(r.URL.Path, "/auth/")
	switch {
	case r.Method == http.MethodHead || resp.StatusCode == 204 || resp.StatusCode == 304:
		if len(body) != 0 {
			i.s.t.Errorf("%s %s: %d with a body", r.Method, r.URL.Path, resp.StatusCode)
		}
	case resp.StatusCode >= 400 && !health && !page:
		i.s.checkError(r, resp, body)
	case strings.Contains(string(body), "PRIVATE KEY") || strings.Contains(string(body), "$argon2") || strings.Contains(string(body), "password_hash"):
		i.s.t.Errorf("%s %s gives away a secret: %s", r.Method, r.URL.Path, body)
	}
	refused := i.s.refused.Load() && resp.StatusCode == 502 && strings.Contains(string(body), `"SERVICE_ERROR"`)
	if resp.StatusCode >= 500 && !i.s.broken.Load() && !refused {
		// A short queue of password hashes sheds load by design.
		if resp.StatusCode != 503 || !strings.Contains(string(body), "Too many sign-ins at this moment") {
			i.s.t.Errorf("%s %s: %d %s", r.Method, r.URL.Path, resp.StatusCode, body)
		}
	}
	return resp, nil
}

var fixedHeaders = map[string]string{
	"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Origin-Agent-Cluster": "?1", "Referrer-Policy": "no-referrer",
	"Strict-Transport-Security": "max-age=15552000; includeSubDomains", "X-Content-Type-Options": "nosniff", "X-Dns-Prefetch-Control": "off",
	"X-Download-Options": "noopen", "X-Frame-Options": "SAMEORIGIN", "X-Permitted-Cross-Domain-Policies": "none", "X-Xss-Protection": "0",
}

func (s *replica) checkHeaders(r *http.Request, resp *http.Response) {
	s.t.Helper()
	bad := func(what string) { s.t.Errorf("%s %s: %d: %s", r.Method, r.URL.Path, resp.StatusCode, what) }
	h := resp.Header
	for name, want := range fixedHeaders {
		if h.Get(name) != want {
			bad(name + ": " + h.Get(name))
		}
	}
	for _, rule := range []string{"default-src 'self'", "object-src 'none'", "base-uri 'self'", "frame-ancestors 'self'"} {
		if !strings.Contains(h.Get("Content-Security-Policy"), rule) {
			bad("CSP without " + rule)
		}
	}
	for _, name := range []string{"X-Powered-By", "Server"} {
		if h.Get(name) != "" {
			bad(name + " is sent")
		}
	}
	if h.Get("X-Request-Id") == "" || h.Get("X-Request-Id") == r.Header.Get("X-Request-Id") {
		bad("X-Request-Id " + h.Get("X-Request-Id"))
	}
	if (strings.HasPrefix(r.URL.Path, "/v1/") || strings.HasPrefix(r.URL.Path, "/api/") || strings.HasPrefix(r.URL.Path, "/auth/")) && resp.StatusCode != 302 && h.Get("Cache-Control") != "no-store" {
		bad("Cache-Control " + h.Get("Cache-Control"))
	}
	if !strings.HasPrefix(r.URL.Path, "/v1/") {
		return
	}
	for name := range h {
		if strings.HasPrefix(name, "X-Ratelimit") {
			bad(name)
		}
	}
	if ct := h.Get("Content-Type"); resp.StatusCode != 204 && resp.StatusCode != 304 && ct != "application/json" {
		bad("Content-Type " + ct)
	}
}

var (
	authMembers = []string{"error", "message", "details", "timestamp", "path", "requestId", "retryAfter", "lockoutActive"}
	apiMembers  = []string{"success", "error", "code", "details", "retryAfter"}
	authCode    = regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	apiCode     = regexp.MustCompile(`^[A-Z]+(_[A-Z]+)*$`)
)

func (s *replica) checkError(r *http.Request, resp *http.Response, body []byte) {
	s.t.Helper()
	bad := func(what string) {
		s.t.Helper()
		s.t.Errorf("%s %s: %d: %s: %s", r.Method, r.URL.Path, resp.StatusCode, what, body)
	}
	if ct := resp.Header.Get("Content-Type"); resp.StatusCode != 304 && ct != "application/json" {
		bad("Content-Type " + ct)
	}
	var members map[string]any
	if err := json.Unmarshal(body, &members); err != nil {
		bad("not a JSON object")
		return
	}
	text := func(name string) string { v, _ := members[name].(string); return v }
	allowed := authMembers
	if strings.HasPrefix(r.URL.Path, "/api/") {
		allowed = apiMembers
		if text("error") == "" || !apiCode.MatchString(text("code")) && resp.StatusCode != 408 { // of a run that was waited for (contract §8.1)
			bad("error and code are wanted")
		}
	} else {
		if !authCode.MatchString(text("error")) || text("message") == "" || text("path") != string([]rune(r.URL.Path)) || text("requestId") != resp.Header.Get("X-Request-Id") {
			bad("error, message, path and requestId are wanted")
		}
		if _, err := time.Parse("2006-01-02T15:04:05.000Z", text("timestamp")); err != nil {
			bad("timestamp")
		}
		if details, sent := members["details"]; sent {
			list, ok := details.([]any)
			if !ok || len(list) == 0 {
				bad("details is not a list")
			}
			for _, d := range list {
				m, _ := d.(map[string]any)
				for name, v := range m {
					if _, isText := v.(string); !isText || !slices.Contains([]string{"field", "message", "code", "received"}, name) {
						bad("detail " + name)
					}
				}
			}
		}
	}
	for name := range members {
		if !slices.Contains(allowed, name) {
			bad("member " + name)
		}
	}
	if resp.StatusCode == 429 || resp.StatusCode == 503 {
		if resp.Header.Get("Retry-After") == "" || resp.Header.Get("Retry-After") == "0" {
			bad("no Retry-After")
		}
	}
	if found := never.FindString(string(body)); found != "" {
		bad("holds " + found)
	}
	s.secrets.Range(func(v, _ any) bool {
		if strings.Contains(string(body), v.(string)) {
			bad("holds the secret " + v.(string))
		}
		return true
	})
}

// object is a JSON object.
type object = map[string]any

// answer is one answer of the server.
type answer struct {
	status int
	header http.Header
	body   object
	raw    string
}

// at walks into the answer: at("data", "user", "id"). A list is walked by index.
func (a answer) at(path ...any) any {
	var v any = a.body
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(object)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func (a answer) text(path ...any) string { v, _ := a.at(path...).(string); return v }

// code is the stable code of an error of either half.
func (a answer) code() string {
	if c := a.text("code"); c != "" {
		return c
	}
	return a.text("error")
}

// want fails the test unless the answer has the status and, if one is given, the code.
func (a answer) want(t testing.TB, status int, code string) answer {
	t.Helper()
	if a.status != status || code != "" && a.code() != code {
		t.Errorf("got %d %s, want %d %s: %s", a.status, a.code(), status, code, a.raw)
	}
	return a
}

// header changes a request before it is sent.
type header func(*http.Request)

func set(name, value string) header {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// from lets a request of a deployment behindProxy come from an address.
func from(ip string) header { return set("X-Forwarded-For", ip) }

func keyed(r *http.Request) { r.Header.Set("X-Turkey-Service-Key", serviceKey) }

// call sends a request; body is nil, a string or reader that goes as it is, or a value that goes as JSON. token "" sends no
// Authorization.
func (s *replica) call(method, path, token string, body any, headers ...header) answer {
	s.t.Helper()
	a, err := s.try(method, path, token, body, headers...)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// try is call for servers that may be away.
func (s *replica) try(method, path, token string, body any, headers ...header) (answer, error) {
	var content io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		content = strings.NewReader(b)
	case io.Reader:
		content = b
	default:
		j, err := json.Marshal(b)
		if err != nil {
			return answer{}, err
		}
		content = bytes.NewReader(j)
	}
	req, err := http.NewRequest(method, s.base+path, content)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("User-Agent", device)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for _, h := range headers {
		h(req)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	a := answer{status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &a.body) // a page is no JSON
	return a, err
}

func (s *replica) post(path string, body any, headers ...header) answer {
	s.t.Helper()
	return s.call("POST", path, "", body, headers...)
}

func (s *replica) get(path, token string, headers ...header) answer {
	s.t.Helper()
	return s.call("GET", path, token, nil, headers...)
}

// user is somebody with a session.
type user struct {
	s                   *replica
	id, email, app, sid string
	access, refresh     string
	reset, verify       string // tokens of links, where a test took them
}

// cheapHash is of password, with parameters that cost nothing to check: users are many, and real hashes are for tests of them.
var cheapHash = sync.OnceValue(func() string { return phc(password, 1, 8) })

// realHash is of password, as the server makes it.
var realHash = sync.OnceValue(func() string { return phc(password, 2, 19*1024) })

func phc(password string, passes, kib uint32) string {
	salt := []byte("0123456789abcdef")
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=1$%s$%s", kib, passes, b64(salt), b64(argon2.IDKey([]byte(password), salt, passes, kib, 1, 32)))
}

// account makes a user without a session. changes are of the row, as SQL assignments.
func (w *world) account(app string, changes ...string) (id, email string) {
	w.t.Helper()
	email = fmt.Sprintf("user-%d@example.com", w.users.Add(1))
	w.exec(`INSERT INTO apps (id, name) VALUES ($1, $1) ON CONFLICT DO NOTHING`, app)
	id = one[string](w, `INSERT INTO users (app_id, email, password_hash, email_verified) VALUES ($1, $2, $3, true) RETURNING id::text`, app, email, cheapHash())
	for _, c := range changes {
		w.exec(`UPDATE users SET `+c+` WHERE id = $1`, id)
	}
	return id, email
}

// user makes a user and signs in.
func (s *replica) user(app string, changes ...string) *user {
	s.t.Helper()
	id, email := s.account(app, changes...)
	return s.signIn(app, id, email)
}

// more is another session of the same user.
func (u *user) more() *user { u.s.t.Helper(); return u.s.signIn(u.app, u.id, u.email) }

func (s *replica) signIn(app, id, email string) *user {
	s.t.Helper()
	a := s.login(app, email, password)
	if a.status != 200 {
		s.t.Fatalf("login: %d %s", a.status, a.raw)
	}
	u := &user{s: s, id: id, email: email, app: app, access: a.text("data", "accessToken"), refresh: a.text("data", "refreshToken")}
	u.sid, _, _ = strings.Cut(strings.TrimPrefix(u.refresh, "rt_"), ".")
	return u
}

func (s *replica) login(app, email, password string, headers ...header) answer {
	s.t.Helper()
	return s.post("/v1/auth/login", object{"email": email, "password": password, "appId": app}, headers...)
}

func (s *replica) register(app, email, password string, headers ...header) answer {
	s.t.Helper()
	return s.post("/v1/auth/register", object{"email": email, "password": password, "appId": app}, headers...)
}

func (s *replica) refresh(app, token string) answer {
	s.t.Helper()
	return s.post("/v1/auth/refresh", object{"refreshToken": token, "appId": app})
}

func (s *replica) introspect(token string) answer {
	s.t.Helper()
	return s.post("/v1/auth/introspect", object{"token": token}, keyed).want(s.t, 200, "")
}

func (s *replica) active(token string) bool {
	s.t.Helper()
	active, _ := s.introspect(token).at("data", "active").(bool)
	return active
}

func (s *replica) me(access string) answer { s.t.Helper(); return s.get("/v1/users/me", access) }

// recognised asks a route of /api, which goes by the revocation feed.
func (s *replica) recognised(access string) answer {
	s.t.Helper()
	return s.get("/api/credentials/list", access)
}

// exec changes the database behind the server's back.
func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	_, err := w.sql.Exec(w.t.Context(), sql, args...)
	must(w.t, err)
}

// one reads one value from the database.
func one[T any](w *world, sql string, args ...any) (v T) {
	w.t.Helper()
	must(w.t, w.sql.QueryRow(w.t.Context(), sql, args...).Scan(&v))
	return v
}

func (w *world) count(sql string, args ...any) int { w.t.Helper(); return one[int](w, sql, args...) }

// actions are the audited actions of a user, in order.
func (w *world) actions(id string) string {
	w.t.Helper()
	return one[string](w, `SELECT coalesce(string_agg(action, ' ' ORDER BY created_at, id), '') FROM audit WHERE user_id = $1`, id)
}

// letter is a mail that was sent.
type letter struct{ To, Subject, Text, HTML string }

var token64 = regexp.MustCompile(`token=([0-9a-f]{64})\b`)

// token is that of the link in a mail.
func (l letter) token(t testing.TB) string {
	t.Helper()
	m := token64.FindStringSubmatch(l.Text)
	if m == nil || !strings.Contains(l.HTML, m[1]) {
		t.Fatalf("no link in %q", l.Text)
	}
	return m[1]
}

// mails waits until every mail was sent or failed, and reads those to an address, oldest first.
func (w *world) mails(to string) (found []letter) {
	w.t.Helper()
	eventually(w.t, "mails are sent", func() bool {
		return w.count(`SELECT count(*) FROM mails WHERE sent_at IS NULL AND error IS NULL`) == 0
	})
	rows, err := w.sql.Query(w.t.Context(), `SELECT recipient, subject, body_text, body_html FROM mailbox WHERE recipient = $1 ORDER BY id`, to)
	must(w.t, err)
	defer rows.Close()
	for rows.Next() {
		var l letter
		must(w.t, rows.Scan(&l.To, &l.Subject, &l.Text, &l.HTML))
		found = append(found, l)
	}
	must(w.t, rows.Err())
	return found
}

// last is the newest mail to an address whose subject begins so.
func (w *world) last(to, subject string) letter {
	w.t.Helper()
	for _, l := range slices.Backward(w.mails(to)) {
		if strings.HasPrefix(l.Subject, subject) {
			return l
		}
	}
	w.t.Fatalf("no mail %q to %s", subject, to)
	return letter{}
}

// subjects counts the mails to an address by subject.
func (w *world) subjects(to string) map[string]int {
	w.t.Helper()
	n := map[string]int{}
	for _, l := range w.mails(to) {
		n[l.Subject]++
	}
	return n
}

const (
	verifySubject  = "Verify Your Email Address"
	resetSubject   = "Reset Your Password"
	welcomeSubject = "Welcome to"
)

// resetToken asks for a reset link and takes it out of the mail.
func (s *replica) resetToken(app, email string) string {
	s.t.Helper()
	s.post("/v1/auth/request-password-reset", object{"email": email, "appId": app}).want(s.t, 200, "")
	return s.secret(s.last(email, resetSubject).token(s.t))
}

// verifyToken is that of a new verification link.
func (s *replica) verifyToken(app, email string) string {
	s.t.Helper()
	s.post("/v1/auth/resend-verification", object{"email": email, "appId": app}).want(s.t, 200, "")
	return s.secret(s.last(email, verifySubject).token(s.t))
}

// must fails the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits for something that happens by itself.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// together runs f n times at the same moment and returns the answers.
func together(n int, f func(i int) answer) []answer {
	all := make([]answer, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { <-start; all[i] = f(i) })
	}
	close(start)
	wg.Wait()
	return all
}

// statuses counts answers by status.
func statuses(all []answer) map[int]int {
	n := map[int]int{}
	for _, a := range all {
		n[a.status]++
	}
	return n
}
