package auth

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// withDevices is a service with a device key and a clock that can be moved.
func withDevices(t *testing.T) (bundle, *time.Time) {
	t.Helper()
	b := setup(t)
	at := now
	b.deviceKey = []byte("0123456789abcdef0123456789abcdef")
	b.cfg.Now = func() time.Time { return at }
	return b, &at
}

// open is the first entry of a cookie as an app takes it.
func (b bundle) open(t *testing.T, app, cookie string) (device, bool) {
	t.Helper()
	entries := entriesOf(cookie)
	if len(entries) == 0 {
		return device{}, false
	}
	return b.openDevice(app, entries[0])
}

func TestADeviceIsOfOneAppAndGrowsOld(t *testing.T) {
	t.Parallel()
	b, at := withDevices(t)
	cookie := b.rememberDevice("shop", ada, "")
	d, ok := b.open(t, "shop", cookie)
	if !ok || d.user != ada.id || d.version != ada.tokenVersion || !d.issued.Equal(now) {
		t.Errorf("%+v %v", d, ok)
	}
	for _, app := range []string{"sho", "shopx", "", "default-app"} {
		if _, ok := b.open(t, app, cookie); ok {
			t.Errorf("app %q takes it", app)
		}
	}
	*at = now.Add(deviceLife - time.Second)
	if _, ok := b.open(t, "shop", cookie); !ok {
		t.Error("too old before its time")
	}
	*at = now.Add(deviceLife)
	if _, ok := b.open(t, "shop", cookie); ok {
		t.Error("never too old")
	}
}

func TestNoChangedCharacterOfADevicePasses(t *testing.T) {
	t.Parallel()
	b, _ := withDevices(t)
	cookie := b.rememberDevice("shop", ada, "")
	for i := range cookie {
		for _, c := range []byte("Aa0_-.=") {
			if cookie[i] == c {
				continue
			}
			if _, ok := b.open(t, "shop", cookie[:i]+string(c)+cookie[i+1:]); ok {
				t.Fatalf("character %d as %c passes", i, c)
			}
		}
	}
	for _, text := range []string{"", ".", strings.Repeat(".", 9000), strings.Repeat("A", 102), cookie + "A", cookie[1:]} {
		if _, ok := b.open(t, "shop", text); ok {
			t.Errorf("%.20q passes", text)
		}
	}
}

func TestADeviceKeepsItsIDAndItsOtherUsers(t *testing.T) {
	t.Parallel()
	b, at := withDevices(t)
	first := b.rememberDevice("shop", ada, "")
	before, _ := b.open(t, "shop", first)
	*at = now.Add(time.Hour)
	again, _ := b.open(t, "shop", b.rememberDevice("shop", ada, first))
	if again.id != before.id || !again.issued.Equal(*at) {
		t.Errorf("%+v became %+v", before, again)
	}
	changed := ada
	changed.tokenVersion++
	if after, _ := b.open(t, "shop", b.rememberDevice("shop", changed, first)); after.id == before.id || after.version != changed.tokenVersion {
		t.Errorf("a device that had ended came back: %+v", after)
	}

	// Users of any app share the cookie; the newest five stay, each once.
	cookie := first
	var others []uuid.UUID
	for range 6 {
		p := person{id: uuid.New()}
		others = append(others, p.id)
		cookie = b.rememberDevice("blog", p, cookie)
		cookie = b.rememberDevice("blog", p, cookie)
	}
	entries := entriesOf(cookie)
	if len(entries) != maxDevices || strings.Count(cookie, ".") != maxDevices-1 {
		t.Fatalf("%d entries", len(entries))
	}
	for i, e := range entries {
		if want := others[len(others)-1-i]; e.user() != want {
			t.Errorf("entry %d is of %s, want %s", i, e.user(), want)
		}
	}
	if len(cookie) > 600 {
		t.Errorf("%d bytes", len(cookie))
	}
}

func TestTheSessionCookieOfACall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	shop, other := "shop", "default-app"
	for _, c := range []struct {
		url, header string
		app         *string
		name, token string
	}{
		{"https://a.example", "__Host-turkey_refresh=d; __Host-turkey_refresh_shop=s", nil, "__Host-turkey_refresh", "d"},
		{"https://a.example", "__Host-turkey_refresh=d; __Host-turkey_refresh_shop=s", &shop, "__Host-turkey_refresh_shop", "s"},
		{"https://a.example", "__Host-turkey_refresh=d; __Host-turkey_refresh_shop=s", &other, "__Host-turkey_refresh", "d"},
		{"https://a.example", "__Host-turkey_refresh=d", &shop, "__Host-turkey_refresh_shop", ""},
		{"https://a.example", "__Host-turkey_refresh_shop=s", nil, "__Host-turkey_refresh_shop", "s"},
		{"https://a.example", "__Host-turkey_refresh_shop=s", &other, "__Host-turkey_refresh", ""},
		{"https://a.example", "__Host-turkey_refresh_shop=s; __Host-turkey_refresh_blog=b", nil, "__Host-turkey_refresh", ""},
		{"https://a.example", "turkey_refresh=p; turkey_refresh_shop=p", nil, "__Host-turkey_refresh", ""}, // a subdomain could have planted them
		{"http://localhost:3000", "turkey_refresh=p; __Host-turkey_refresh=d", nil, "turkey_refresh", "p"},
		{"http://localhost:3000", "turkey_refresh_shop=s", &shop, "turkey_refresh_shop", "s"},
		{"http://localhost:3000", "turkey_refreshing=x", nil, "turkey_refresh", ""},
		{"http://localhost:3000", "", nil, "turkey_refresh", ""},
	} {
		b.cfg.PublicURL = c.url
		if name, token := b.sessionOf(c.header, c.app); name != c.name || token != c.token {
			t.Errorf("%s %q: %s=%s, want %s=%s", c.url, c.header, name, token, c.name, c.token)
		}
	}
}
