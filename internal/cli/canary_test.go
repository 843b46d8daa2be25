package cli_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"turkey/client"
)

// canaries are secrets inside credentials. Nothing that the server says or keeps may hold one, however it is spelled.
type canaries struct {
	mu  sync.Mutex
	all []string
}

// plant remembers a secret.
func (c *canaries) plant(s *server, v string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.secret(v)
	c.all = append(c.all, v)
}

// found is the first canary in a text, "" if there is none.
func (c *canaries) found(text string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range c.all {
		for _, spelling := range spellings(v) {
			if strings.Contains(text, spelling) {
				return v
			}
		}
	}
	return ""
}

// spellings are the forms in which a value would stand in a log, an answer or a dump.
func spellings(v string) []string {
	quoted, _ := json.Marshal(v) // a string always can
	all := []string{v, strings.Trim(string(quoted), `"`), hex.EncodeToString([]byte(v)), strings.ToUpper(hex.EncodeToString([]byte(v))), url.QueryEscape(v), url.PathEscape(v)}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 { // where in its text the value begins
			coded := encoding.EncodeToString(append(make([]byte, before), v...))
			all = append(all, coded[(4*before+2)/3:4*(before+len(v))/3]) // what no neighbour has a part in
		}
	}
	return all
}

// A search that misses a spelling proves nothing.
func TestSpellingsAreFound(t *testing.T) {
	t.Parallel()
	const v = `canary "1" <&> % ü`
	all := spellings(v)
	for before := range 7 {
		for after := range 7 {
			text := strings.Repeat("x", before) + v + strings.Repeat("y", after)
			inside, err := json.Marshal(map[string]string{"a": text})
			must(t, err)
			for name, coded := range map[string]string{"raw": text, "JSON": string(inside), "hex": hex.EncodeToString([]byte(text)), "HEX": fmt.Sprintf("%X", text),
				"query": url.QueryEscape(text), "path": url.PathEscape(text), "base64": base64.StdEncoding.EncodeToString([]byte(text)), "base64url": base64.URLEncoding.EncodeToString([]byte(text))} {
				if !slices.ContainsFunc(all, func(s string) bool { return strings.Contains(coded, s) }) {
					t.Errorf("%s of %q is not found: %s", name, text, coded)
				}
			}
		}
	}
}

// watched looks for canaries in every answer, its headers included.
type watched struct {
	*canaries
	t    testing.TB
	next http.RoundTripper
}

// RoundTrip is for http.Client.
func (w watched) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(r)
	if err != nil {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if v := w.found(fmt.Sprint(resp.Header) + string(body)); v != "" {
		w.t.Errorf("%s %s: %d: the answer holds %q: %s", r.Method, r.URL.Path, resp.StatusCode, v, body)
	}
	return resp, nil
}

// receiver is the other end of a webhook; it remembers all it gets.
type receiver struct {
	*httptest.Server
	lines
}

func newReceiver(t testing.TB) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		_ = req.Write(&r.lines) // a buffer takes all
	}))
	t.Cleanup(r.Close)
	return r
}

// pasted is a credential of one service: it works until end is called.
type pasted struct {
	service string
	content map[string]any
	secrets []string // members that are secret
	end     func()
}

// credentials are two of each service: the second replaces the first.
func (g *google) credentials() (all [][2]pasted) {
	post := func(path string, in any) (out map[string]any) {
		g.console("POST", path, in, &out)
		return out
	}
	remove := func(path string) func() { return func() { g.console("DELETE", path, nil, nil) } }
	robot := func(service string) pasted {
		key := post("/_sandbox/service-accounts", map[string]any{"name": service})
		g.console("PUT", "/_sandbox/spreadsheets/"+g.spreadsheet+"/sharing", map[string]any{"email": key["client_email"], "role": "writer"}, nil)
		g.console("PUT", "/_sandbox/properties/"+g.property+"/sharing", map[string]any{"email": key["client_email"]}, nil)
		if service == "ga4" {
			key["property_id"] = g.property
		}
		return pasted{service, key, []string{"private_key"}, remove("/_sandbox/service-accounts/" + key["client_email"].(string))}
	}
	user := func() pasted {
		c := post("/_sandbox/oauth-clients", map[string]any{})
		g.console("PUT", "/_sandbox/properties/"+g.property+"/sharing", map[string]any{"email": c["client_id"]}, nil)
		c["property_id"] = g.property
		return pasted{"ga4", c, []string{"client_secret", "refresh_token"}, remove("/_sandbox/oauth-clients/" + c["client_id"].(string))}
	}
	ads := func() pasted {
		c := post("/_sandbox/ad-accounts", map[string]any{"accountId": "1234567890"})
		return pasted{"meta", c, []string{"access_token"}, remove("/_sandbox/ad-accounts/1234567890/tokens")}
	}
	shop := func(kind string, secrets ...string) pasted {
		c := post("/_sandbox/shops?kind="+kind, map[string]any{})
		return pasted{"shopify", c, secrets, remove("/_sandbox/shops/" + c["shop_url"].(string) + "/app")}
	}
	return [][2]pasted{{robot("ga4"), user()}, {ads(), ads()}, {shop("permanent", "access_token"), shop("expiring", "access_token", "refresh_token", "client_secret")},
		{robot("google_sheets"), robot("google_sheets")}}
}

// plantCredentials leads credentials of all services through all that can happen to them. The receiver heard of it.
func plantCredentials(t *testing.T, s *server) (*canaries, *receiver) {
	t.Helper()
	found, hook, u := &canaries{}, newReceiver(t), s.user("shop")
	s.secret(u.Tokens().AccessToken)
	s.secret(u.Tokens().RefreshToken)
	s.http.Transport = watched{found, t, s.http.Transport}
	g := s.google()
	var made struct{ SpreadsheetID string }
	g.console("POST", "/_sandbox/spreadsheets", map[string]any{"title": "All", "tabs": []string{"Google", "Meta", "Shopify"}, "shareWith": g.email}, &made)
	g.spreadsheet = made.SpreadsheetID
	do := func(status int, method, path string, body any) answer {
		t.Helper()
		return s.call(method, path, bearer(u), body).want(t, status, "")
	}
	do(201, "POST", "/api/webhooks", map[string]any{"url": hook.URL})
	chat := newReceiver(t) // called at addresses that are secrets, so what it hears of them is not looked through
	for _, c := range []struct{ format, base, before, secret, after, chat string }{
		{"slack", chat.URL, "/services/T0/B0/", "canary-slack-address", "", ""},
		{"discord", chat.URL, "/api/webhooks/1/", "canary-discord-address", "", ""},
		{"telegram", chat.URL, "/bot1:", "canary-telegram-token", "/sendMessage", "-1001"},
		{"slack", "http://127.0.0.1:1", "/services/T0/B0/", "canary-address-of-nobody", "", ""},
	} {
		found.plant(s, c.secret)
		body := map[string]any{"format": c.format, "url": c.base + c.before + c.secret + c.after}
		if c.chat != "" {
			body["chatId"] = c.chat
		}
		do(201, "POST", "/api/webhooks", body)
		body["url"] = "ftp://" + c.secret
		do(400, "POST", "/api/webhooks", body)
	}
	do(200, "GET", "/api/webhooks", nil)
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	tabs := map[string]string{"ga4": "Google", "meta": "Meta", "shopify": "Shopify"}
	sheets := save(s, bearer(u), "google_sheets", "Sheets", g.key).want(t, 201, "")
	do(200, "POST", fmt.Sprintf("/api/credentials/%v/verify", sheets.at("credentialId")), nil)

	for i, pair := range g.credentials() {
		for _, p := range pair {
			for _, member := range p.secrets {
				secret := p.content[member].(string)
				if lines := strings.Split(secret, "\n"); len(lines) > 2 { // of a key, what is inside
					found.plant(s, lines[1])
					secret = lines[len(lines)/2]
				}
				found.plant(s, secret)
			}
			extra := fmt.Sprintf(`canary "%d" <&> %% ü %s`, i, p.service) // what nobody asked for is kept, too
			p.content["note"] = extra
			found.plant(s, extra)
		}
		first, second := pair[0], pair[1]
		path := fmt.Sprintf("/api/credentials/%v", save(s, bearer(u), first.service, "First", first.content).want(t, 201, "").at("credentialId"))
		do(200, "POST", path+"/verify", nil)
		do(409, "POST", "/api/credentials/save", map[string]any{"service": first.service, "credentialName": "Again", "credentialJson": first.content})
		if tab := tabs[first.service]; tab != "" {
			do(201, "POST", "/api/sheet-mappings/set", map[string]any{"service": first.service, "spreadsheetId": g.spreadsheet, "sheetName": tab})
			synced(ctx, t, s, u, first.service)
		} else {
			do(200, "GET", "/api/sheets/"+g.spreadsheet+"/values?sheetName=Google&credential_id="+path[strings.LastIndexByte(path, '/')+1:], nil)
		}
		do(200, "PUT", path, map[string]any{"credentialJson": second.content, "credentialName": "Second"})
		do(200, "POST", path+"/verify", nil)
		text, err := json.Marshal(first.content)
		must(t, err)
		do(200, "PUT", path, map[string]any{"credentialJson": string(text)})
		do(200, "POST", path+"/versions/2/restore", nil)
		do(200, "POST", path+"/verify", nil)
		if tabs[first.service] != "" {
			synced(ctx, t, s, u, first.service)
		}

		// It goes wrong: at the provider, which then refuses it, and in the body.
		g.fault("/", map[string]any{"status": 500, "times": 1000})
		do(502, "POST", path+"/verify", nil)
		g.console("DELETE", "/_sandbox/faults", nil, nil)
		second.end()
		if first.service == "google_sheets" { // an access token that lives on is not asked for again
			first.end()
		}
		s.call("POST", path+"/verify", bearer(u), nil)
		wrong := map[string]any{}
		for name, v := range first.content {
			wrong[name] = []any{v}
		}
		do(400, "PUT", path, map[string]any{"credentialJson": wrong})
		do(400, "PUT", path, map[string]any{"credentialJson": string(text) + "}"})
		do(400, "POST", "/api/credentials/save", map[string]any{"service": string(text), "credentialName": "x", "credentialJson": first.content})
		s.call("POST", "/api/credentials/save", bearer(u), string(text)[:len(text)-1]).want(t, 400, "")
		for _, read := range []string{"", "/versions", "/uses", "/verify-status"} {
			do(200, "GET", path+read, nil)
		}
		do(200, "DELETE", path, nil)
		do(200, "GET", "/api/credentials/list?deleted=true", nil)
		do(200, "POST", path+"/restore", nil)
	}
	do(200, "GET", "/api/credentials/list", nil)
	do(200, "GET", "/api/services", nil)
	do(202, "POST", "/api/notifications/test", nil)
	if export := do(200, "POST", "/v1/users/me/export", map[string]any{}); !strings.Contains(export.raw, "shopify") {
		t.Errorf("the export is without credentials: %s", export.raw)
	}
	eventually(t, "the webhook hears of the test and of what broke", func() bool {
		got := hook.String()
		return strings.Contains(got, "notification.test") && strings.Contains(got, "credential.broken")
	})
	eventually(t, "so do the chats", func() bool {
		got := chat.String()
		return strings.Count(got, "this is a test") == 3 && strings.Contains(got, "no longer works")
	})
	return found, hook
}

// synced runs a service once.
func synced(ctx context.Context, t *testing.T, s *server, u *client.Session, service string) {
	t.Helper()
	a := s.call("POST", "/api/v1/sync/"+service, bearer(u), map[string]any{}).want(t, 200, "")
	j, err := u.WaitJob(ctx, fmt.Sprint(a.at("data", "jobId")))
	must(t, err)
	if j.Status != "completed" {
		t.Errorf("%s: the job ended as %+v", service, j)
	}
}

// everyRow is what a superuser reads in all tables of all schemas.
func everyRow(t *testing.T, s *server) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), "host="+filepath.Join(s.dir, "postgres", "sock")+" user=postgres dbname=turkey")
	must(t, err)
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), `SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'm') AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)`)
	must(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(t, err)
	var all strings.Builder
	for _, table := range tables {
		var text string
		must(t, conn.QueryRow(t.Context(), `SELECT coalesce(string_agg(row_to_json(r)::text, E'\n'), '') FROM `+table+` r`).Scan(&text))
		all.WriteString(table + "\n" + text + "\n")
	}
	if text := all.String(); !strings.Contains(text, "river.river_job") || !strings.Contains(text, "credential_versions") || !strings.Contains(text, "webhook_deliveries") {
		t.Errorf("not all tables: %v", tables)
	}
	return all.String()
}

// noFileHolds looks for canaries, as they are, in all files of the server: also in what PostgreSQL keeps beside tables.
func (c *canaries) noFileHolds(t *testing.T, dir string) {
	t.Helper()
	files := 0
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for _, v := range c.all {
			if bytes.Contains(b, []byte(v)) {
				t.Errorf("%s holds %q", path, v)
			}
		}
		return nil
	}))
	if files < 100 {
		t.Errorf("only %d files in %s", files, dir)
	}
}
