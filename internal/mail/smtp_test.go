package mail_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"turkey/internal/mail"
)

func TestSMTPCarriesTheWholeMessage(t *testing.T) {
	t.Parallel()
	s := (&mailServer{}).start(t)
	m := message()
	if err := s.sender(t, "mail.test", mail.Config{}).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := s.delivered()
	if len(got) != 1 || got[0].from != "<noreply@app.example>" || got[0].to != "<o'neil+x@example.com>" || got[0].tls || got[0].user != "" {
		t.Fatalf("envelope: %+v", got)
	}
	if strings.Contains(got[0].mailLine, "SMTPUTF8") || !s.heard("QUIT") {
		t.Errorf("MAIL %s, commands %v", got[0].mailLine, s.verbs)
	}
	parsed, err := netmail.ReadMessage(strings.NewReader(got[0].body))
	if err != nil {
		t.Fatal(err)
	}
	h := parsed.Header
	words := &mime.WordDecoder{}
	subject, err := words.DecodeHeader(h.Get("Subject"))
	if err != nil || subject != m.Subject {
		t.Errorf("Subject: %q, %v", subject, err)
	}
	from, err := netmail.ParseAddress(h.Get("From"))
	if err != nil || from.Name != m.FromName || from.Address != m.From {
		t.Errorf("From: %v, %v", from, err)
	}
	if date, err := h.Date(); err != nil || !date.Equal(now) {
		t.Errorf("Date: %v, %v", date, err)
	}
	if id := h.Get("Message-ID"); !strings.HasPrefix(id, "<") || !strings.HasSuffix(id, "@app.example>") || len(id) < 30 {
		t.Errorf("Message-ID: %q", id)
	}
	if h.Get("To") != "<"+m.To+">" || h.Get("MIME-Version") != "1.0" || h.Get("Auto-Submitted") != "auto-generated" ||
		h.Get("User-Agent")+h.Get("X-Mailer") != "" {
		t.Errorf("header: %v", h)
	}
	parts := alternatives(t, parsed)
	if len(parts) != 2 || parts[0] != "text/plain; charset=UTF-8|"+m.Text || strings.TrimSpace(parts[1]) != "text/html; charset=UTF-8|"+m.HTML {
		t.Errorf("parts: %q", parts)
	}
}

// alternatives gives type and content of each part.
func alternatives(t *testing.T, m *netmail.Message) (parts []string) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("%s, %v", kind, err)
	}
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return parts
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil || p.Header.Get("Content-Transfer-Encoding") != "quoted-printable" {
			t.Fatalf("%v, %v", p.Header, err)
		}
		parts = append(parts, p.Header.Get("Content-Type")+"|"+strings.ReplaceAll(string(content), "\r\n", "\n"))
	}
}

func TestSMTPWithoutHTMLIsPlainText(t *testing.T) {
	t.Parallel()
	s := (&mailServer{}).start(t)
	m := message()
	m.HTML = ""
	if err := s.sender(t, "mail.test", mail.Config{}).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if body := s.delivered()[0].body; !strings.Contains(body, "Content-Type: text/plain; charset=UTF-8") || strings.Contains(body, "multipart") {
		t.Error(body)
	}
}

func TestSMTPSecurityAndSignIn(t *testing.T) {
	t.Parallel()
	user := mail.Config{SMTPUser: "user", SMTPPassword: secretPassword, RootCAs: roots()}
	secure := user
	secure.SMTPSecure = true
	wrong := user
	wrong.SMTPPassword = "not " + secretPassword
	for name, c := range map[string]struct {
		server    *mailServer
		host      string
		config    mail.Config
		tls       bool
		user      string
		err       string // part of it; empty: delivered
		permanent bool
	}{
		"plain, no auth":                     {server: &mailServer{}, host: "mail.test"},
		"STARTTLS when offered":              {server: &mailServer{startTLS: true}, host: "mail.test", config: mail.Config{RootCAs: roots()}, tls: true},
		"STARTTLS, PLAIN":                    {server: &mailServer{startTLS: true, auth: "LOGIN PLAIN"}, host: "mail.test", config: user, tls: true, user: "user"},
		"STARTTLS, LOGIN":                    {server: &mailServer{startTLS: true, auth: "LOGIN"}, host: "mail.test", config: user, tls: true, user: "user"},
		"implicit TLS, PLAIN":                {server: &mailServer{implicit: true, auth: "PLAIN"}, host: "mail.test", config: secure, tls: true, user: "user"},
		"implicit TLS, LOGIN":                {server: &mailServer{implicit: true, auth: "LOGIN"}, host: "mail.test", config: secure, tls: true, user: "user"},
		"implicit TLS, no auth":              {server: &mailServer{implicit: true}, host: "mail.test", config: mail.Config{SMTPSecure: true, RootCAs: roots()}, tls: true},
		"this machine, any certificate":      {server: &mailServer{startTLS: true}, host: "127.0.0.1", tls: true},
		"this machine, password, no TLS":     {server: &mailServer{auth: "PLAIN", plainAuth: true}, host: "localhost", config: user, user: "user"},
		"password, no TLS":                   {server: &mailServer{auth: "PLAIN LOGIN", plainAuth: true}, host: "mail.test", config: user, err: "must not travel without TLS", permanent: true},
		"password, no AUTH":                  {server: &mailServer{startTLS: true}, host: "mail.test", config: user, err: "asks for no password", permanent: true},
		"password, unknown AUTH":             {server: &mailServer{startTLS: true, auth: "NTLM GSSAPI"}, host: "mail.test", config: user, err: "offers none of", permanent: true},
		"wrong password":                     {server: &mailServer{startTLS: true, auth: "PLAIN"}, host: "mail.test", config: wrong, err: "signing in: 535 5.7.8", permanent: true},
		"wrong password, LOGIN":              {server: &mailServer{startTLS: true, auth: "LOGIN"}, host: "mail.test", config: wrong, err: "signing in: 535 5.7.8", permanent: true},
		"AUTH out of order":                  {server: &mailServer{startTLS: true, auth: "PLAIN", answers: map[string]string{"AUTH": "454 4.7.0 later"}}, host: "mail.test", config: user, err: "signing in: 454 4.7.0"},
		"AUTH with nonsense":                 {server: &mailServer{startTLS: true, auth: "LOGIN", answers: map[string]string{"PROMPT": "334 %%% " + secretPassword}}, host: "mail.test", config: user, err: "signing in"},
		"certificate nobody knows":           {server: &mailServer{startTLS: true}, host: "mail.test", err: "failed to verify certificate"},
		"certificate of another, STARTTLS":   {server: &mailServer{startTLS: true}, host: "other.test", config: user, err: "not other.test"},
		"certificate of another, implicit":   {server: &mailServer{implicit: true}, host: "other.test", config: secure, err: "not other.test"},
		"STARTTLS refused, not done without": {server: &mailServer{startTLS: true, answers: map[string]string{"STARTTLS": "454 4.7.0 no TLS now"}}, host: "mail.test", err: "STARTTLS: 454"},
		"TLS where there is none":            {server: &mailServer{}, host: "mail.test", config: secure, err: "does not speak SMTP here"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := c.server.start(t)
			err := s.sender(t, c.host, c.config).Send(t.Context(), message())
			if c.err == "" {
				if got := s.delivered(); err != nil || len(got) != 1 || got[0].tls != c.tls || got[0].user != c.user {
					t.Fatalf("%v, %+v", err, got)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.err) || mail.IsPermanent(err) != c.permanent {
				t.Errorf("error %v, permanent %t", err, mail.IsPermanent(err))
			}
			noSecret(t, fmt.Sprint(err))
			if len(s.delivered()) > 0 {
				t.Error("delivered all the same")
			}
			if c.config.SMTPUser != "" && strings.Contains(c.err, "must not travel") && s.heard("AUTH") {
				t.Error("the password was sent")
			}
		})
	}
}

func TestSMTPRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers   map[string]string
		permanent bool
		err       string
	}{
		"greeting 554":     {map[string]string{"GREETING": "554 5.7.1 go away"}, true, "the greeting: 554 5.7.1 go away"},
		"greeting 421":     {map[string]string{"GREETING": "421 busy"}, false, "the greeting: 421 busy"},
		"greeting silence": {map[string]string{"GREETING": "hang up"}, false, "closed the connection"},
		"greeting HTTP":    {map[string]string{"GREETING": "HTTP/1.1 400 Bad Request"}, false, "does not speak SMTP"},
		"EHLO":             {map[string]string{"EHLO": "550 no", "HELO": "550 no"}, true, "EHLO: 550"},
		"MAIL 550":         {map[string]string{"MAIL": "550 5.1.8 bad\tsender\x07"}, true, "MAIL FROM: 550 5.1.8 bad sender"},
		"MAIL 451":         {map[string]string{"MAIL": "451-4.7.1 grey\n451 listed"}, false, "MAIL FROM: 451 4.7.1 grey listed"},
		"RCPT 550":         {map[string]string{"RCPT": "550 5.1.1 no such user"}, true, "RCPT TO: 550 5.1.1 no such user"},
		"RCPT 452":         {map[string]string{"RCPT": "452 full"}, false, "RCPT TO: 452 full"},
		"RCPT password":    {map[string]string{"RCPT": "550 5.1.1 " + secretPassword}, true, "RCPT TO: 550 5.1.1"},
		"RCPT at length":   {map[string]string{"RCPT": "550 " + strings.Repeat("x", 5000)}, true, "xxx…"},
		"RCPT hangs up":    {map[string]string{"RCPT": "hang up"}, false, "RCPT TO: the server closed the connection"},
		"DATA 503":         {map[string]string{"DATA": "503 no"}, true, "DATA: 503"},
		"body 554":         {map[string]string{"BODY": "554 5.7.1 spam: " + secretLink}, true, "the message: 554 5.7.1"},
		"body 451":         {map[string]string{"BODY": "451 " + secretLink}, false, "the message: 451"},
		"body hangs up":    {map[string]string{"BODY": "hang up"}, false, "the message: the server closed the connection"},
		"body nonsense":    {map[string]string{"BODY": secretLink}, false, "does not speak SMTP"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := (&mailServer{answers: c.answers, startTLS: true, auth: "PLAIN"}).start(t)
			err := s.sender(t, "mail.test", mail.Config{SMTPUser: "user", SMTPPassword: secretPassword, RootCAs: roots()}).Send(t.Context(), message())
			if err == nil || !strings.Contains(err.Error(), c.err) || mail.IsPermanent(err) != c.permanent {
				t.Errorf("error %v, permanent %t", err, mail.IsPermanent(err))
			}
			if text := fmt.Sprintf("%v %+v %#v", err, err, errors.Unwrap(err)); len(text) > 1500 || strings.ContainsAny(text, "\r\n\x07") {
				t.Errorf("not one line: %q", text)
			} else {
				noSecret(t, text)
			}
		})
	}
}

func TestSMTPDeliveredIsDelivered(t *testing.T) {
	t.Parallel()
	for _, quit := range []string{"hang up", "421 gone", "nonsense"} {
		s := (&mailServer{answers: map[string]string{"QUIT": quit, "RSET": "hang up", "NOOP": "hang up"}}).start(t)
		if err := s.sender(t, "mail.test", mail.Config{}).Send(t.Context(), message()); err != nil || len(s.delivered()) != 1 {
			t.Errorf("%s: %v, %d deliveries", quit, err, len(s.delivered()))
		}
	}
}

func TestSMTPEnds(t *testing.T) {
	t.Parallel()
	const timeout = 100 * time.Millisecond
	for name, s := range map[string]*mailServer{
		"slow greeting":  {delays: map[string]time.Duration{"GREETING": time.Minute}},
		"slow recipient": {delays: map[string]time.Duration{"RCPT": time.Minute}},
		"slow body":      {delays: map[string]time.Duration{"BODY": time.Minute}},
		"no handshake":   {startTLS: true, delays: map[string]time.Duration{"STARTTLS": time.Minute}},
		"every answer just in time": {delays: map[string]time.Duration{
			"GREETING": 80 * time.Millisecond, "EHLO": 80 * time.Millisecond, "MAIL": 80 * time.Millisecond, "RCPT": 80 * time.Millisecond, "DATA": 80 * time.Millisecond}},
		"endless greeting": {endless: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.start(t)
			config := mail.Config{Timeout: timeout}
			if s.endless {
				config.Timeout = 0
			}
			sender, start := s.sender(t, "mail.test", config), time.Now()
			err := sender.Send(t.Context(), message())
			if err == nil || mail.IsPermanent(err) || time.Since(start) > 4*time.Second {
				t.Errorf("%v after %v", err, time.Since(start))
			}
			if s.endless && !strings.Contains(fmt.Sprint(err), "says too much") {
				t.Error(err)
			}
		})
	}
}

func TestSMTPCancelled(t *testing.T) {
	t.Parallel()
	s := (&mailServer{delays: map[string]time.Duration{"RCPT": time.Minute}}).start(t)
	sender := s.sender(t, "mail.test", mail.Config{Timeout: time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := sender.Send(ctx, message()); !errors.Is(err, context.Canceled) || mail.IsPermanent(err) {
		t.Error(err)
	}
}

func TestSMTPNobodyThere(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	s := &mailServer{address: address}
	if err := s.sender(t, "mail.test", mail.Config{}).Send(t.Context(), message()); err == nil || mail.IsPermanent(err) || !strings.Contains(err.Error(), "connecting") {
		t.Error(err)
	}
}

func TestSMTPInternationalAddresses(t *testing.T) {
	t.Parallel()
	m := message()
	m.To = "jürgen@example.com"
	old := (&mailServer{}).start(t)
	if err := old.sender(t, "mail.test", mail.Config{}).Send(t.Context(), m); !mail.IsPermanent(err) || old.heard("MAIL") {
		t.Error(err)
	}
	young := (&mailServer{smtpUTF8: true}).start(t)
	if err := young.sender(t, "mail.test", mail.Config{}).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := young.delivered()[0]; !strings.Contains(got.mailLine, "SMTPUTF8") || got.to != "<jürgen@example.com>" {
		t.Errorf("%+v", got)
	}
}

func TestSMTPManyAtOnce(t *testing.T) {
	t.Parallel()
	s := (&mailServer{startTLS: true, auth: "PLAIN"}).start(t)
	sender := s.sender(t, "mail.test", mail.Config{SMTPUser: "user", SMTPPassword: secretPassword, RootCAs: roots()})
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if err := sender.Send(t.Context(), message()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	ids := map[string]bool{}
	for _, d := range s.delivered() {
		m, err := netmail.ReadMessage(strings.NewReader(d.body))
		if err != nil {
			t.Fatal(err)
		}
		ids[m.Header.Get("Message-ID")] = true
	}
	if len(ids) != 16 {
		t.Errorf("%d different messages", len(ids))
	}
}

func TestOwnName(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{"192.0.2.1:25": "[192.0.2.1]", "[2001:db8::1]:25": "[IPv6:2001:db8::1]", "@": "localhost"} {
		var a net.Addr = &net.UnixAddr{Name: address}
		if got := mail.OwnName(a); got != want && !strings.Contains(got, ".") {
			t.Errorf("%s: %s", address, got)
		}
	}
}
