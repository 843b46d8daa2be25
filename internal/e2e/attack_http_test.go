package e2e_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"turkey/internal/limit"
)

// TestCookiesOpenNoOperation: no operation takes a cookie for a right but the four of cookie mode, and those only from a page
// that may call. What a form of another page can send, a browser's simple request, changes nothing.
func TestCookiesOpenNoOperation(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	of := d.tenant(t, act{})
	app := of.things["app"]
	d.exec(`UPDATE apps SET origins = '{https://shop.example.com}' WHERE id = $1`, app)
	page := set("Origin", "https://shop.example.com")
	var cookies []*http.Cookie
	eventually(t, "the app's origin is known", func() bool {
		a := d.post("/v1/auth/login", object{"email": of.things["email"], "password": password, "appId": app, "mode": "cookie"}, page)
		cookies = (&http.Response{Header: a.header}).Cookies()
		return a.status == 200
	})
	withCookies := func(r *http.Request) {
		for _, c := range append(cookies, &http.Cookie{Name: "access_token", Value: of.owner.access}, &http.Cookie{Name: "Authorization", Value: "Bearer " + of.owner.access}) {
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
	}
	before := of.rows()
	for _, o := range d.spec().details {
		if !o.bearer {
			continue
		}
		a := of.good(t, o, "")
		for name, h := range map[string][]header{
			"of a page that may call": {page, set("Sec-Fetch-Site", "same-origin")},
			"of another page":         {set("Origin", "https://evil.example.com"), set("Sec-Fetch-Site", "cross-site")},
			"of a form":               {set("Origin", "null"), set("Content-Type", "application/x-www-form-urlencoded")},
			"of an address":           {set("Referer", "https://evil.example.com/")},
		} {
			for _, path := range []string{a.url(), a.url() + sep(a.url()) + "access_token=" + of.owner.access + "&token=" + of.owner.access} { // RFC 6750 2.3 is not for us
				got := d.call(o.method, path, "", a.body, append(h, withCookies)...)
				if got.status != 401 && got.status != 415 {
					t.Errorf("%s %s, %s: %d %s", o.method, o.path, name, got.status, got.raw)
				}
			}
		}
	}
	// The routes of cookie mode, as pages may send them. SameSite keeps the cookie from most of these; nothing rests on that.
	for name, h := range map[string][]header{
		"nothing":                     {},
		"another origin":              {set("Origin", "https://evil.example.com")},
		"a sandboxed frame":           {set("Origin", "null")},
		"a look-alike":                {set("Origin", "https://shop.example.com.evil.org")},
		"another port":                {set("Origin", "https://shop.example.com:8443")},
		"no TLS":                      {set("Origin", "http://shop.example.com")},
		"two origins":                 {set("Origin", "https://shop.example.com https://evil.example.com")},
		"another page of the site":    {set("Sec-Fetch-Site", "same-site")},
		"another site":                {set("Sec-Fetch-Site", "cross-site")},
		"typed in":                    {set("Sec-Fetch-Site", "none")},
		"Sec-Fetch-Site in capitals":  {set("Sec-Fetch-Site", "Same-Origin")},
		"the Referer of the page":     {set("Referer", "https://shop.example.com/")},
		"X-Requested-With":            {set("X-Requested-With", "XMLHttpRequest")},
		"the page's origin forwarded": {set("X-Forwarded-Host", "shop.example.com"), set("X-Forwarded-Proto", "https")},
	} {
		for _, path := range []string{"refresh", "logout", "logout-all"} {
			got := d.post("/v1/auth/"+path, object{"appId": app}, append(h, withCookies)...)
			if got.status != 403 || len(got.header.Values("Set-Cookie")) != 0 {
				t.Errorf("%s with %s: %d %s", path, name, got.status, got.raw)
			}
		}
		got := d.post("/v1/auth/login", object{"email": of.things["email"], "password": password, "appId": app, "mode": "cookie"}, h...) // nobody is signed in as somebody else
		if got.status != 403 {
			t.Errorf("login with %s: %d", name, got.status)
		}
	}
	for _, ct := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""} { // what a form can send
		for _, path := range []string{"refresh", "logout", "logout-all", "login"} {
			d.post("/v1/auth/"+path, "{}", page, withCookies, func(r *http.Request) {
				if r.Header.Set("Content-Type", ct); ct == "" {
					r.Header.Del("Content-Type")
				}
			}).want(t, 415, "unsupported_media_type")
		}
	}
	// Other methods under other names.
	for _, h := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
		d.call("POST", "/v1/users/me?_method=DELETE", of.owner.access, "{}", set(h, "DELETE")).want(t, 404, "not_found")
		d.call("GET", "/v1/users/me?_method=DELETE", of.owner.access, nil, set(h, "DELETE")).want(t, 200, "")
	}
	if lines := differing(before, of.rows()); len(lines) > 0 {
		t.Errorf("something was changed:\n%s", strings.Join(lines, "\n"))
	}
	d.post("/v1/auth/refresh", object{"appId": app}, page, withCookies).want(t, 200, "") // the cookie was good all the time
}

func sep(address string) string {
	if strings.Contains(address, "?") {
		return "&"
	}
	return "?"
}

// TestNothingChangesOnGET sends every GET of the document as its owner: the rows are as before. Links and pictures of other
// pages can send no more.
func TestNothingChangesOnGET(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	of := d.tenant(t, act{args: "kid", admin: true})
	before, n := of.rows(), 0
	for _, o := range d.spec().details {
		if o.method != http.MethodGet || o.stream {
			continue
		}
		n++
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			a := of.good(t, o, of.actor(o.operation))
			a.method = method
			if got, err := d.play(a); err != nil || got.status >= 400 {
				t.Errorf("%s %s: %d %v", method, o.path, got.status, err)
			}
		}
	}
	var changed []string
	for _, line := range differing(before, of.rows()) {
		// Reading the vault is written down, and the list of schedules makes those that are not there yet, which do nothing.
		if !strings.HasPrefix(line, "+ audit_logs ") && (!strings.HasPrefix(line, "+ job_schedules ") || !strings.Contains(line, `"enabled": false`)) {
			changed = append(changed, line)
		}
	}
	if n < 50 || len(changed) > 0 {
		t.Errorf("%d operations changed:\n%s", n, strings.Join(changed, "\n"))
	}
}

// keepable may be kept by caches; it is the same for everybody.
var keepable = []string{"jwks", "openidConfiguration"}

// TestNothingPersonalIsKeptByCaches looks at every operation's answer, good and bad.
func TestNothingPersonalIsKeptByCaches(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	for _, o := range d.spec().details {
		t.Run(o.id, func(t *testing.T) {
			t.Parallel()
			d := d.in(t)
			of := d.tenantFor(t, o)
			good := of.good(t, o, of.actor(o.operation))
			bad := good.clone()
			bad.token = "a.b.c"
			for _, a := range []*attempt{good, bad} {
				got, err := d.playFor(a, o)
				must(t, err)
				cache := got.header.Get("Cache-Control")
				switch {
				case slices.Contains(keepable, o.id):
					if !strings.HasPrefix(cache, "public, max-age=") || len(got.header.Values("Set-Cookie")) > 0 {
						t.Errorf("%s: %d %q", o.path, got.status, cache)
					}
				case !strings.HasPrefix(o.path, "/v1/") && !strings.HasPrefix(o.path, "/api/") && o.path != "/health": // livez, readyz: nothing of anybody
					if strings.Contains(cache, "public") {
						t.Errorf("%s: %q", o.path, cache)
					}
				case cache != "no-store" || got.header.Get("ETag") != "" && !strings.Contains(o.path, "revocations"):
					t.Errorf("%s: %d %q %q", o.path, got.status, cache, got.header.Get("ETag"))
				}
			}
		})
	}
	for _, path := range []string{"/auth/verify-email?token=" + zeros, "/auth/reset-password?token=" + zeros} {
		if got := d.get(path, ""); got.header.Get("Cache-Control") != "no-store" || got.header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", path, got.header)
		}
	}
}

// TestNobodyNamesAnAddressOfTheirOwn: no header of a client says where it comes from, which host was asked, or by which way.
func TestNobodyNamesAnAddressOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := setup(t, limited(func(c *limit.Config) { c.Login = limit.Rule{Max: 5} }))
	_, email := s.account("shop")
	const theirs = "203.0.113.99"
	for i, name := range []string{"X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "X-Cluster-Client-IP", "Fastly-Client-IP", "X-Originating-IP",
		"X-Remote-Addr", "X-ProxyUser-Ip", "Via", "X-Azure-ClientIP", "Client-IP"} {
		for _, value := range []string{fmt.Sprintf("203.0.113.%d", i), "for=" + theirs + ";host=evil.example;proto=https", "127.0.0.1", "::1", theirs + ", " + theirs} {
			a := s.login("shop", email, wrong, set(name, value))
			if a.status != 401 && a.status != 429 {
				t.Errorf("%s: %d %s", name, a.status, a.raw)
			}
		}
	}
	s.login("shop", email, wrong, from(theirs)).want(t, 429, "") // all of them were one client
	if ips := one[[]string](s.world, `SELECT array_agg(DISTINCT ip) FROM audit WHERE ip IS NOT NULL`); !slices.Equal(ips, []string{"127.0.0.1"}) {
		t.Errorf("recorded %v", ips)
	}
	if n := s.count(`SELECT count(*) FROM audit WHERE action = 'login_failed'`); n > 5 {
		t.Errorf("%d guesses", n)
	}

	// The Host names nothing: the same document, whoever was asked.
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/jwks.json", "/openapi.json", "/docs", "/", "/v1/apps/shop"} {
		honest := s.get(path, "")
		for _, host := range []string{"evil.example.com", "127.0.0.1:1", "localhost", publicURL[len("https://"):] + ".evil.example.com", "evil.example.com:99999"} {
			spoofed := s.get(path, "", func(r *http.Request) {
				r.Host = host
				r.Header.Set("X-Forwarded-Host", host)
				r.Header.Set("X-Forwarded-Proto", "javascript")
				r.Header.Set("X-Forwarded-Prefix", "//"+host)
				r.Header.Set("X-Original-URL", "/v1/admin/apps")
				r.Header.Set("X-Rewrite-URL", "/v1/admin/apps")
			})
			if spoofed.status != honest.status || path != "/v1/apps/shop" && spoofed.raw != honest.raw || strings.Contains(spoofed.raw+fmt.Sprint(spoofed.header), "evil.example") {
				t.Errorf("%s as %s: %d %v %s", path, host, spoofed.status, spoofed.header, spoofed.raw)
			}
			if location := spoofed.header.Get("Location"); location != "" {
				if u, err := url.Parse(location); err != nil || u.Host != "" {
					t.Errorf("%s leads to %s", path, location)
				}
			}
		}
	}
}
