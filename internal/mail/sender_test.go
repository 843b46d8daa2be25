package mail_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"turkey/internal/mail"
)

type box struct {
	got []mail.Message
	err error
}

func (b *box) Put(_ context.Context, m mail.Message) error {
	b.got = append(b.got, m)
	return b.err
}

func TestChoice(t *testing.T) {
	t.Parallel()
	gun := mail.Config{MailgunKey: secretKey, MailgunDomain: "mg.app.example"}
	smtp := mail.Config{SMTPHost: "mail.test", SMTPUser: "user", SMTPPassword: secretPassword}
	both := gun
	both.SMTPHost = "mail.test"
	with := func(c mail.Config, change func(*mail.Config)) mail.Config { change(&c); return c }
	service := func(s string) func(*mail.Config) { return func(c *mail.Config) { c.Service = s } }
	production := func(c *mail.Config) { c.Production = true }
	withBox := func(c *mail.Config) { c.Mailbox = &box{} }
	for name, c := range map[string]struct {
		config mail.Config
		want   string // a service, or part of the error
		warns  string
	}{
		"nothing, development":              {with(mail.Config{}, withBox), "mailbox", ""},
		"nothing, development, no mailbox":  {mail.Config{}, "log", ""},
		"nothing, production":               {with(with(mail.Config{}, production), withBox), "none", "mail is off"},
		"mailgun key and domain":            {with(gun, withBox), "mailgun", ""},
		"mailgun key and domain in prod":    {with(gun, production), "mailgun", "FROM_EMAIL is not set"},
		"mailgun before smtp":               {both, "mailgun", ""},
		"smtp host":                         {with(smtp, withBox), "smtp", ""},
		"key without domain":                {with(mail.Config{MailgunKey: secretKey}, withBox), "mailbox", "Mailgun is not used"},
		"domain without key, smtp":          {with(smtp, func(c *mail.Config) { c.MailgunDomain = "mg.app.example" }), "smtp", "Mailgun is not used"},
		"named beats found":                 {with(both, service("SMTP ")), "smtp", ""},
		"none":                              {with(both, service("none")), "none", "mail is off"},
		"log":                               {with(both, service("log")), "log", ""},
		"log in production":                 {with(with(mail.Config{}, service("log")), production), "log", "links that open accounts"},
		"mailbox":                           {with(with(both, service("mailbox")), withBox), "mailbox", ""},
		"mailbox in production":             {with(with(with(both, service("mailbox")), withBox), production), "mailbox", "reaches nobody"},
		"smtp without user":                 {mail.Config{Service: "smtp", SMTPHost: "::1"}, "smtp", ""},
		"465 without TLS":                   {mail.Config{SMTPHost: "mail.test", SMTPPort: 465}, "smtp", "SMTP_SECURE=true"},
		"mailbox without one":               {mail.Config{Service: "mailbox"}, "EMAIL_SERVICE: this server has no mailbox", ""},
		"unknown":                           {mail.Config{Service: "sendgrid"}, "EMAIL_SERVICE: expected mailgun, smtp, mailbox, log or none", ""},
		"mailgun, nothing":                  {mail.Config{Service: "mailgun"}, "MAILGUN_API_KEY: required by EMAIL_SERVICE=mailgun\nMAILGUN_DOMAIN: required", ""},
		"mailgun, domain with a path":       {with(gun, func(c *mail.Config) { c.MailgunDomain = "../x?y" }), "MAILGUN_DOMAIN: expected", ""},
		"mailgun, key with a line break":    {with(gun, func(c *mail.Config) { c.MailgunKey += "\r\nX: y" }), "MAILGUN_API_KEY: must be", ""},
		"mailgun, base without scheme":      {with(gun, func(c *mail.Config) { c.MailgunBase = "api.mailgun.net" }), "MAILGUN_API_BASE: expected", ""},
		"mailgun, base with a user":         {with(gun, func(c *mail.Config) { c.MailgunBase = "https://u:p@api.mailgun.net" }), "MAILGUN_API_BASE: expected", ""},
		"mailgun, http in production":       {with(with(gun, production), func(c *mail.Config) { c.MailgunBase = "http://mailgun.example" }), "MAILGUN_API_BASE: the key", ""},
		"mailgun, http, loopback":           {with(with(gun, production), func(c *mail.Config) { c.MailgunBase, c.From = "http://127.0.0.1:1", "a@b.example" }), "mailgun", ""},
		"smtp, no host":                     {mail.Config{Service: "smtp"}, "SMTP_HOST: required", ""},
		"smtp, host with a port":            {mail.Config{SMTPHost: "mail.test:25"}, "SMTP_HOST: expected", ""},
		"smtp, port":                        {mail.Config{SMTPHost: "mail.test", SMTPPort: 70000}, "SMTP_PORT: expected", ""},
		"smtp, user alone":                  {mail.Config{SMTPHost: "mail.test", SMTPUser: "user"}, "SMTP_PASSWORD: required", ""},
		"smtp, password alone":              {mail.Config{SMTPHost: "mail.test", SMTPPassword: secretPassword}, "SMTP_USER: required", ""},
		"from with a name":                  {mail.Config{From: "App <a@b.example>"}, "FROM_EMAIL: expected", ""},
		"from with a line break":            {mail.Config{From: "a@b.example\r\nBcc: x@y.example"}, "FROM_EMAIL: expected", ""},
		"name with a line break":            {mail.Config{FromName: "App\nBcc: x@y.example"}, "EMAIL_FROM_NAME: must", ""},
		"the production guide, and nothing": {mail.Config{Production: true, MailgunKey: "your-mailgun-api-key", MailgunDomain: "mg.yourdomain.com", From: "noreply@yourdomain.com"}, "mailgun", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log, logged := logger()
			c.config.Log = log
			s, err := mail.NewSender(c.config)
			switch {
			case err != nil && !strings.Contains(err.Error(), c.want):
				t.Errorf("error %v", err)
			case err == nil && s.Name() != c.want:
				t.Errorf("chose %s", s.Name())
			}
			if c.warns == "" && logged.Len() > 0 || c.warns != "" && strings.Count(logged.String(), "level=WARN") != 1 || !strings.Contains(logged.String(), c.warns) {
				t.Errorf("logged %q", logged)
			}
			log.Info("the settings", "config", c.config)
			noSecret(t, fmt.Sprintf("%v %v %+v %#v %s %s", err, c.config, c.config, c.config, c.config, logged))
		})
	}
}

func TestLogPrintsTheLink(t *testing.T) {
	t.Parallel()
	log, logged := logger()
	s, err := mail.NewSender(mail.Config{Service: "log", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	if got := logged.String(); !strings.Contains(got, "level=INFO") || !strings.Contains(got, `link="`+secretLink+`"`) || strings.Count(got, "\n") != 1 {
		t.Error(got)
	}
}

func TestOnlyLogPrintsTheLink(t *testing.T) {
	t.Parallel()
	for _, service := range []string{"none", "mailbox"} {
		log, logged := logger()
		s, err := mail.NewSender(mail.Config{Service: service, Log: log, Mailbox: &box{}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Send(t.Context(), message()); err != nil {
			t.Error(err)
		}
		log.Info("sent", "message", message())
		m := message()
		noSecret(t, fmt.Sprintf("%s %v %+v %#v %v", logged, m, m, m, &m))
	}
}

func TestMailboxGetsACompleteMessage(t *testing.T) {
	t.Parallel()
	b := &box{}
	log, _ := logger()
	s, err := mail.NewSender(mail.Config{Mailbox: b, FromName: "App", From: "app@b.example", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	m := message()
	m.From, m.FromName = "", ""
	if err := s.Send(t.Context(), m); err != nil || len(b.got) != 1 {
		t.Fatal(err)
	}
	m.From, m.FromName = "app@b.example", "App"
	if b.got[0] != m {
		t.Error("another message arrived")
	}
	if j, err := json.Marshal(m); err != nil || !strings.Contains(string(j), secretToken) {
		t.Errorf("a mailbox could not store it: %s, %v", j, err)
	}
	b.err = io.ErrUnexpectedEOF
	if err := s.Send(t.Context(), m); !errors.Is(err, io.ErrUnexpectedEOF) || mail.IsPermanent(err) {
		t.Error(err)
	}
}

func TestRefusedBeforeAnySenderSeesIt(t *testing.T) {
	t.Parallel()
	b := &box{}
	log, logged := logger()
	s, err := mail.NewSender(mail.Config{Mailbox: b, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	const injection = "x\r\nBcc: everybody@example.com"
	for name, change := range map[string]func(*mail.Message){
		"name":               func(m *mail.Message) { m.FromName = injection },
		"from":               func(m *mail.Message) { m.From += injection },
		"from, newline":      func(m *mail.Message) { m.From += "\n" },
		"to":                 func(m *mail.Message) { m.To = "a@b.example\nBcc: everybody@example.com" },
		"to, return":         func(m *mail.Message) { m.To = "a@b.example\r" },
		"to, NUL":            func(m *mail.Message) { m.To = "a@b.example\x00" },
		"subject":            func(m *mail.Message) { m.Subject = injection },
		"subject, newline":   func(m *mail.Message) { m.Subject += "\n" },
		"subject, next line": func(m *mail.Message) { m.Subject += "\u0085" },
		"two recipients":     func(m *mail.Message) { m.To = "a@b.example, c@d.example" },
		"named recipient":    func(m *mail.Message) { m.To = "A <a@b.example>" },
		"brackets":           func(m *mail.Message) { m.To = "<a@b.example>" },
		"comment":            func(m *mail.Message) { m.To = "a@b.example (x)" },
		"no domain":          func(m *mail.Message) { m.To = "a" },
		"parameter":          func(m *mail.Message) { m.To = "a@b.example> SIZE=1" },
		"nobody":             func(m *mail.Message) { m.To = "" },
		"no subject":         func(m *mail.Message) { m.Subject = " " },
		"no text":            func(m *mail.Message) { m.Text = "\n" },
	} {
		m := message()
		change(&m)
		if err := s.Send(t.Context(), m); !mail.IsPermanent(err) {
			t.Errorf("%s: %v", name, err)
		} else {
			noSecret(t, err.Error())
		}
	}
	if len(b.got) > 0 || logged.Len() > 0 {
		t.Errorf("%d messages, log %q", len(b.got), logged)
	}
	for _, to := range []string{"a@b.example", "o'neil+tag@b.example", `"a b"@b.example`, "a@[192.0.2.1]", "a@localhost", "ü@b.example"} {
		m := message()
		m.To = to
		if err := s.Send(t.Context(), m); err != nil {
			t.Errorf("%s: %v", to, err)
		}
	}
}

func TestIsPermanentOfOthers(t *testing.T) {
	t.Parallel()
	for _, err := range []error{nil, io.EOF, context.DeadlineExceeded} {
		if mail.IsPermanent(err) {
			t.Error(err)
		}
	}
}
