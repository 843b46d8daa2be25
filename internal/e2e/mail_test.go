package e2e_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"turkey/internal/auth"
	"turkey/internal/mail"
)

func TestMailsOfAnAccount(t *testing.T) {
	t.Parallel()
	s := setup(t)
	const email = "ada@example.com"
	a := s.register("shop", email, password).want(t, 201, "")
	l := s.last(email, verifySubject)
	if l.Subject != "Verify Your Email Address - TurKey Auth" || !strings.Contains(l.Text, publicURL+"/auth/verify-email?token="+l.token(t)) || l.HTML == "" {
		t.Errorf("%s\n%s", l.Subject, l.Text)
	}
	if stored := s.count(`SELECT count(*) FROM email_tokens WHERE token_hash = $1`, l.token(t)); stored != 0 {
		t.Error("the token itself is stored")
	}
	if stored := s.count(`SELECT count(*) FROM email_tokens WHERE token_hash = encode(sha256($1::bytea), 'hex') AND type = 'email_verification'`, []byte(l.token(t))); stored != 1 {
		t.Error("its hash is not stored")
	}
	if n := s.count(`SELECT count(*) FROM river.river_job WHERE args::text LIKE '%' || $1 || '%'`, l.token(t)); n != 0 {
		t.Error("the token is among the job's arguments")
	}
	s.post("/v1/auth/verify-email", object{"token": l.token(t)}).want(t, 200, "")
	if l := s.last(email, welcomeSubject); l.Subject != "Welcome to TurKey Auth! 🎉" || token64.MatchString(l.Text) {
		t.Errorf("%s\n%s", l.Subject, l.Text)
	}
	token := a.text("data", "accessToken")
	s.call("POST", "/v1/users/change-password", token, object{"currentPassword": password, "newPassword": another}, set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")).want(t, 200, "")
	if l := s.last(email, "Your Password Was Changed"); !strings.Contains(l.Text, "127.0.0.1") || strings.Contains(l.Text, another) || token64.MatchString(l.Text) {
		t.Errorf("%s\n%s", l.Subject, l.Text)
	}
	s.resetToken("shop", email)
	if l := s.last(email, resetSubject); l.Subject != "Reset Your Password - TurKey Auth" || !strings.Contains(l.Text, publicURL+"/auth/reset-password?token="+l.token(t)) {
		t.Errorf("%s\n%s", l.Subject, l.Text)
	}
	want := map[string]int{"Verify Your Email Address - TurKey Auth": 1, "Welcome to TurKey Auth! 🎉": 1, "Your Password Was Changed - TurKey Auth": 1, "Reset Your Password - TurKey Auth": 1}
	got := s.subjects(email)
	for subject, n := range got {
		if want[subject] != n {
			t.Errorf("mails %v", got)
		}
	}
}

// form posts a form as a browser does.
func (s *replica) form(path string, values url.Values) answer {
	s.t.Helper()
	return s.call("POST", path, "", values.Encode(), set("Content-Type", "application/x-www-form-urlencoded"))
}

// TestPagesOfLinks: opening changes nothing, whoever opens it; the button does.
func TestPagesOfLinks(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u := s.user("shop", "email_verified = false")
	u.verify, u.reset = s.verifyToken("shop", u.email), s.resetToken("shop", u.email)
	for _, path := range []string{"/auth/verify-email?token=" + u.verify, "/auth/reset-password?token=" + u.reset} {
		for _, method := range []string{"GET", "HEAD", "GET", "HEAD"} {
			a := s.call(method, path, "", nil)
			h := a.header
			if a.status != 200 || h.Get("Content-Type") != "text/html; charset=utf-8" || h.Get("Cache-Control") != "no-store" {
				t.Errorf("%s %s: %d %v", method, path, a.status, h)
			}
			bare, _, _ := strings.Cut(path, "?")
			if method == "GET" && (!strings.Contains(a.raw, `method="post" action="`+bare+`"`) || !strings.Contains(a.raw, `<form`) || strings.Contains(a.raw, "<script") || strings.Contains(a.raw, u.email)) {
				t.Errorf("%s: %s", path, a.raw)
			}
		}
	}
	if n := s.count(`SELECT count(*) FROM email_tokens WHERE used_at IS NOT NULL`); n != 0 {
		t.Error("opening a link spent it")
	}
	for name, token := range map[string]string{"none": "", "short": "abc", "markup": `"><script>alert(1)</script>`, "markup of the right length": `"><script>` + strings.Repeat("x", 54)} {
		for _, path := range []string{"/auth/verify-email", "/auth/reset-password"} {
			a := s.get(path+"?token="+url.QueryEscape(token), "")
			if strings.Contains(a.raw, "<script") || len(token) != 64 && (a.status != 400 || strings.Contains(a.raw, "<form")) {
				t.Errorf("%s with %s: %d %s", path, name, a.status, a.raw)
			}
		}
	}

	// Errors of the form spend nothing and show it again.
	for name, bad := range map[string]struct{ pass, says string }{
		"short": {"Aa1!", "at least 8 characters"}, "classes": {"aaaaaaaaaaaaaaaaaab", "uppercase"}, "common": {"password1", "common"}, "long": {strings.Repeat("Aa1!", 33), "too long"}, "none": {"", "at least 8"},
	} {
		a := s.form("/auth/reset-password", url.Values{"token": {u.reset}, "newPassword": {bad.pass}})
		if a.status != 400 || !strings.Contains(a.raw, bad.says) || !strings.Contains(a.raw, "<form") || !strings.Contains(a.raw, u.reset) || bad.pass != "" && strings.Contains(a.raw, bad.pass) {
			t.Errorf("%s: %d %s", name, a.status, a.raw)
		}
	}
	for _, path := range []string{"/auth/verify-email", "/auth/reset-password"} {
		a := s.form(path, url.Values{"token": {strings.Repeat("0", 64)}, "newPassword": {another}})
		if a.status != 400 || !strings.Contains(a.raw, "expired or was used") || strings.Contains(a.raw, "<form") {
			t.Errorf("%s with an unknown token: %d %s", path, a.status, a.raw)
		}
		if a := s.call("POST", path+"?token="+u.verify, "", "", set("Content-Type", "application/x-www-form-urlencoded")); a.status != 400 {
			t.Errorf("%s takes the token from the address: %d", path, a.status)
		}
		if a := s.form(path, url.Values{"token": {strings.Repeat("x", 20_000)}}); a.status != 400 {
			t.Errorf("%s with a huge form: %d", path, a.status)
		}
	}
	if n := s.count(`SELECT count(*) FROM email_tokens WHERE used_at IS NOT NULL`); n != 0 {
		t.Error("a refused form spent a link")
	}

	if a := s.form("/auth/verify-email", url.Values{"token": {u.verify}}); a.status != 200 || !strings.Contains(a.raw, "Address verified") || strings.Contains(a.raw, u.verify) {
		t.Errorf("verify: %d %s", a.status, a.raw)
	}
	if a := s.me(u.access); a.at("data", "emailVerified") != true {
		t.Error("not verified")
	}
	if a := s.form("/auth/reset-password", url.Values{"token": {u.reset}, "newPassword": {another}}); a.status != 200 || !strings.Contains(a.raw, "Password changed") || strings.Contains(a.raw, another) {
		t.Errorf("reset: %d %s", a.status, a.raw)
	}
	s.me(u.access).want(t, 401, "token_expired")
	s.login("shop", u.email, another).want(t, 200, "")
	for path, token := range map[string]string{"/auth/verify-email": u.verify, "/auth/reset-password": u.reset} {
		if a := s.form(path, url.Values{"token": {token}, "newPassword": {another + "3"}}); a.status != 400 {
			t.Errorf("%s twice: %d", path, a.status)
		}
	}
	s.login("shop", u.email, another).want(t, 200, "")
}

// TestMailQuota: three an hour per user and kind; the answer never says.
func TestMailQuota(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u, other := s.user("shop", "email_verified = false"), s.user("shop", "email_verified = false")
	kinds := map[string]string{"request-password-reset": "Reset Your Password - TurKey Auth", "resend-verification": "Verify Your Email Address - TurKey Auth"}
	for path, subject := range kinds {
		var answers []string
		for range 6 {
			answers = append(answers, s.post("/v1/auth/"+path, object{"email": strings.ToUpper(u.email), "appId": "shop"}).want(t, 200, "").raw)
		}
		if len(slices.Compact(answers)) != 1 {
			t.Errorf("%s: %v", path, answers)
		}
		if n := s.subjects(u.email)[subject]; n != 3 {
			t.Errorf("%s: %d mails", path, n)
		}
		s.post("/v1/auth/"+path, object{"email": other.email, "appId": "shop"}).want(t, 200, "")
		if n := s.subjects(other.email)[subject]; n != 1 {
			t.Errorf("%s: %d mails for somebody else", path, n)
		}
		together(8, func(int) answer { return s.post("/v1/auth/"+path, object{"email": other.email, "appId": "shop"}) })
		if n := s.subjects(other.email)[subject]; n != 3 {
			t.Errorf("%s: %d mails for parallel requests", path, n)
		}
	}
	s.exec(`UPDATE mails SET created_at = created_at - interval '61 minutes' WHERE user_id = $1`, u.id)
	s.post("/v1/auth/request-password-reset", object{"email": u.email, "appId": "shop"}).want(t, 200, "")
	if n := s.subjects(u.email)["Reset Your Password - TurKey Auth"]; n != 4 {
		t.Errorf("%d mails after an hour", n)
	}
}

func TestNobodyToWriteTo(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for name, change := range map[string]string{"suspended": "status = 'suspended'", "deleted": "status = 'deleted'"} {
		_, email := s.account("shop", change, "email_verified = false")
		for _, path := range []string{"request-password-reset", "resend-verification"} {
			s.post("/v1/auth/"+path, object{"email": email, "appId": "shop"}).want(t, 200, "")
		}
		if n := len(s.mails(email)); n != 0 {
			t.Errorf("%s: %d mails", name, n)
		}
	}
	_, verified := s.account("shop")
	s.post("/v1/auth/resend-verification", object{"email": verified, "appId": "shop"}).want(t, 200, "")
	if n := len(s.mails(verified)); n != 0 {
		t.Errorf("verified: %d mails", n)
	}
	_, here := s.account("shop")
	s.post("/v1/auth/request-password-reset", object{"email": here, "appId": "elsewhere"}).want(t, 200, "")
	if n := len(s.mails(here)); n != 0 {
		t.Errorf("another app's user: %d mails", n)
	}
	if n := s.count(`SELECT count(*) FROM email_tokens`); n != 0 {
		t.Errorf("%d tokens", n)
	}
}

// post is a mail server that a test switches off.
type post struct {
	mu   sync.Mutex
	down error
	sent []mail.Message
	told int
}

func (*post) Name() string { return "post" }

func (p *post) Send(_ context.Context, m mail.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told++
	if p.down != nil {
		return p.down
	}
	p.sent = append(p.sent, m)
	return nil
}

func (p *post) set(err error) {
	p.mu.Lock()
	p.down = err
	p.mu.Unlock()
}

func (p *post) state() (told int, sent []mail.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.told, slices.Clone(p.sent)
}

func TestAMailServerThatIsDown(t *testing.T) {
	t.Parallel()
	p := &post{down: errors.New("connection refused by mail.internal")}
	s := setup(t, with(func(c *auth.Config) { c.Mail = p }))
	s.register("shop", "ada@example.com", password).want(t, 201, "")
	_, email := s.account("shop")
	a := s.post("/v1/auth/request-password-reset", object{"email": email, "appId": "shop"}).want(t, 200, "")
	if strings.Contains(a.raw, "mail.internal") {
		t.Error(a.raw)
	}
	eventually(t, "both were tried", func() bool { told, _ := p.state(); return told >= 2 })
	eventually(t, "the failure is noted", func() bool { return s.count(`SELECT count(*) FROM mails WHERE error IS NOT NULL`) == 2 })
	if _, sent := p.state(); len(sent) != 0 {
		t.Fatal("sent while it was down")
	}
	p.set(nil)
	s.exec(`UPDATE river.river_job SET scheduled_at = now() WHERE state IN ('retryable', 'scheduled')`) // the pause is the queue's
	eventually(t, "they are sent", func() bool { _, sent := p.state(); return len(sent) == 2 })
	if n := s.count(`SELECT count(*) FROM mails WHERE sent_at IS NOT NULL AND error IS NULL AND attempts >= 2`); n != 2 {
		eventually(t, "the success is noted", func() bool {
			return s.count(`SELECT count(*) FROM mails WHERE sent_at IS NOT NULL AND error IS NULL`) == 2
		})
	}
	_, sent := p.state()
	for _, m := range sent { // with the links that work, which are those of the last attempt
		token := token64.FindStringSubmatch(m.Text)[1]
		s.secret(token)
		path, body := "verify-email", object{"token": token}
		if m.Kind == mail.ResetPassword {
			path, body = "reset-password", object{"token": token, "newPassword": another}
		}
		s.post("/v1/auth/"+path, body).want(t, http.StatusOK, "")
	}
}
