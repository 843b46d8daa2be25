package auth

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"turkey/internal/fault"
)

// Cookies in the hands of browsers: one session for each app, and one that names the devices (device.go). A session has a
// cookie of its own app's name, so that apps on one host neither overwrite each other's nor write one cookie together,
// where the slower of two refreshes would put back what the other had just rotated.
const (
	sessionCookieName = "turkey_refresh" // of the default app; others have their id behind it
	deviceCookieName  = "turkey_device"
	// hostPrefix makes browsers insist on Secure, Path=/ and no Domain, which http://localhost cannot give.
	hostPrefix = "__Host-"
)

// ownOrigin is where browsers reach this server's own pages.
func (s *Service) ownOrigin() string {
	u, err := url.Parse(s.cfg.PublicURL)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// overTLS tells whether this server is reached over TLS.
func (s *Service) overTLS() bool { return strings.HasPrefix(s.cfg.PublicURL, "https://") }

func (s *Service) cookieName(name string) string {
	if s.overTLS() {
		return hostPrefix + name
	}
	return name
}

// sessionCookieOf is the name of an app's session cookie.
func (s *Service) sessionCookieOf(app string) string {
	if app == s.cfg.DefaultApp {
		return s.cookieName(sessionCookieName)
	}
	return s.cookieName(sessionCookieName + "_" + app)
}

// cookie is one that no script sees and that goes to this host alone, and only from pages of its site. No value removes it.
func (s *Service) cookie(name, value string, life time.Duration) http.Cookie {
	c := http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, //nolint:gosec // Secure wherever there is TLS
		Secure: s.overTLS(), MaxAge: int(life / time.Second)}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

// cookieCall refuses a call in cookie mode from a page of another origin: the browser adds the cookie by itself. The pages of
// this server may call (no script can set Sec-Fetch-Site; browsers without it send the Origin), and those that are allowed.
func (s *Service) cookieCall(origin, fetchSite string) error {
	if fetchSite == "same-origin" || origin != "" && (origin == s.ownOrigin() || s.AllowsOrigin(origin)) {
		return nil
	}
	return fault.New(fault.Forbidden, "forbidden", "Calls with the session cookie need the Origin of an allowed page")
}

// sent is the cookies of a Cookie header.
func sent(header string) []*http.Cookie {
	return (&http.Request{Header: http.Header{"Cookie": {header}}}).Cookies()
}

// sessionOf finds the session cookie of an app. A call that names no app means the default one's, or, where the browser has
// no such cookie and just one of another app, that one.
func (s *Service) sessionOf(header string, app *string) (name, token string) {
	name = s.sessionCookieOf(s.cfg.DefaultApp)
	if app != nil {
		name = s.sessionCookieOf(*app)
	}
	var others []*http.Cookie
	for _, c := range sent(header) {
		switch {
		case c.Name == name:
			return name, c.Value
		case strings.HasPrefix(c.Name, s.cookieName(sessionCookieName)+"_"):
			others = append(others, c)
		}
	}
	if app == nil && len(others) == 1 {
		return others[0].Name, others[0].Value
	}
	return name, ""
}

// deviceOf is the value of the device cookie.
func (s *Service) deviceOf(header string) string {
	for _, c := range sent(header) {
		if c.Name == s.cookieName(deviceCookieName) {
			return c.Value
		}
	}
	return ""
}
