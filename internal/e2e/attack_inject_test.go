package e2e_test

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// product is what a template makes of 7919*7907.
const product = "62615533"

// payloads are texts that mean something to whoever takes them for more than text.
var payloads = map[string]string{
	"sql":       `x'"; DROP TABLE users; SELECT pg_sleep(20); --`,
	"sql or":    `1' OR '1'='1' UNION SELECT 1, email FROM users --`,
	"sql sort":  `email; SELECT pg_sleep(20)`,
	"nul":       "a\x00b",
	"crlf":      "a\r\nX-Injected: yes\r\nSet-Cookie: injected=1\r\n\r\n<script>alert(1)</script>",
	"template":  `{{7919*7907}}${7919*7907}<%= 7919*7907 %>#{7919*7907}{{.}}{{printf "%v" .}}`,
	"path":      `../../../../../../etc/passwd`,
	"escaped":   `..%2f..%2f..%2fetc%2fpasswd%00`,
	"markup":    `"><script>alert(1)</script><img src=x onerror=alert(1)>`,
	"formula":   `=HYPERLINK("http://127.0.0.1:1/","x")`,
	"numbers":   `-1e309`,
	"unicode":   "\u202e\u200b\ufeff\U0001f986e\u0301\ufdfa",
	"surrogate": "\xed\xa0\x80\xff\xfe",
	"long":      strings.Repeat("A", 9000),
}

// TestInjection puts each payload in every place of every operation that takes a text: parameters of the path, of the query and
// of the header, and every text of the body. Nothing breaks, nothing is carried out, nothing of others is told or changed.
func TestInjection(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	doc := d.spec()
	bystander := d.tenant(t, act{admin: true})
	before, tables := bystander.rows(), d.catalogue()
	t.Run("operations", func(t *testing.T) {
		for _, o := range doc.details {
			t.Run(o.id, func(t *testing.T) {
				t.Parallel()
				d.in(t).inject(t, doc, o, regexp.MustCompile(strings.TrimSuffix(bystander.things["email"], "@example.com")+`\b`))
			})
		}
	})
	if lines := differing(before, bystander.rows()); len(lines) > 0 {
		t.Errorf("rows of somebody else were changed:\n%s", strings.Join(lines, "\n"))
	}
	if now := d.catalogue(); now != tables {
		t.Errorf("the catalogue was %s, is %s", tables, now)
	}
}

// catalogue is what tables, columns and functions there are.
func (w *world) catalogue() string {
	return one[string](w, `SELECT md5(string_agg(x, ',' ORDER BY x)) FROM (
		SELECT attrelid::regclass::text || '.' || attname AS x FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
			WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped
		UNION ALL SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace) all_of_it`)
}

func (d *deployment) inject(t *testing.T, doc *spec, o detail, bystander *regexp.Regexp) {
	of := d.tenantFor(t, o)
	good := of.good(t, o, of.actor(o.operation))
	places := 0
	each := func(place string, change func(a *attempt, payload string)) {
		places++
		for name, payload := range payloads {
			a := good.clone()
			change(a, payload)
			began := time.Now()
			got, err := d.playFor(a, o)
			if err != nil {
				t.Errorf("%s in %s: %v", name, place, err)
				continue
			}
			took := time.Since(began)
			what := fmt.Sprintf("%s %s: %s in %s: %d", o.method, o.path, name, place, got.status)
			if strings.Contains(payload, "pg_sleep") && took > 15*time.Second {
				t.Errorf("%s took %s", what, took)
			}
			if got.header.Get("X-Injected") != "" || strings.Contains(fmt.Sprint(got.header), "injected") {
				t.Errorf("%s: headers %v", what, got.header)
			}
			all := got.raw + fmt.Sprint(got.header)
			for _, unwanted := range []string{product, "root:x:0", "argon2"} {
				if strings.Contains(all, unwanted) {
					t.Errorf("%s holds %s: %s", what, unwanted, got.raw)
				}
			}
			if !o.admin && bystander.MatchString(all) {
				t.Errorf("%s tells of somebody else: %s", what, got.raw)
			}
			// What comes back is JSON, and no browser may take it for something else.
			if ct := got.header.Get("Content-Type"); got.raw != "" && ct != "application/json" && ct != "text/csv; charset=utf-8" || got.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: %q", what, ct)
			}
		}
	}
	for i := range good.args {
		each(fmt.Sprintf("parameter %d of the path", i+1), func(a *attempt, payload string) { a.args[i] = payload })
	}
	for _, p := range o.params {
		switch p.in {
		case "query":
			each("?"+p.name, func(a *attempt, payload string) { a.query = url.Values{p.name: {payload}} })
			if old := good.query; len(old) > 0 { // beside what else the request needs
				each("?"+p.name+" and the rest", func(a *attempt, payload string) { a.query.Set(p.name, payload) })
			}
		case "header":
			each(p.name, func(a *attempt, payload string) {
				a.headers[p.name] = strings.NewReplacer("\r", " ", "\n", " ", "\x00", " ").Replace(payload) // raw ones: TestSmuggling
			})
		}
	}
	if o.schema != nil {
		for _, at := range doc.texts(o.schema) {
			each(fmt.Sprintf("body%v", at), func(a *attempt, payload string) { a.body = put(a.body, at, payload) })
		}
	}
	if places == 0 && (o.schema != nil || len(o.params) > 0) {
		t.Errorf("%s %s has no place for a text", o.method, o.path)
	}
}

// TestNumbersDoNotWrap: a parameter that is read into 32 bits has a maximum; what reads parameters cuts what is beyond.
func TestNumbersDoNotWrap(t *testing.T) {
	t.Parallel()
	s := setup(t)
	admin := s.user("default-app", "role = 'admin'")
	for _, o := range s.spec().details {
		for _, p := range o.params {
			if _, bounded := p.schema["maximum"]; p.schema["format"] == "int32" && !bounded {
				t.Errorf("%s %s: %s has no maximum", o.method, o.path, p.name)
			}
		}
	}
	for _, n := range []string{"2147483648", "4294967296", "-2147483649", "9223372036854775808", "1e9"} {
		s.get("/v1/users/app-info?offset="+n, admin.access).want(t, 400, "validation_error")
	}
	s.get("/v1/users/app-info?offset=2147483647", admin.access).want(t, 200, "")
}

// playFor is play for operations that may not end.
func (d *deployment) playFor(a *attempt, o detail) (answer, error) {
	if !o.stream {
		return d.play(a)
	}
	return d.head(a)
}
