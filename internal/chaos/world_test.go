package chaos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"turkey/client"
	"turkey/internal/connector"
	"turkey/internal/db/dbtest"
)

type object = map[string]any

// world is one database, the providers, and the people who collect from them.
type world struct {
	t          testing.TB
	sql        *pgxpool.Pool // as a superuser, past every policy
	gate       *gate
	connectors *connector.Set
	env        []string // of all processes
	people     []*person
	began      time.Time
}

// person has a tab for each source, with things of their own in it.
type person struct {
	w           *world
	id          string
	session     *client.Session
	spreadsheet string
	property    string
	account     string
	shop        string
	content     map[string][]byte // of the credentials, as the connectors take it
	own         map[string]object // by tab: what the person typed, by cell
	history     map[string]int    // by source: days that were asked for, up to the day before the test
}

var sources = []string{connector.GA4, connector.Meta, connector.Shopify}

const zone = "Europe/Berlin"

func newWorld(t testing.TB) *world {
	t.Helper()
	url := dbtest.URL(t)
	return newWorldOn(t, url, url)
}

// newWorldOn is a world on a database that we reach at one address and the program at another.
func newWorldOn(t testing.TB, ours, url string) *world {
	t.Helper()
	w := &world{t: t, began: time.Now()}
	gate, bases := newGate(t)
	w.gate, w.connectors = gate, connector.New(bases)
	w.env = []string{"DATABASE_URL=" + url, "TURKEY_DATA_DIR=" + t.TempDir(), "JWT_SECRET=chaos-jwt-secret-0123456789abcdef0123", "ENCRYPTION_KEY_SALT=chaos-salt-0123456789abcdef01234567",
		"JWT_ACCESS_EXPIRES_IN=12h", "RATE_LIMIT_MAX_REQUESTS=-1", "REGISTER_RATE_LIMIT_MAX_ATTEMPTS=-1", "REFRESH_RATE_LIMIT_MAX_ATTEMPTS=-1",
		"LOGIN_RATE_LIMIT_MAX_ATTEMPTS=-1", "JWT_ISSUER=https://auth.example.com",
		"GOOGLE_OAUTH_BASE=" + bases.GoogleOAuthBase, "GOOGLE_SHEETS_BASE=" + bases.GoogleSheetsBase, "GOOGLE_DRIVE_BASE=" + bases.GoogleDriveBase,
		"GA_DATA_BASE=" + bases.GADataBase, "META_API_BASE=" + bases.MetaBase, "SHOPIFY_API_BASE=" + bases.ShopifyBase,
		"RUN_SILENCE=1s", "MAX_RETRIES=20", "PROVIDER_RATES=google_sheets.read=0,google_sheets.write=0", "LOG_FORMAT=json", "LOG_LEVEL=warn", "WORKERS=4"}
	pool, err := pgxpool.New(t.Context(), ours)
	must(t, err)
	t.Cleanup(pool.Close)
	w.sql = pool
	return w
}

// serve starts a server and waits for it.
func (w *world) serve(args ...string) (*process, *client.Client) {
	w.t.Helper()
	address := freeAddress(w.t)
	_, port, err := net.SplitHostPort(address)
	must(w.t, err)
	p := start(w.t, append(w.env, "PORT="+port), append([]string{"serve"}, args...)...)
	p.healthy("http://localhost:" + port)
	return p, w.at("http://localhost:" + port)
}

func (w *world) at(base string) *client.Client { return client.New(base, client.WithApp("shop")) }

// console speaks to the sandbox, as people do with providers.
func (w *world) console(method, path string, in, out any) {
	w.t.Helper()
	body, err := json.Marshal(in)
	must(w.t, err)
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.gate.url+"/_sandbox"+path, bytes.NewReader(body))
	must(w.t, err)
	resp, err := http.DefaultClient.Do(req)
	must(w.t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	must(w.t, err)
	if resp.StatusCode > 299 {
		w.t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, answer)
	}
	if out != nil {
		must(w.t, json.Unmarshal(answer, out))
	}
}

// join makes somebody who has the sources, each with a tab whose header they have made themselves: our columns with theirs
// in between, and notes and formulas below.
func (w *world) join(c *client.Client, services ...string) *person {
	w.t.Helper()
	p := &person{w: w, content: map[string][]byte{}, own: map[string]object{}, history: map[string]int{}}
	var err error
	p.session, err = c.Register(w.t.Context(), fmt.Sprintf("user-%d@example.com", len(w.people)), "Canary-Pass-4711!")
	must(w.t, err)
	me, err := p.session.Me(w.t.Context())
	must(w.t, err)
	p.id = me.ID
	var key, ad, shop object
	w.console("POST", "/service-accounts", object{"name": fmt.Sprintf("robot-%d", len(w.people))}, &key)
	var made struct{ SpreadsheetID, PropertyID string }
	w.console("POST", "/spreadsheets", object{"tabs": services, "shareWith": key["client_email"]}, &made)
	w.console("POST", "/properties", object{"timeZone": zone, "currency": "EUR", "shareWith": key["client_email"]}, &made)
	w.console("POST", "/ad-accounts", object{"timeZone": zone}, &ad)
	w.console("POST", "/shops", object{"timeZone": zone}, &shop)
	p.spreadsheet, p.property = made.SpreadsheetID, made.PropertyID
	p.account, p.shop = ad["account_id"].(string), shop["shop_url"].(string)
	analytics := maps.Clone(key)
	analytics["property_id"] = p.property
	pasted := map[string]object{connector.GA4: analytics, connector.Meta: ad, connector.Shopify: shop}
	p.connects(connector.GoogleSheets, key)
	for _, service := range services {
		id := p.connects(service, pasted[service])
		must(w.t, p.session.Enable(w.t.Context(), service, id))
		_, err := p.session.SetMapping(w.t.Context(), client.Mapping{Service: service, SpreadsheetID: p.spreadsheet, SheetName: service})
		must(w.t, err)
	}
	w.people = append(w.people, p)
	return p
}

func (p *person) connects(service string, content object) int64 {
	p.w.t.Helper()
	raw, err := json.Marshal(content)
	must(p.w.t, err)
	s, _ := p.w.connectors.Service(service)
	parsed, problems := s.Parse(raw)
	if len(problems) > 0 {
		p.w.t.Fatal(problems)
	}
	p.content[service] = parsed.JSON
	id, err := p.session.SaveCredential(p.w.t.Context(), client.NewCredential{Service: service, Name: service, Content: raw})
	must(p.w.t, err)
	_, err = p.session.Verify(p.w.t.Context(), id)
	must(p.w.t, err)
	return id
}

// furnishes gives a tab our columns with the person's in between, and things below them.
func (p *person) furnishes(service string) {
	source, _ := p.w.connectors.Source(service)
	p.types(service, "A1", "Note")
	for i, name := range source.Columns() {
		if i > 1 {
			i++ // one of their own stands before the third
		}
		p.w.console("PUT", "/spreadsheets/"+p.spreadsheet+"/cells", object{"tab": service, "a1": cell(i+1, 1), "value": " " + name}, nil)
	}
	p.types(service, "D1", "Target")
	p.types(service, "A2", "do not touch")
	p.types(service, "D2", "=1+1")
	p.types(service, "D4", 4711.0)
}

// types is the person at the sheet.
func (p *person) types(tab, a1 string, value any) {
	p.w.t.Helper()
	p.w.console("PUT", "/spreadsheets/"+p.spreadsheet+"/cells", object{"tab": tab, "a1": a1, "value": value}, nil)
	if p.own[tab] == nil {
		p.own[tab] = object{}
	}
	p.own[tab][a1] = value
}

func cell(column, row int) string { return fmt.Sprintf("%c%d", 'A'+column, row) }

// asks asks for a run of some days, from so many days before the test to so many.
func (p *person) asks(c *client.Client, service string, from, to int) {
	p.w.t.Helper()
	must(p.w.t, c.Do(p.w.t.Context(), "POST", "/api/runs", p.session.Tokens().AccessToken,
		object{"service": service, "from": p.w.ago(from), "to": p.w.ago(to)}, nil))
	p.history[service] = max(p.history[service], from)
}

// ago is a day before the test, in the sources' zone.
func (w *world) ago(days int) string {
	w.t.Helper()
	z, err := time.LoadLocation(zone)
	must(w.t, err)
	return w.began.In(z).AddDate(0, 0, -days).Format(time.DateOnly)
}

// settles waits until nothing is left to be done.
func (w *world) settles() {
	w.t.Helper()
	var left int
	defer func() {
		if left > 0 {
			w.t.Logf("%d runs are left: %s", left, w.dump(`SELECT r.id::text, r.user_id, r.service, r.status, r.attempt, r.enqueued, r.error, r.created_at, r.started_at, r.run_at,
				(SELECT string_agg(to_jsonb(j)::text, '; ') FROM river.river_job j WHERE j.args ->> 'run' = r.id::text),
				(SELECT string_agg(to_jsonb(l)::text, '; ') FROM sheet_leases l WHERE l.holder = r.id)
				FROM kpi_runs r WHERE r.status NOT IN ('completed', 'failed', 'cancelled')`))
		}
	}()
	eventually(w.t, "all runs have ended", func() bool {
		must(w.t, w.sql.QueryRow(w.t.Context(), `SELECT count(*) FROM kpi_runs WHERE status NOT IN ('completed', 'failed', 'cancelled')`).Scan(&left))
		return left == 0
	})
}

func (w *world) dump(sql string) (text string) {
	rows, err := w.sql.Query(context.Background(), sql)
	if err != nil {
		return err.Error()
	}
	defer rows.Close()
	for rows.Next() {
		v, _ := rows.Values()
		text += fmt.Sprintln(v...)
	}
	return text
}
