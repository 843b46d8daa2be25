package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"turkey/internal/limit"
)

const deviceCookie = "__Host-turkey_device"

// deviceOf is the device cookie that an answer sets.
func deviceOf(t testing.TB, a answer) string {
	t.Helper()
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.Name != deviceCookie {
			continue
		}
		if !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 180*24*3600 {
			t.Errorf("device cookie %+v", c)
		}
		return c.Value
	}
	t.Fatalf("no device cookie in %d %s", a.status, a.raw)
	return ""
}

func carrying(device string) header {
	return func(r *http.Request) { r.AddCookie(&http.Cookie{Name: deviceCookie, Value: device}) }
}

// guess fails to sign in n times, each time from another address, as far as it is let.
func (s *replica) guess(app, email, network string, n int, headers ...header) map[int]int {
	s.t.Helper()
	var mu sync.Mutex
	all := map[int]int{}
	var crowd sync.WaitGroup
	for w := range 4 {
		crowd.Go(func() {
			for i := w; i < n; i += 4 {
				a := s.login(app, email, wrong, append([]header{from(fmt.Sprintf("%s.%d.1", network, i))}, headers...)...)
				mu.Lock()
				all[a.status]++
				mu.Unlock()
			}
		})
	}
	crowd.Wait()
	return all
}

// TestTheOwnersDeviceIsLetInWhileOthersGuess: guessing from everywhere slows an account down for everybody but the devices
// that its owner has signed in with.
func TestTheOwnersDeviceIsLetInWhileOthersGuess(t *testing.T) {
	t.Parallel()
	s := setup(t, behindProxy, limited(func(c *limit.Config) { c.Login = limit.Rule{Window: time.Hour, Max: 1 << 20} }))
	id, email := s.account("shop")
	_, mallory := s.account("shop")
	_, namesake := s.account("blog")
	s.exec(`UPDATE users SET email = $1 WHERE email = $2 AND app_id = 'blog'`, email, namesake)
	phone := s.secret(deviceOf(t, s.login("shop", email, password, from("198.51.100.1")).want(t, 200, "")))
	foreign := deviceOf(t, s.login("shop", mallory, password, from("203.0.113.1")).want(t, 200, ""))
	elsewhere := deviceOf(t, s.login("blog", email, password, from("203.0.113.1")).want(t, 200, ""))

	// Another person's device, another app's, and what nobody made are no devices of this account.
	done := s.guess("shop", email, "10.1", 150, carrying(foreign+"."+elsewhere+"."+strings.Repeat("A", 102)))
	if done[401] < 100 || done[401] > 110 || done[401]+done[429] != 150 {
		t.Fatalf("guesses: %v", done)
	}
	walled := func(headers ...header) {
		t.Helper()
		a := s.login("shop", email, password, headers...)
		if a.status == 200 { // the one of these ten seconds
			a = s.login("shop", email, password, headers...)
		}
		a.want(t, 429, "rate_limit_exceeded")
	}
	walled(from("198.51.100.2"))
	walled(from("198.51.100.2"), carrying(foreign))
	a := s.login("shop", email, password, from("198.51.100.3"), carrying(phone)).want(t, 200, "")
	renewed := deviceOf(t, a)
	both := deviceOf(t, s.login("shop", mallory, password, from("198.51.100.3"), carrying(renewed)).want(t, 200, ""))
	s.login("shop", email, password, from("198.51.100.4"), carrying(both)).want(t, 200, "")

	// A stolen cookie guesses no more than one client does, wherever it comes from.
	if done := s.guess("shop", email, "10.2", 40, carrying(phone)); done[401] < 5 || done[401] > 14 {
		t.Errorf("guesses with a stolen cookie: %v", done)
	}
	if a := s.login("shop", email, password, from("198.51.100.5"), carrying(phone)).want(t, 429, "account_locked"); a.at("lockoutActive") != true {
		t.Error(a.raw)
	}

	// What ends all tokens ends the device. The lock is lifted first, so that only the wall is left.
	s.exec(`DELETE FROM login_locks`)
	s.login("shop", email, password, from("198.51.100.6"), carrying(phone)).want(t, 200, "")
	s.exec(`UPDATE users SET token_version = token_version + 1 WHERE id = $1`, id)
	walled(from("198.51.100.6"), carrying(phone))
}

// TestAppsOnOneHostKeepTheirSessions: two apps in one browser have a session each.
func TestAppsOnOneHostKeepTheirSessions(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.exec(`INSERT INTO apps (id, origins) VALUES ('shop', '{https://shop.example.com}'), ('blog', '{https://blog.example.com}')`)
	page := set("Origin", "https://shop.example.com")
	jar := map[string]string{}
	browser := func(r *http.Request) {
		page(r)
		for name, value := range jar {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
	}
	call := func(path string, body object) answer {
		t.Helper()
		a := s.post(path, body, browser)
		for _, c := range (&http.Response{Header: a.header}).Cookies() {
			if jar[c.Name] = c.Value; c.MaxAge < 0 {
				delete(jar, c.Name)
			}
		}
		return a
	}
	ids := map[string]string{}
	for _, app := range []string{"shop", "blog", "default-app"} {
		id, email := s.account(app)
		ids[app] = id
		call("/v1/auth/login", object{"email": email, "password": password, "appId": app, "mode": "cookie"}).want(t, 200, "")
	}
	if len(jar) != 4 || jar["__Host-turkey_refresh"] == "" || jar["__Host-turkey_refresh_shop"] == "" || jar["__Host-turkey_refresh_blog"] == "" || jar[deviceCookie] == "" {
		t.Fatalf("%d cookies", len(jar))
	}
	whose := func(body object) string {
		t.Helper()
		sub, _ := payload(t, call("/v1/auth/refresh", body).want(t, 200, "").text("data", "accessToken"))["sub"].(string)
		return sub
	}
	for range 2 {
		for app, id := range ids {
			if got := whose(object{"appId": app}); got != id {
				t.Errorf("%s refreshes the session of %s, want %s", app, got, id)
			}
		}
	}
	if got := whose(object{}); got != ids["default-app"] {
		t.Errorf("no app named: %s", got)
	}
	call("/v1/auth/logout", object{"appId": "shop"}).want(t, 200, "")
	if jar["__Host-turkey_refresh_shop"] != "" || len(jar) != 3 {
		t.Errorf("%d cookies after one app's logout", len(jar))
	}
	call("/v1/auth/refresh", object{"appId": "shop"}).want(t, 400, "validation_error")
	if whose(object{"appId": "blog"}) != ids["blog"] || whose(object{}) != ids["default-app"] {
		t.Error("another app's session ended")
	}
	call("/v1/auth/logout-all", object{}).want(t, 200, "")
	call("/v1/auth/logout", object{}).want(t, 200, "") // of the only app that is left
	if len(jar) != 1 || jar[deviceCookie] == "" {
		t.Errorf("left: %d cookies", len(jar))
	}
}
