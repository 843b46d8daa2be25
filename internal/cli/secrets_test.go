package cli_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestSecretsAreNowhere sends secrets through every route, as they belong there and as they do not, and then looks for them
// in everything the server wrote: console, LOG_FILE, PostgreSQL's log, a dump of the database, the data directory.
func TestSecretsAreNowhere(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"pretty", "json"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			dir := dataDir(t)
			logFile := filepath.Join(filepath.Dir(dir), "logs", "app.log")
			s := serve(t, []string{"TURKEY_DATA_DIR=" + dir, "LOG_FILE=" + logFile, "LOG_FORMAT=" + format, "LOG_LEVEL=debug"}, "serve", "--demo")
			found, hook := plantSecrets(t, s)
			dump, rows := dumpDatabase(t, s), everyRow(t, s)
			metrics := s.call("GET", "/metrics", "", nil).raw // if there is none, no secret is in the refusal
			s.stop(syscall.SIGTERM)
			found.noFileHolds(t, dir)

			file, err := os.ReadFile(logFile)
			must(t, err)
			if console := s.log.String(); console != string(file) {
				t.Error("console and LOG_FILE differ")
			}
			if info, err := os.Stat(logFile); err != nil || info.Mode().Perm()&0o007 != 0 {
				t.Errorf("LOG_FILE is for all to read: %v, %v", info.Mode(), err)
			}
			checkLevels(t, format, string(file))
			postgres, err := os.ReadFile(filepath.Join(dir, "postgres", "postgres.log"))
			must(t, err)
			for name, text := range map[string]string{"LOG_FILE": string(file), "postgres.log": string(postgres), "the dump": dump, "a table": rows, "the metrics": metrics,
				"a webhook": hook.String()} {
				if len(text) < 100 {
					t.Errorf("%s is empty", name)
				}
				s.secrets.Range(func(v, _ any) bool {
					for _, spelling := range spellings(v.(string)) {
						if strings.Contains(text, spelling) {
							t.Errorf("%s holds the secret %q", name, v)
						}
					}
					return true
				})
				if found := regexp.MustCompile(`PRIVATE KEY|eyJhbGciOiJ|ya29\.|rt_[0-9a-f]{8}-[0-9a-f-]{27}\.\d+\.`).FindString(text); found != "" {
					t.Errorf("%s holds %q", name, found)
				}
			}
			if !strings.Contains(dump, "COPY public.credentials") || !strings.Contains(dump, "v1.") || !strings.Contains(dump, "secrets-test@example.com") {
				t.Error("the dump is not one of the database")
			}
			checkModes(t, dir)
		})
	}
}

func plantSecrets(t *testing.T, s *server) (*canaries, *receiver) {
	t.Helper()
	pass, wrong, junk := s.secret("Planted-Password-1!"), s.secret("Planted-Wrong-2!"), s.secret("planted-junk-3")
	c := s.in("shop")
	_, err := c.Register(t.Context(), "secrets-test@example.com", pass)
	must(t, err)
	_, err = c.Login(t.Context(), "secrets-test@example.com", wrong)
	refused(t, err, 401, "invalid_credentials")
	u, err := c.Login(t.Context(), "secrets-test@example.com", pass)
	must(t, err)
	remember := func() {
		s.secret(u.Tokens().AccessToken)
		s.secret(strings.Split(u.Tokens().AccessToken, ".")[2])
		s.secret(u.Tokens().RefreshToken)
		parts := strings.Split(u.Tokens().RefreshToken, ".")
		s.secret(parts[len(parts)-1])
	}
	remember()
	must(t, u.Refresh(t.Context()))
	remember()

	g := s.google()
	s.secret(g.key["private_key"].(string))
	sheets, ga4 := g.ready(u)
	must(t, u.Enable(t.Context(), "ga4", ga4))
	completed(t, u, "")
	if _, err := u.Tab(t.Context(), sheets, g.spreadsheet, "Google"); err != nil {
		t.Error(err)
	}
	var client map[string]any
	g.console("POST", "/_sandbox/oauth-clients", map[string]any{}, &client)
	for _, name := range []string{"client_secret", "refresh_token"} {
		s.secret(client[name].(string))
	}
	oauth := save(s, bearer(u), "ga4", "OAuth", map[string]any{"client_id": client["client_id"], "client_secret": client["client_secret"],
		"refresh_token": client["refresh_token"], "property_id": g.property}).want(t, 201, "")
	s.call("POST", fmt.Sprintf("/api/credentials/%v/verify", oauth.at("credentialId")), bearer(u), nil).want(t, 400, "VERIFICATION_FAILED") // not shared

	// Where they do not belong: in broken bodies, wrong fields, headers, queries, and while the provider fails.
	for _, path := range []string{"/v1/auth/register", "/v1/auth/login", "/v1/auth/refresh", "/v1/auth/logout", "/api/credentials/save", "/api/sheet-mappings/set",
		"/api/v1/sync/ga4", "/api/services/ga4/enable", "/v1/unknown", "/api/unknown"} {
		for _, body := range []string{`{"email":"` + junk, `"` + junk + `"`, `{"email":{"x":"` + junk + `"},"password":["` + junk + `"],"credentialId":"` + junk + `","targetDate":"` + junk + `"}`,
			`{"email":"x@` + junk + `","password":"` + junk + `","refreshToken":"` + junk + ` ","credentialJson":"` + junk + `","credentialName":"x","service":"ga4","targetDate":"` + junk + `"}`} {
			token := bearer(u)
			if strings.HasPrefix(path, "/v1") {
				token = "" // logout would take it
			}
			if a := s.call("POST", path+"?token="+junk, token, body); a.status < 400 || a.status >= 500 {
				t.Errorf("%s with %s: %d", path, body, a.status)
			}
		}
	}
	for _, header := range []string{"Bearer " + junk, junk, "Basic " + junk, "Bearer " + u.Tokens().RefreshToken} {
		s.call("GET", "/v1/users/me?access_token="+junk, header, nil).want(t, 401, "")
		s.call("GET", "/api/credentials/list?token="+junk, header, nil).want(t, 401, "")
	}
	s.call("POST", "/v1/auth/logout", "", map[string]any{"refreshToken": "rt_" + junk}).want(t, 200, "")
	g.fault("/oauth2", map[string]any{"status": 500, "times": 5})
	s.call("POST", fmt.Sprintf("/api/credentials/%d/verify", sheets), bearer(u), nil).want(t, 502, "SERVICE_ERROR")
	g.console("DELETE", "/_sandbox/faults", nil, nil)
	must(t, u.Logout(t.Context()))
	return plantCredentials(t, s)
}

// dumpDatabase is everything that somebody with a stolen backup has.
func dumpDatabase(t *testing.T, s *server) string {
	t.Helper()
	postgres := filepath.Join(s.dir, "postgres")
	tools, err := filepath.Glob("/proc/" + strings.TrimSpace(strings.SplitN(string(must1(os.ReadFile(filepath.Join(postgres, "pg", "postmaster.pid")))(t)), "\n", 2)[0]) + "/exe")
	must(t, err)
	dumper, err := exec.LookPath("pg_dump")
	if len(tools) == 1 {
		if exe, linkErr := os.Readlink(tools[0]); linkErr == nil {
			dumper, err = filepath.Join(filepath.Dir(exe), "pg_dump"), nil
		}
	}
	if err != nil {
		t.Skip("no pg_dump on this machine")
	}
	var out, errOut bytes.Buffer
	cmd := exec.Command(dumper, "-h", filepath.Join(postgres, "sock"), "-U", "postgres", "turkey")
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		t.Fatalf("pg_dump: %v: %s", err, errOut.String())
	}
	return out.String()
}

// must1 is must for a call with a value.
func must1[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		must(t, err)
		return v
	}
}

// checkLevels: the guides grep for ERROR; a JSON log is one object per line.
func checkLevels(t *testing.T, format, log string) {
	t.Helper()
	seen := map[string]int{}
	for scanner := bufio.NewScanner(strings.NewReader(log)); scanner.Scan(); {
		line := scanner.Text()
		if format == "json" {
			var entry struct{ Time, Level, Msg string }
			if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Time == "" || entry.Msg == "" {
				t.Errorf("%v: %s", err, line)
			}
			seen[entry.Level]++
			continue
		}
		for _, level := range []string{"DEBUG", "INFO", "WARN", "ERROR"} {
			if strings.Contains(line, " "+level+" ") {
				seen[level]++
			}
		}
	}
	if seen["ERROR"] == 0 || seen["INFO"] < 20 {
		t.Errorf("lines by level: %v", seen)
	}
}

// checkModes: what the server keeps beside the database is for its own account alone.
func checkModes(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if err == nil && d.Name() == "postgres" {
				return fs.SkipDir
			}
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
		return err
	})
	must(t, err)
}
