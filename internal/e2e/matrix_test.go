package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"turkey/internal/auth"
)

// planted begins every word that a tenant's rows are marked with, and figure is in its figures. Who is not of the tenant
// sees neither.
const (
	planted = "planted-"
	figure  = "4711471147"
)

// deployment is one server with the people whom no operation ends.
type deployment struct {
	*replica
	root        *world // which looks through the log in the end
	fresh       *atomic.Int64
	sources     map[string]object // a credential that works, by service
	spreadsheet string
	digest      string // the statement of tenant.rows
	forger      *forger
	revoked     string // access tokens
	suspended   string // by an administrator
	locked      string // the row of the user was changed
	operator    string
	refresh     string // the operator's
	adminKey    string
	elsewhere   *user // an administrator of another app
}

func deploy(t testing.TB) *deployment {
	t.Helper()
	fake, at := fakes(t)
	d := &deployment{replica: setup(t, at, func(s *settings) { s.runs = true }), fresh: new(atomic.Int64)}
	d.root = d.world
	s := d.replica
	key := fake.account(s)
	made := func(path string, in object) object { return fake.console(t, "POST", "/_sandbox/"+path, in) }
	d.spreadsheet = made("spreadsheets", object{"title": "planted-spreadsheet", "tabs": tabs,
		"shareWith": key["client_email"]})["spreadsheetId"].(string)
	property := made("properties", object{"shareWith": key["client_email"]})["propertyId"]
	d.sources = map[string]object{"google_sheets": key, "ga4": changed(key, "property_id", property), "meta": made("ad-accounts", object{}), "shopify": made("shops", object{})}
	for _, service := range []string{"meta", "shopify"} {
		s.secret(d.sources[service]["access_token"].(string))
	}
	d.digest = d.rowsStatement()

	operator := s.user("default-app", "role = 'admin'")
	d.operator, d.refresh = operator.access, operator.refresh
	operators, _, err := s.auth.CreateAdminKey(auth.AsOperator(t.Context(), "test", false), "matrix")
	must(t, err)
	d.adminKey = s.secret(operators)
	d.forger = newForger(t, s, d.operator)
	d.elsewhere = d.person("elsewhere", "role = 'admin'")

	u := d.person("default-app", "role = 'admin'")
	s.call("POST", "/v1/auth/revoke", u.access, object{"token": u.access}).want(t, 200, "")
	d.revoked = u.access
	u = d.person("elsewhere", "role = 'admin'")
	s.call("POST", "/v1/admin/apps/elsewhere/users/"+u.id+"/suspend", d.operator, nil, set("Content-Type", "application/json")).want(t, 200, "")
	d.suspended = u.access
	u = d.person("elsewhere", "role = 'admin'")
	s.exec(`UPDATE users SET status = 'suspended' WHERE id = $1`, u.id)
	d.locked = u.access
	return d
}

// in is the deployment for one of several tests at the same time: what goes wrong is that test's.
func (d *deployment) in(t testing.TB) *deployment {
	s := *d.replica
	s.world = &world{t: t, url: d.url, sql: d.sql, offset: d.offset, log: d.log}
	s.users.Store(d.fresh.Add(1) * 1000)
	own := *d
	own.replica = &s
	return &own
}

// person makes a user with a session, as a sign-in would but for the cost of its hashes.
func (d *deployment) person(app string, changes ...string) *user {
	id, email := d.account(app, changes...)
	return d.enter(app, id, email)
}

// enter is another session of a user.
func (d *deployment) enter(app, id, email string) *user {
	sid := one[string](d.world, `INSERT INTO refresh_tokens (id, app_id, user_id, token_version, expires_at)
		VALUES (gen_random_uuid(), $1, $2, 0, now() + interval '1 day') RETURNING id::text`, app, id)
	role := one[string](d.world, `SELECT role FROM users WHERE id = $1`, id)
	return &user{s: d.replica, id: id, email: email, app: app, sid: sid, access: d.forger.real("sub", id, "email", email, "role", role, "aud", app, "sid", sid, "jti", "at_"+d.word())}
}

// word is one that was never used.
func (d *deployment) word() string { return fmt.Sprintf("word-%d", d.fresh.Add(1)) }

// tenant is an app of its own, and in it a user with something of everything, and another with nothing.
type tenant struct {
	d          *deployment
	owner, eve *user
	things     map[string]string // ids of what is the owner's, by the names that acts use
}

func (d *deployment) tenant(t testing.TB, a act) *tenant {
	t.Helper()
	s, app, mark := d.replica, d.word(), planted+d.word()
	role := "role = 'user'"
	if a.admin {
		role = "role = 'admin'"
	}
	id, _ := s.account(app, role)
	email := mark + "@example.com"
	s.exec(`UPDATE users SET email = $2 WHERE id = $1`, id, email)
	s.exec(`UPDATE apps SET name = $2 WHERE id = $1`, app, mark)
	o := d.enter(app, id, email)
	of := &tenant{d: d, owner: o, eve: d.person(app), things: map[string]string{"app": app, "user": id, "email": email, "session": d.enter(app, id, email).sid, "spreadsheet": d.spreadsheet}}
	s.exec(`UPDATE refresh_tokens SET user_agent = $2 WHERE user_id = $1`, id, mark)
	no := one[int64](s.world, `SELECT user_no FROM users WHERE id = $1`, id)

	credential := func(service string, content object) string {
		a := s.call("POST", "/api/credentials/save", o.access, object{"service": service, "credentialName": mark, "credentialJson": content}).want(t, 201, "")
		return fmt.Sprint(a.at("credentialId"))
	}
	of.things["deleted"] = credential("google_sheets", pasted(1))
	s.call("DELETE", "/api/credentials/"+of.things["deleted"], o.access, nil).want(t, 200, "")
	for _, service := range []string{"ga4", "meta", "shopify"} {
		of.things["credential"+service] = credential(service, d.sources[service])
	}
	of.things["credential"] = credential("google_sheets", pasted(3))
	s.call("PUT", "/api/credentials/"+of.things["credential"], o.access, object{"credentialJson": d.sources["google_sheets"]}).want(t, 200, "")
	s.exec(`UPDATE credentials SET verified = true WHERE user_id = $1`, no)
	webhook := s.call("POST", "/api/webhooks", o.access, object{"url": "http://127.0.0.1:1/" + mark}).want(t, 201, "")
	of.things["webhook"] = webhook.text("id")
	d.root.secret(strings.TrimPrefix(webhook.text("secret"), "whsec_"))

	made := func(name, sql string, args ...any) { of.things[name] = one[string](s.world, sql, args...) }
	made("delivery", `INSERT INTO webhook_deliveries (id, user_id, webhook_id, event, payload, status)
		VALUES (gen_random_uuid(), $1, $2, 'run.failed', jsonb_build_object('name', $3::text), 'failed') RETURNING id::text`, no, of.things["webhook"], mark)
	made("identity", `INSERT INTO user_identities (app_id, issuer, subject, user_id) VALUES ($1, 'https://issuer.example', $2, $3) RETURNING id::text`, app, mark, id)
	made("run", `INSERT INTO kpi_runs (id, user_id, service, status, enqueued, error, spreadsheet_id) VALUES (gen_random_uuid(), $1, 'ga4', 'failed', true, $2::text, $2) RETURNING id::text`, no, mark)
	made("waiting", `INSERT INTO kpi_runs (id, user_id, service, status, run_at) VALUES (gen_random_uuid(), $1, 'ga4', 'delayed', now() + interval '1 day') RETURNING id::text`, no)
	made("queued", `INSERT INTO river.river_job (kind, args, max_attempts, state, scheduled_at) VALUES ('mail', '{"mail":"00000000-0000-4000-8000-000000000001"}', 3, 'scheduled', now() + interval '1 day') RETURNING id::text`)
	made("empty", `INSERT INTO apps (id) VALUES ($1) RETURNING id`, d.word())
	s.exec(`INSERT INTO sheet_mappings (user_id, service, spreadsheet_id, sheet_name) VALUES ($1, 'ga4', $2, $3)`, no, d.spreadsheet, mark)
	s.exec(`INSERT INTO kpi_rows (user_id, service, day, id, metrics, run_id) VALUES ($1, 'ga4', '2026-01-01', gen_random_uuid(), '{"sessions": `+figure+`}', gen_random_uuid())`, no)
	s.exec(`INSERT INTO notification_settings (user_id) VALUES ($1)`, no)
	if strings.Contains(a.args, "kid") {
		k, err := s.auth.RotateKeys(auth.AsOperator(t.Context(), "test", false), true)
		must(t, err)
		of.things["kid"] = k.ID
	}
	return of
}

// rowsStatement reads every row that belongs to a user: $1 the id, $2 the number, $3 the app, $4 what else names the user. It
// is made from the catalogue: a new table is in it.
func (w *world) rowsStatement() string {
	return one[string](w, `SELECT 'SELECT coalesce(string_agg(row, E''\n'' ORDER BY row), '''') FROM (' || string_agg(format(
			'SELECT %L || to_jsonb(r)::text AS row FROM %I r WHERE ', c.relname || ' ', c.relname) || CASE
				WHEN c.relname = 'users' THEN 'r.id = $1::uuid' WHEN c.relname = 'apps' THEN 'r.id = $3::text'
				WHEN a.atttypid = 'uuid'::regtype THEN 'r.user_id = $1::uuid' WHEN a.atttypid = 'bigint'::regtype THEN 'r.user_id = $2::bigint'
				ELSE 'to_jsonb(r)::text LIKE ANY ($4::text[])' END, ' UNION ALL ') || ') x'
		FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'user_id' AND NOT a.attisdropped
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'`)
}

// rows are all that belong to the owner.
func (of *tenant) rows() string {
	s := of.d.replica
	names := []string{"%" + of.owner.id + "%", "%" + of.things["email"] + "%", "%" + of.owner.sid + "%", "%" + of.things["session"] + "%"}
	return one[string](s.world, of.d.digest, of.owner.id, one[int64](s.world, `SELECT user_no FROM users WHERE id = $1`, of.owner.id), of.things["app"], names)
}

// differing is what of the owner's rows is not as it was.
func differing(before, after string) (lines []string) {
	b, a := strings.Split(before, "\n"), strings.Split(after, "\n")
	for _, l := range b {
		if !slices.Contains(a, l) {
			lines = append(lines, "- "+l)
		}
	}
	for _, l := range a {
		if !slices.Contains(b, l) {
			lines = append(lines, "+ "+l)
		}
	}
	return lines
}

// operation is one of the served OpenAPI document.
type operation struct {
	id, method, path string
	bearer           bool // takes an access token
	admin            bool // or an operator's key
	body             bool
}

func (s *replica) operations() (all []operation) {
	s.t.Helper()
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	must(s.t, json.Unmarshal([]byte(s.get("/openapi.json", "").raw), &doc))
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		for method, raw := range doc.Paths[path] {
			var op struct {
				OperationID string
				Security    []map[string][]string
				RequestBody *json.RawMessage
			}
			if json.Unmarshal(raw, &op) != nil || op.OperationID == "" {
				continue // what all operations of the path share
			}
			o := operation{id: op.OperationID, method: strings.ToUpper(method), path: path, body: op.RequestBody != nil}
			for _, alternative := range op.Security {
				_, bearer := alternative["bearerAuth"]
				_, key := alternative["adminKey"]
				o.bearer, o.admin = o.bearer || bearer, o.admin || key
			}
			all = append(all, o)
		}
	}
	return all
}

// ofApp reports whether the app's own administrators may do it.
func (o operation) ofApp() bool {
	return strings.HasPrefix(o.path, "/v1/admin/apps/{id}") && !slices.Contains([]string{"updateApp", "deleteApp", "setMailTemplate", "resetMailTemplate"}, o.id)
}

var (
	parameter = regexp.MustCompile(`\{[^}]*\}`)
	thing     = regexp.MustCompile(`\{[a-z0-9_]+\}`)
)

// address is the path of an act on a tenant's things.
func (o operation) address(t testing.TB, a act, things map[string]string) string {
	t.Helper()
	args := strings.Fields(a.args)
	if n := len(parameter.FindAllString(o.path, -1)); n != len(args) {
		t.Fatalf("%s %s has %d parameters: args in acts[%q] must say which things of a tenant they name, and tenant how those are made", o.method, o.path, n, o.id)
	}
	return parameter.ReplaceAllStringFunc(o.path, func(string) string {
		arg := args[0]
		args = args[1:]
		if v, ok := things[arg]; ok {
			return v
		}
		return arg
	})
}

// send makes the request of an act as somebody. Everybody sends the same, but for words that must be new.
func (of *tenant) send(t testing.TB, o operation, a act, token string, headers ...header) answer {
	t.Helper()
	var body any
	if a.body != "" {
		body = of.fill(t, o, a.body)
	}
	return of.d.call(o.method, o.address(t, a, of.things)+of.fill(t, o, a.query), token, body, append([]header{set("Content-Type", "application/json")}, headers...)...)
}

// fill puts a tenant's things into the text of an act.
func (of *tenant) fill(t testing.TB, o operation, text string) string {
	t.Helper()
	return thing.ReplaceAllStringFunc(text, func(name string) string {
		name = strings.Trim(name, "{}")
		if name == "fresh" {
			return of.d.word()
		}
		v, ok := of.things[name]
		if !ok {
			t.Fatalf("acts[%q] names %s, which is nothing of a tenant's", o.id, name)
		}
		return v
	})
}

// TestEveryRouteAndEveryCaller: each operation of the served document, as everybody who must not have it, and then as the
// owner, with the same request. What is the owner's stays as it was, and nobody else is told of it.
func TestEveryRouteAndEveryCaller(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	known := map[string]bool{}
	for _, o := range d.operations() {
		known[o.id] = true
		switch {
		case !o.bearer && open[o.id] == "":
			t.Errorf("%s %s takes no access token: protect it, or say in open[%q] why it needs none", o.method, o.path, o.id)
		case o.bearer && open[o.id] != "":
			t.Errorf("%s %s takes an access token: it is not open", o.method, o.path)
		case o.bearer && len(acts[o.id]) == 0:
			t.Errorf("%s %s is unknown to the matrix: add acts[%q], which says what a request names, holds and gets", o.method, o.path, o.id)
		}
		for i, a := range acts[o.id] {
			if o.body && a.body == "" && o.method != "POST" {
				t.Errorf("%s %s takes a body: acts[%q] needs one", o.method, o.path, o.id)
			}
			t.Run(fmt.Sprintf("%s %d", o.id, i), func(t *testing.T) {
				t.Parallel()
				d.in(t).matrix(t, o, a)
			})
		}
	}
	for _, list := range []map[string]bool{names(acts), names(open)} {
		for id := range list {
			if !known[id] {
				t.Errorf("the server has no operation %s", id)
			}
		}
	}
	if len(known) < 80 {
		t.Errorf("only %d operations", len(known))
	}
}

func names[T any](m map[string]T) map[string]bool {
	all := map[string]bool{}
	for id := range m {
		all[id] = true
	}
	return all
}
