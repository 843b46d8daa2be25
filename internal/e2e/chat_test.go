package e2e_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"turkey/internal/notify"
)

// TestChats: a webhook in the format of a chat, from its making over the API to the message, without its address in anything
// but the call.
func TestChats(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u := s.user("shop")
	said := make(chan string, 10)
	chat := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		said <- r.URL.Path + " " + string(body)
	}))
	t.Cleanup(chat.Close)
	for _, c := range []struct{ format, path, chat, shown string }{
		{"slack", "/services/T0/B0/" + s.secret("canary-slack-address"), "", "ress"},
		{"discord", "/api/webhooks/12/" + s.secret("canary-discord-address"), "", "ress"},
		{"telegram", "/bot12:" + s.secret("canary-telegram-token") + "/sendMessage", "-1001", "oken"},
	} {
		body := object{"format": c.format, "url": chat.URL + c.path}
		if c.chat != "" {
			body["chatId"] = c.chat
		}
		a := s.call("POST", "/api/webhooks", u.access, body, set("Idempotency-Key", c.format)).want(t, 201, "")
		list := s.get("/api/webhooks", u.access).want(t, 200, "")
		export := s.call("POST", "/v1/users/me/export", u.access, object{}).want(t, 200, "")
		again := s.call("POST", "/api/webhooks", u.access, body, set("Idempotency-Key", c.format)).want(t, 201, "")
		if a.raw != again.raw || a.at("secret") != nil || a.text("url") != "127.0.0.1/…"+c.shown || a.text("format") != c.format ||
			list.text("webhooks", 0, "url") != a.text("url") || list.text("webhooks", 0, "format") != c.format || c.chat != "" && list.text("webhooks", 0, "chatId") != c.chat {
			t.Errorf("%s, %s, %s", a.raw, again.raw, list.raw)
		}
		for _, text := range []string{a.raw, list.raw, export.raw} {
			if strings.Contains(text, "canary") {
				t.Errorf("%s: the address is told: %s", c.format, text)
			}
		}
		s.tell(u, notify.CredentialBroken, object{"name": "Main", "service": "ga4", "message": "The key was revoked"})
		if got := <-said; !strings.HasPrefix(got, c.path+" {") || !strings.Contains(got, "The key was revoked") {
			t.Errorf("%s", got)
		}
		eventually(t, "delivered", func() bool {
			return s.get("/api/webhooks/"+a.text("id")+"/deliveries", u.access).text("deliveries", 0, "status") == "delivered"
		})
		s.call("DELETE", "/api/webhooks/"+a.text("id"), u.access, nil).want(t, 200, "")
	}
	stored := one[string](s.world, `SELECT (SELECT string_agg(d::text, '') FROM audit_logs d) || (SELECT string_agg(j::text, '') FROM river.river_job j)
		|| (SELECT coalesce(string_agg(k::text, ''), '') FROM idempotency_keys k)`)
	if strings.Contains(stored, "canary") {
		t.Errorf("an address is stored: %s", stored)
	}
}
