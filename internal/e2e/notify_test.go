package e2e_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/db"
	"turkey/internal/notify"
)

// hook is the other end of a webhook; it checks signatures as the Standard Webhooks specification says.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	secret string
	status int
	calls  []hookCall
}

type hookCall struct {
	id, body string
	valid    bool
}

func listen(t *testing.T) *hook {
	t.Helper()
	h := &hook{status: 200}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(h.secret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	_, _ = io.WriteString(mac, r.Header.Get("webhook-id")+"."+r.Header.Get("webhook-timestamp")+"."+string(body))
	valid := r.Method == "POST" && r.Header.Get("webhook-signature") == "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil))
	h.calls = append(h.calls, hookCall{r.Header.Get("webhook-id"), string(body), valid})
	w.WriteHeader(h.status)
}

func (h *hook) set(status int, secret string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if secret != "" {
		h.secret = secret
	}
	h.status = status
}

func (h *hook) got() []hookCall {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.calls)
}

// hook adds a webhook and hands its secret to the other end, before anything is delivered.
func (u *user) hook(h *hook, events ...string) (id, secret string) {
	u.s.t.Helper()
	body := object{"url": h.URL + "/in?token=canary-of-the-address"}
	if len(events) > 0 {
		body["events"] = events
	}
	a := u.s.call("POST", "/api/webhooks", u.access, body).want(u.s.t, 201, "")
	secret = a.text("secret")
	h.set(200, secret)
	return a.text("id"), secret
}

// tell is an event of the vault.
func (s *replica) tell(u *user, event string, subject object) {
	s.t.Helper()
	database, err := db.Open(s.t.Context(), db.Config{URL: s.url, MaxConns: 2, ConnectTimeout: patience})
	must(s.t, err)
	defer database.Close()
	id := uuid.MustParse(u.id)
	must(s.t, database.Tx(s.t.Context(), db.User(id), func(tx pgx.Tx) error { return s.notify.Notify(s.t.Context(), tx, id, event, subject) }))
}

// TestWebhooks plays the life of one: made, tested, failing, retried, replayed, deleted.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	s, h := setup(t), listen(t)
	u, other := s.user("shop"), s.user("shop")
	id, secret := u.hook(h)
	s.secret(strings.TrimPrefix(secret, "whsec_"))
	s.secret("canary-of-the-address") // in no error, no log

	list := s.get("/api/webhooks", u.access).want(t, 200, "")
	if strings.Contains(list.raw, "secret") || strings.Contains(list.raw, secret) || list.text("webhooks", 0, "id") != id || list.at("webhooks", 0, "events") != nil {
		t.Errorf("%s", list.raw)
	}
	if a := s.get("/api/webhooks", other.access).want(t, 200, ""); a.at("webhooks", 0) != nil {
		t.Errorf("another sees %s", a.raw)
	}

	if a := s.call("POST", "/api/notifications/test", u.access, nil).want(t, 202, ""); a.at("email") != true || a.at("webhooks") != 1.0 {
		t.Errorf("%s", a.raw)
	}
	deliveries := func() answer {
		t.Helper()
		return s.get("/api/webhooks/"+id+"/deliveries", u.access).want(t, 200, "")
	}
	eventually(t, "the test is delivered", func() bool { return deliveries().text("deliveries", 0, "status") == "delivered" })
	if c := h.got(); len(c) != 1 || !c[0].valid || !strings.Contains(c[0].body, `"type":"notification.test"`) {
		t.Errorf("%+v", c)
	}
	if l := s.last(u.email, "Test Message"); !strings.Contains(l.Text, "Mails arrive") {
		t.Errorf("%s", l.Text)
	}

	// It fails, and is tried again.
	h.set(500, "")
	s.tell(u, notify.CredentialBroken, object{"name": "Main <key>", "service": "ga4", "message": "The key was revoked"})
	eventually(t, "the failure is noted", func() bool { return deliveries().text("deliveries", 0, "error") == "the receiver answered 500" })
	if d := deliveries(); d.text("deliveries", 0, "status") != "pending" || d.at("deliveries", 0, "responseStatus") != 500.0 || d.text("deliveries", 0, "data", "name") != "Main <key>" {
		t.Errorf("%s", d.raw)
	}
	h.set(200, "")
	eventually(t, "the retry is delivered", func() bool {
		s.exec(`UPDATE river.river_job SET scheduled_at = now() WHERE state IN ('retryable', 'scheduled')`)
		return deliveries().text("deliveries", 0, "status") == "delivered"
	})
	calls := h.got()
	if len(calls) != 3 || calls[1] != calls[2] || !calls[2].valid || calls[2].id != deliveries().text("deliveries", 0, "id") {
		t.Errorf("%+v", calls)
	}
	l := s.last(u.email, "Your ga4 Credential No Longer Works")
	if !strings.Contains(l.Text, "Main <key>") || !strings.Contains(l.Text, "The key was revoked") || !strings.Contains(l.HTML, "Main &lt;key&gt;") {
		t.Errorf("%s\n%s", l.Text, l.HTML)
	}

	// Somebody else finds nothing.
	delivery := calls[2].id
	s.get("/api/webhooks/"+id+"/deliveries", other.access).want(t, 404, "WEBHOOK_NOT_FOUND")
	s.call("POST", "/api/webhooks/"+id+"/deliveries/"+delivery+"/replay", other.access, nil).want(t, 404, "DELIVERY_NOT_FOUND")
	s.call("DELETE", "/api/webhooks/"+id, other.access, nil).want(t, 404, "WEBHOOK_NOT_FOUND")
	s.call("DELETE", "/api/webhooks/no-id", u.access, nil).want(t, 404, "WEBHOOK_NOT_FOUND")
	s.get("/api/webhooks", "").want(t, 401, "MISSING_TOKEN")

	// Once more, by hand.
	s.call("POST", "/api/webhooks/"+id+"/deliveries/"+delivery+"/replay", u.access, nil).want(t, 202, "")
	eventually(t, "replayed", func() bool { return deliveries().at("deliveries", 0, "attempts") == 3.0 && len(h.got()) == 4 })
	if c := h.got()[3]; c != calls[2] {
		t.Errorf("%+v", c)
	}

	a := s.get("/api/webhooks/"+id+"/deliveries?limit=1", u.access).want(t, 200, "")
	if next := a.text("nextCursor"); next == "" {
		t.Errorf("%s", a.raw)
	} else if b := s.get("/api/webhooks/"+id+"/deliveries?limit=1&cursor="+next, u.access).want(t, 200, ""); b.text("deliveries", 0, "event") != "notification.test" || b.at("nextCursor") != nil {
		t.Errorf("%s", b.raw)
	}
	s.get("/api/webhooks/"+id+"/deliveries?limit=1&cursor=x", u.access).want(t, 400, "VALIDATION_ERROR")
	s.get("/api/webhooks/"+id+"/deliveries?limit=101", u.access).want(t, 400, "VALIDATION_ERROR")

	stored := one[string](s.world, `SELECT (SELECT string_agg(w::text, '') FROM webhooks w) || (SELECT string_agg(d::text, '') FROM webhook_deliveries d)
		|| (SELECT string_agg(l::text, '') FROM audit_logs l) || (SELECT string_agg(j::text, '') FROM river.river_job j) || (SELECT string_agg(m::text, '') FROM mails m)`)
	if strings.Contains(stored, strings.TrimPrefix(secret, "whsec_")) {
		t.Error("the secret is stored as it is")
	}
	s.call("DELETE", "/api/webhooks/"+id, u.access, nil).want(t, 200, "")
	s.get("/api/webhooks/"+id+"/deliveries", u.access).want(t, 404, "WEBHOOK_NOT_FOUND")
	if got := one[string](s.world, `SELECT string_agg(action, ' ' ORDER BY id) FROM audit_logs`); got != "webhook_created notifications_tested webhook_replayed webhook_deleted" {
		t.Errorf("audit: %s", got)
	}
}

// TestReplaysAreLimited by hour and user.
func TestReplaysAreLimited(t *testing.T) {
	t.Parallel()
	s, h := setup(t), listen(t)
	u := s.user("shop")
	id, _ := u.hook(h)
	s.tell(u, notify.RunFailed, nil)
	delivery := s.get("/api/webhooks/"+id+"/deliveries", u.access).want(t, 200, "").text("deliveries", 0, "id")
	replay := "/api/webhooks/" + id + "/deliveries/" + delivery + "/replay"
	s.exec(`INSERT INTO audit_logs (user_id, action, status, created_at) SELECT user_no, 'webhook_replayed', 'success', now() - interval '1 minute' * CASE WHEN n > 29 THEN 61 ELSE n END
		FROM users, generate_series(1, 40) n WHERE id = $1`, u.id) // eleven of them are too old to count
	s.call("POST", replay, u.access, nil).want(t, 202, "")
	full := s.call("POST", replay, u.access, nil).want(t, 429, "RATE_LIMITED")
	if full.header.Get("Retry-After") == "" || !strings.Contains(full.text("error"), "30 replays") {
		t.Errorf("%v %s", full.header, full.raw)
	}
}

func TestNotificationSettings(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u := s.user("shop")
	const path = "/api/notifications"
	a := s.get(path, u.access).want(t, 200, "")
	if a.at("email") != true || a.at("events") != nil || a.at("updatedAt") != nil || !slices.Contains(a.at("knownEvents").([]any), any("run.failed")) {
		t.Errorf("%s", a.raw)
	}
	for _, c := range []struct {
		body any
		want int
		mail bool // of run.failed
	}{
		{object{"email": true, "events": []string{"credential.broken"}}, 200, false},
		{object{"email": true, "events": []string{"run.failed", "credential.broken"}}, 200, true},
		{object{"email": false, "events": nil}, 200, false},
		{object{"email": true, "events": []string{}}, 200, false},
		{object{"email": true}, 200, true},
		{object{"email": true, "events": []string{"run.finished"}}, 400, true},
		{object{"email": true, "events": []string{"run.failed", "run.failed"}}, 400, true},
		{object{"email": "yes"}, 400, true},
		{object{"events": nil}, 400, true},
		{"{", 400, true},
	} {
		a := s.call("PUT", path, u.access, c.body).want(t, c.want, "")
		if now := s.get(path, u.access); c.want == 200 && now.raw != a.raw {
			t.Errorf("answered %s, then %s", a.raw, now.raw)
		}
		before := len(s.mails(u.email))
		s.tell(u, notify.RunFailed, object{"service": "ga4"})
		if mailed := len(s.mails(u.email)) > before; mailed != c.mail {
			t.Errorf("%v: mailed %t", c.body, mailed)
		}
	}
}

// TestNoticesToNobody: no mail to addresses that were made up, nor more than enough.
func TestNoticesToNobody(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for _, email := range []string{"user_1@clerk.internal", "a@b.clerk.internal", "x@nobody.invalid", "x@invalid"} {
		u := s.user("shop")
		s.exec(`UPDATE users SET email = $2 WHERE id = $1`, u.id, email)
		if a := s.call("POST", "/api/notifications/test", u.access, nil).want(t, 202, ""); a.at("email") != false {
			t.Errorf("%s: %s", email, a.raw)
		}
	}
	if n := s.count(`SELECT count(*) FROM mails`); n != 0 {
		t.Errorf("%d mails", n)
	}
	u := s.user("shop")
	for range 25 {
		s.tell(u, notify.RunFailed, nil)
	}
	s.tell(u, notify.CredentialBroken, nil)
	if n := s.count(`SELECT count(*) FROM mails WHERE kind = 'run_failed'`); n != 20 {
		t.Errorf("%d mails of one kind in an hour", n)
	}
	if n := s.count(`SELECT count(*) FROM mails WHERE kind = 'credential_broken'`); n != 1 {
		t.Errorf("%d mails of another kind", n)
	}
}

// TestNoticesGoToConfirmedAddresses: somebody who gave another's address does not make us write there. Who comes from another
// issuer has it confirmed there.
func TestNoticesGoToConfirmedAddresses(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u, other := s.user("shop", "email_verified = false"), s.user("shop")
	tested := func(u *user) any {
		t.Helper()
		return s.call("POST", "/api/notifications/test", u.access, nil).want(t, 202, "").at("email")
	}
	identity := func(app, id string) {
		t.Helper()
		s.exec(`INSERT INTO apps (id) VALUES ($1) ON CONFLICT DO NOTHING`, app)
		s.exec(`INSERT INTO user_identities (app_id, issuer, subject, user_id) VALUES ($1, 'https://issuer.example', $2, $3)`, app, id, id)
	}
	identity("shop", other.id) // another's is none of theirs
	s.tell(u, notify.RunFailed, object{"service": "ga4"})
	if mailed := tested(u); mailed != false || s.count(`SELECT count(*) FROM mails`) != 0 || len(s.mails(u.email)) != 0 {
		t.Errorf("unconfirmed: %v, %d mails", mailed, s.count(`SELECT count(*) FROM mails`))
	}
	identity("shop", u.id)
	if mailed := tested(u); mailed != true {
		t.Errorf("confirmed by another issuer: %v", mailed)
	}
	s.exec(`DELETE FROM user_identities WHERE user_id = $1`, u.id)
	if mailed := tested(u); mailed != false {
		t.Errorf("unconfirmed again: %v", mailed)
	}
	s.exec(`UPDATE users SET email_verified = true WHERE id = $1`, u.id)
	if mailed := tested(u); mailed != true {
		t.Errorf("confirmed: %v", mailed)
	}
	if n := s.count(`SELECT count(*) FROM mails WHERE recipient = $1`, u.email); n != 2 {
		t.Errorf("%d mails", n)
	}
}

func TestWebhooksThatAreRefused(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u := s.user("shop")
	for name, c := range map[string]struct {
		body any
		code string
	}{
		"nothing": {object{}, "MISSING_FIELDS"}, "scheme": {object{"url": "ftp://example.com"}, "VALIDATION_ERROR"},
		"user": {object{"url": "https://ann:" + s.secret("canary-in-a-url") + "@example.com"}, "VALIDATION_ERROR"}, "number": {object{"url": 1}, "VALIDATION_ERROR"},
		"format": {object{"url": "https://example.com/x", "format": "irc"}, "VALIDATION_ERROR"}, "no chat": {object{"url": "https://api.telegram.org/bot1:x/sendMessage", "format": "telegram"}, "MISSING_FIELDS"},
		"chat of ours": {object{"url": "https://example.com/x", "chatId": "1"}, "VALIDATION_ERROR"}, "chat as a number": {object{"url": "https://example.com/x", "chatId": 1}, "VALIDATION_ERROR"},
		"events": {object{"url": "https://example.com", "events": []string{"x"}}, "VALIDATION_ERROR"}, "no list": {object{"url": "https://example.com", "events": "run.failed"}, "VALIDATION_ERROR"},
	} {
		if a := s.call("POST", "/api/webhooks", u.access, c.body).want(t, 400, c.code); a.text("error") == "" {
			t.Errorf("%s: %s", name, a.raw)
		}
	}
	for range 10 {
		s.call("POST", "/api/webhooks", u.access, object{"url": "https://example.com/x"}).want(t, 201, "")
	}
	s.call("POST", "/api/webhooks", u.access, object{"url": "https://example.com/x"}).want(t, 400, "VALIDATION_ERROR")
}
