package mail

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const maxAnswer = 1 << 20 // bytes read from the other side, whichever protocol

// mailgun sends with https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages.
type mailgun struct {
	endpoint, key string
	timeout       time.Duration
	http          *http.Client
}

func newMailgun(c Config) *mailgun {
	return &mailgun{
		endpoint: c.MailgunBase + "/v3/" + c.MailgunDomain + "/messages",
		key:      c.MailgunKey,
		timeout:  c.Timeout,
		http: &http.Client{
			// The key and a link travel in the request: to where the operator said and nowhere else.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (*mailgun) Name() string { return "mailgun" }

func (s *mailgun) Send(ctx context.Context, m Message) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	form := url.Values{
		"from": {formatted(m.FromName, m.From)}, "to": {m.To}, "subject": {m.Subject}, "text": {m.Text},
		"o:tracking": {"no"}, "h:Auto-Submitted": {"auto-generated"},
	}
	if m.HTML != "" {
		form.Set("html", m.HTML)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return permanentf("mailgun: MAILGUN_API_BASE and MAILGUN_DOMAIN make no address")
	}
	req.SetBasicAuth("api", s.key)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := s.http.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // the address adds nothing
		}
		return temporaryf("mailgun: no answer: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	// The answer is read for the sake of the connection and never quoted: an error may repeat the message.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	return mailgunVerdict(resp.StatusCode)
}

func mailgunVerdict(status int) error {
	switch status {
	case http.StatusBadRequest:
		return permanentf("mailgun: 400: an address or the sender's domain was refused")
	case http.StatusUnauthorized, http.StatusForbidden:
		return permanentf("mailgun: %d: MAILGUN_API_KEY was refused for this domain", status)
	case http.StatusNotFound:
		return permanentf("mailgun: 404: the domain is unknown there (MAILGUN_DOMAIN; for the EU MAILGUN_API_BASE=https://api.eu.mailgun.net)")
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return temporaryf("mailgun: %d: asked to come back later", status)
	}
	switch status / 100 {
	case 2:
		return nil
	case 5:
		return temporaryf("mailgun: %d: out of order", status)
	}
	return permanentf("mailgun: %d: refused", status)
}
