package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/client"
	"turkey/internal/cli"
	"turkey/internal/db/dbtest"
)

// patience bounds a wait for something that takes well under a second unless the machine is busy.
const patience = 30 * time.Second

// TestMain lets this test binary be the program: with TURKEY_TEST_MAIN it runs a command line instead of tests.
func TestMain(m *testing.M) {
	if os.Getenv("TURKEY_TEST_MAIN") == "" {
		waitMore()
		os.Exit(m.Run())
	}
	in := io.Reader(os.Stdin)
	if os.Getenv("TURKEY_TEST_LEASH") != "" { // a server must not outlive the tests, however they end
		in = strings.NewReader("")
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(99)
		}()
	}
	os.Exit(cli.Main(os.Args, in, os.Stdout, os.Stderr))
}

// waitMore lets more tests run at once than there are processors, unless -parallel says how many: most wait for a process.
func waitMore() {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))) // the flag exists, and takes a number
	}
}

// lines is a buffer that a process writes and a test reads.
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

// program prepares a command line of the program in an environment of its own: nothing of ours but what PostgreSQL's
// programs and the coverage of tests need. env is NAME=value.
func program(t testing.TB, env []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Args[0] = "turkey"
	cmd.Dir = t.TempDir() // no .env of this repository
	cmd.Env = []string{"TURKEY_TEST_MAIN=1", "HOST=localhost", "TURKEY_SANDBOX_PORT=0"}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "TURKEY_POSTGRES_BIN", "GOCOVERDIR", "GORACE"} {
		if v := os.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// outcome is how a command line ended.
type outcome struct {
	code     int
	out, err string
	took     time.Duration
}

// run plays a command line to its end.
func run(t testing.TB, env []string, args ...string) outcome {
	t.Helper()
	cmd := program(t, env, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(2*patience, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), out.String(), errOut.String(), time.Since(begin)}
}

// dataDir makes a data directory that root's PostgreSQL can be reached in.
func dataDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "turkey-cli-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(dir, "data")
}

var ports sync.Map // handed out by this process

// freePort finds a port that nobody listens on at this moment.
func freePort(t testing.TB) string {
	t.Helper()
	for {
		l, err := net.Listen("tcp", "localhost:0")
		if err != nil {
			t.Fatal(err)
		}
		port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, taken := ports.LoadOrStore(port, true); !taken {
			return port
		}
	}
}

// server is a `turkey serve` process.
type server struct {
	t       testing.TB
	cmd     *exec.Cmd
	leash   io.Closer
	base    string // http://localhost:port
	sandbox string // http://host:port, "" without sandbox
	dir     string // TURKEY_DATA_DIR
	db      string // DATABASE_URL, "" with a private PostgreSQL
	log     *lines
	exited  chan struct{}
	http    *http.Client

	secrets sync.Map // planted values that no error and no log may hold
	users   atomic.Int64
}

// setup starts a server on a fresh migrated database, with the sandbox. env changes its settings.
func setup(t testing.TB, env ...string) *server {
	t.Helper()
	return serve(t, append([]string{"DATABASE_URL=" + dbtest.URL(t), "TURKEY_SANDBOX=true"}, env...), "serve")
}

// serve starts a server and waits until it is healthy. It is stopped with the test, and its log is looked through.
func serve(t testing.TB, env []string, args ...string) *server {
	t.Helper()
	s := launch(t, env, args...)
	s.await()
	return s
}

// launch starts a server without waiting for it.
func launch(t testing.TB, env []string, args ...string) *server {
	t.Helper()
	settings := map[string]string{}
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		settings[name] = value
	}
	if settings["PORT"] == "" {
		settings["PORT"] = freePort(t)
	}
	if settings["TURKEY_DATA_DIR"] == "" {
		settings["TURKEY_DATA_DIR"] = dataDir(t)
	}
	settings["TURKEY_TEST_LEASH"] = "1"
	env = nil
	for name, value := range settings {
		env = append(env, name+"="+value)
	}
	s := &server{t: t, cmd: program(t, env, args...), base: "http://localhost:" + settings["PORT"], dir: settings["TURKEY_DATA_DIR"],
		db: settings["DATABASE_URL"], log: &lines{}, exited: make(chan struct{})}
	s.http = &http.Client{Transport: inspector{s, &http.Transport{MaxIdleConnsPerHost: 32}}, Timeout: patience}
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	leash, err := s.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.leash = leash
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait() // stop looks at the exit code
		close(s.exited)
	}()
	t.Cleanup(func() {
		s.stop(syscall.SIGTERM)
		s.http.CloseIdleConnections()
		if t.Failed() {
			t.Logf("log of the server at %s:\n%s", s.base, s.log)
		}
		s.checkLog(s.log.String())
	})
	return s
}

var sandboxURL = regexp.MustCompile(`Sandbox providers started.*url"?[=:]"?(http://[0-9.:\[\]a-z]+)`)

// await returns when the server is healthy.
func (s *server) await() {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		resp, err := http.Get(s.base + "/health")
		if err == nil {
			_ = resp.Body.Close() // only the status counts
			if resp.StatusCode == http.StatusOK {
				break
			}
		}
		select {
		case <-s.exited:
			s.t.Fatalf("the server ended with %d:\n%s", s.cmd.ProcessState.ExitCode(), s.log)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the server is not healthy:\n%s", s.log)
		}
	}
	if s.cmd.Args[1] == "serve" { // what it logs comes through a pipe
		eventually(s.t, "the server says where everything is", func() bool {
			return strings.Contains(s.log.String(), "GET  /health") || strings.Contains(s.log.String(), "/health\"")
		})
	}
	if m := sandboxURL.FindStringSubmatch(s.log.String()); m != nil {
		s.sandbox = m[1]
	}
}

// stop signals the server and returns its exit code, -1 if it was killed.
func (s *server) stop(sig syscall.Signal) int {
	s.t.Helper()
	_ = s.cmd.Process.Signal(sig) // gone already is as good
	select {
	case <-s.exited:
	case <-time.After(patience):
		s.t.Errorf("the server did not end after %s", sig)
		_ = s.cmd.Process.Kill() // gone already is as good
		<-s.exited
	}
	_ = s.leash.Close()
	return s.cmd.ProcessState.ExitCode()
}

// secret plants a value: it must not appear in an error or in a log.
func (s *server) secret(v string) string {
	s.secrets.Store(v, true)
	return v
}

// never stands in no answer that is an error: traces, SQL, keys, tokens.
var never = regexp.MustCompile(`(?i)\.go:\d+|SQLSTATE|pgx|pgconn|password_hash|argon2|turkey_(app|system|owner)|` +
	unlogged)

// unlogged stands in no log either, where a cause may name its SQLSTATE and its role.
const unlogged = `\b(insert into|delete from|select [a-z_.*]+ from|update [a-z_]+ set)\b|-----BEGIN|eyJ[A-Za-z0-9_-]{12}|` +
	`rt_[0-9a-f]{8}-[0-9a-f]{4}|ya29\.|GOCSPX-|1//0[A-Z]|goroutine \d|panic`

var neverLogged = regexp.MustCompile(`(?i)` + unlogged)

func (s *server) checkLog(text string) {
	s.t.Helper()
	if found := neverLogged.FindString(text); found != "" {
		s.t.Errorf("the log holds %q", found)
	}
	if strings.Contains(text, "status=500") || strings.Contains(text, `"status":500`) {
		s.t.Error("a request ended with 500")
	}
	s.secrets.Range(func(v, _ any) bool {
		if strings.Contains(text, v.(string)) {
			s.t.Errorf("the log holds the secret %q", v)
		}
		return true
	})
}

// inspector looks at every answer of the server: errors have the shape of their half and hold nothing they must not.
type inspector struct {
	s    *server
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
	if resp.Header.Get("X-Request-Id") == "" {
		i.s.t.Errorf("%s %s: no X-Request-Id", r.Method, r.URL.Path)
	}
	health := strings.HasSuffix(r.URL.Path, "/health") || r.URL.Path == "/readyz" // a 503 has the shape of the 200 there
	if resp.StatusCode >= 400 && !health {
		i.s.checkError(r, resp, body)
	} else if bytes.Contains(body, []byte("PRIVATE KEY")) || bytes.Contains(body, []byte("encrypted")) {
		i.s.t.Errorf("%s %s gives away a secret: %s", r.Method, r.URL.Path, body)
	}
	return resp, nil
}

var (
	authMembers = map[string]bool{"error": true, "message": true, "details": true, "timestamp": true, "path": true, "requestId": true, "retryAfter": true, "lockoutActive": true}
	apiMembers  = map[string]bool{"success": true, "error": true, "code": true, "details": true, "retryAfter": true}
	authCode    = regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	apiCode     = regexp.MustCompile(`^[A-Z]+(_[A-Z]+)*$`)
)

func (s *server) checkError(r *http.Request, resp *http.Response, body []byte) {
	s.t.Helper()
	bad := func(what string) {
		s.t.Helper()
		s.t.Errorf("%s %s: %d: %s: %s", r.Method, r.URL.Path, resp.StatusCode, what, body)
	}
	if ct := resp.Header.Get("Content-Type"); ct != "application/json" {
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
		if text("error") == "" || !apiCode.MatchString(text("code")) {
			bad("error and code are wanted")
		}
	} else {
		if !authCode.MatchString(text("error")) || text("message") == "" || text("path") != r.URL.Path ||
			text("requestId") != resp.Header.Get("X-Request-Id") {
			bad("error, message, path and requestId are wanted")
		}
		if _, err := time.Parse("2006-01-02T15:04:05.000Z", text("timestamp")); err != nil {
			bad("timestamp")
		}
		if details, sent := members["details"]; sent {
			if _, ok := details.([]any); !ok {
				bad("details is not a list")
			}
		}
	}
	for name := range members {
		if !allowed[name] {
			bad("member " + name)
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

// answer is one answer of the server.
type answer struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

// at walks into the answer: at("data", "user", "id"). A list is walked by index.
func (a answer) at(path ...any) any {
	var v any = a.body
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
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

// code is the stable code of an error of either half.
func (a answer) code() string {
	if c, ok := a.body["code"].(string); ok {
		return c
	}
	c, _ := a.body["error"].(string)
	return c
}

// call sends a request; body is nil, a string that goes as it is, or a value that goes as JSON.
func (s *server) call(method, path, token string, body any) answer {
	s.t.Helper()
	return s.send(method, path, token, "application/json", body)
}

func (s *server) send(method, path, token, contentType string, body any) answer {
	s.t.Helper()
	var content io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		content = strings.NewReader(b)
	case io.Reader:
		content = b
	default:
		content = bytes.NewReader(encode(s.t, b))
	}
	req, err := http.NewRequest(method, s.base+path, content)
	if err != nil {
		s.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	return s.do(req)
}

func (s *server) do(req *http.Request) answer {
	s.t.Helper()
	resp, err := s.http.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &a.body) // a page is no JSON
	return a
}

// want fails the test unless the answer has the status and, if one is given, the code.
func (a answer) want(t testing.TB, status int, code string) answer {
	t.Helper()
	if a.status != status || code != "" && a.code() != code {
		t.Errorf("got %d %s, want %d %s: %s", a.status, a.code(), status, code, a.raw)
	}
	return a
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// refused checks an error of the client.
func refused(t testing.TB, err error, status int, code string) {
	t.Helper()
	e, ok := errors.AsType[*client.Error](err)
	if !ok || e.Status != status || e.Code != code {
		t.Errorf("got %v, want %d %s", err, status, code)
	}
}

// must fails the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// in is the Go client of an app, behind the inspector.
func (s *server) in(app string) *client.Client {
	return client.New(s.base, client.WithApp(app), client.WithHTTPClient(s.http))
}

// password is good for every user, and planted.
const password = "Canary-Pass-4711!"

// user registers somebody new.
func (s *server) user(app string) *client.Session {
	s.t.Helper()
	s.secret(password)
	u, err := s.in(app).Register(s.t.Context(), fmt.Sprintf("user-%d@example.com", s.users.Add(1)), password)
	must(s.t, err)
	return u
}

func bearer(u *client.Session) string { return "Bearer " + u.Tokens().AccessToken }

// console speaks to the sandbox, as a person does at Google.
func console(t testing.TB, method, url string, in, out any) {
	t.Helper()
	var content io.Reader
	if in != nil {
		content = bytes.NewReader(encode(t, in))
	}
	req, err := http.NewRequest(method, url, content)
	must(t, err)
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %d %s", method, url, resp.StatusCode, answer)
	}
	if out != nil {
		must(t, json.Unmarshal(answer, out))
	}
}

// google is what a person has at Google: a service account, a spreadsheet and a property shared with it.
type google struct {
	t                            testing.TB
	url                          string
	key                          map[string]any // the service account's key file
	email, spreadsheet, property string
}

func (s *server) google() *google {
	s.t.Helper()
	g := newGoogle(s.t, s.sandbox)
	for _, line := range strings.Split(g.key["private_key"].(string), "\n")[1:3] {
		s.secret(line)
	}
	return g
}

func newGoogle(t testing.TB, url string) *google {
	t.Helper()
	g := &google{t: t, url: url}
	g.console("POST", "/_sandbox/service-accounts", map[string]any{"name": "robot"}, &g.key)
	g.email = g.key["client_email"].(string)
	var made struct{ SpreadsheetID, PropertyID string }
	g.console("POST", "/_sandbox/spreadsheets", map[string]any{"title": "KPIs", "tabs": []string{"Google", "Other"}, "shareWith": g.email}, &made)
	g.console("POST", "/_sandbox/properties", map[string]any{"timeZone": "Europe/Berlin", "currency": "EUR", "shareWith": g.email}, &made)
	g.spreadsheet, g.property = made.SpreadsheetID, made.PropertyID
	return g
}

func (g *google) console(method, path string, in, out any) {
	g.t.Helper()
	console(g.t, method, g.url+path, in, out)
}

// sheets and ga4 are the credentials that the account's key makes.
func (g *google) sheets() client.NewCredential {
	return client.NewCredential{Service: "google_sheets", Name: "Sheets", Content: encode(g.t, g.key)}
}

func (g *google) ga4() client.NewCredential {
	content := maps.Clone(g.key)
	content["property_id"] = g.property
	return client.NewCredential{Service: "ga4", Name: "Analytics", Content: encode(g.t, content)}
}

// tab is a tab of the spreadsheet as Google keeps it.
func (g *google) tab(name string) [][]any {
	g.t.Helper()
	var file struct {
		Tabs []struct {
			Title string
			Cells [][]any
		}
	}
	g.console("GET", "/_sandbox/spreadsheets/"+g.spreadsheet, nil, &file)
	for _, t := range file.Tabs {
		if t.Title == name {
			return t.Cells
		}
	}
	g.t.Fatalf("no tab %s", name)
	return nil
}

// edit is a person who types into a cell.
func (g *google) edit(tab, a1 string, value any) {
	g.t.Helper()
	g.console("PUT", "/_sandbox/spreadsheets/"+g.spreadsheet+"/cells", map[string]any{"tab": tab, "a1": a1, "value": value}, nil)
}

// fault makes the next calls below a path go wrong.
func (g *google) fault(path string, fault map[string]any) {
	g.t.Helper()
	fault["path"] = path
	g.console("POST", "/_sandbox/faults", fault, nil)
}

// days are the dates in a tab below its header; no day may stand there twice.
func (g *google) days(tab string) []string {
	g.t.Helper()
	var days []string
	seen := map[string]bool{}
	for i, row := range g.tab(tab) {
		if i == 0 || len(row) < 2 {
			continue
		}
		day := fmt.Sprint(row[1])
		if seen[day] {
			g.t.Errorf("%s stands in the tab twice", day)
		}
		seen[day] = true
		days = append(days, day)
	}
	return days
}

// ready saves and verifies both credentials of a user and maps ga4 to the tab Google.
func (g *google) ready(u *client.Session) (sheets, ga4 int64) {
	g.t.Helper()
	save := func(n client.NewCredential) int64 {
		id, err := u.SaveCredential(g.t.Context(), n)
		must(g.t, err)
		_, err = u.Verify(g.t.Context(), id)
		must(g.t, err)
		return id
	}
	sheets, ga4 = save(g.sheets()), save(g.ga4())
	_, err := u.SetMapping(g.t.Context(), client.Mapping{Service: "ga4", SpreadsheetID: g.spreadsheet, SheetName: "Google"})
	must(g.t, err)
	return sheets, ga4
}

// sync runs ga4 once and returns how it ended.
func sync1(t testing.TB, u *client.Session, day string) client.Job {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	id, err := u.Sync(ctx, "ga4", day)
	must(t, err)
	j, err := u.WaitJob(ctx, id)
	must(t, err)
	return j
}

// completed is sync1 for a run that must end well.
func completed(t testing.TB, u *client.Session, day string) client.JobResult {
	t.Helper()
	j := sync1(t, u, day)
	if j.Status != "completed" || j.Result == nil || j.Progress != 100 {
		t.Fatalf("the job ended as %+v", j)
	}
	return *j.Result
}

// query reads one row of the server's database as a superuser.
func query(t testing.TB, url, sql string, args ...any) pgx.Row {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	return lastRow{conn.QueryRow(t.Context(), sql, args...), conn}
}

// lastRow gives its connection back once it is read: a test that polls would use up the server's otherwise.
type lastRow struct {
	pgx.Row
	conn *pgx.Conn
}

func (r lastRow) Scan(dest ...any) error {
	defer r.conn.Close(context.Background())
	return r.Row.Scan(dest...)
}

// execute changes the server's database as a superuser.
func execute(t testing.TB, url, sql string, args ...any) {
	t.Helper()
	ctx := context.Background() // cleanups come here too
	conn, err := pgx.Connect(ctx, url)
	must(t, err)
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql, args...)
	must(t, err)
}

// eventually waits for something that happens by itself.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// postgresIn lists the PostgreSQL processes that work in a directory.
func postgresIn(t testing.TB, dir string) (found []string) {
	t.Helper()
	out, err := exec.Command("ps", "-A", "-o", "pid=,args=").Output()
	if err != nil {
		t.Skip("no ps on this machine")
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "postgres") && strings.Contains(line, dir) {
			found = append(found, line)
		}
	}
	return found
}
