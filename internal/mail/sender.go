package mail

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Sender delivers messages. Implementations may be used by many goroutines at once.
type Sender interface {
	// Send returns once the other side has taken the message over. See IsPermanent for its errors.
	Send(ctx context.Context, m Message) error
	// Name is the service: mailgun, smtp, log, none or mailbox.
	Name() string
}

// Mailbox keeps messages on this server, where a developer reads them.
type Mailbox interface {
	Put(ctx context.Context, m Message) error
}

// Config is how mail leaves. The comments name the variables of contract auth-api.md §10.
type Config struct {
	Service    string // EMAIL_SERVICE: mailgun, smtp, log, none, mailbox; empty: see NewSender
	Production bool

	MailgunKey    string // MAILGUN_API_KEY
	MailgunDomain string // MAILGUN_DOMAIN
	MailgunBase   string // MAILGUN_API_BASE; https://api.mailgun.net if empty

	SMTPHost     string // SMTP_HOST
	SMTPPort     int    // SMTP_PORT; 0: 587, and 465 with SMTPSecure
	SMTPSecure   bool   // SMTP_SECURE: TLS from the first byte; otherwise STARTTLS when offered
	SMTPUser     string // SMTP_USER
	SMTPPassword string // SMTP_PASSWORD

	From     string // FROM_EMAIL; noreply@localhost if empty
	FromName string // EMAIL_FROM_NAME; DefaultName if empty

	Mailbox Mailbox          // for the service mailbox
	Log     *slog.Logger     // nil: slog.Default
	Timeout time.Duration    // of dialling and of each answer; 0: 10 s
	RootCAs *x509.CertPool   // whom SMTP servers' certificates must come from; nil: the system's
	Now     func() time.Time // for the Date field; nil: time.Now
}

// Format keeps every verb from printing the key and the password.
func (c Config) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "mail via %s", c.choose()) }

// LogValue keeps a logger from printing the key and the password.
func (c Config) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

const defaultFrom = "noreply@localhost"

// NewSender makes the sender of the settings. Without a Service it is mailgun if key and domain are set, else smtp if a host
// is set, else in production none, elsewhere the mailbox, and the log if there is no mailbox (contract §7, ruling 13). Incomplete
// settings are an error that names every variable at fault.
func NewSender(c Config) (Sender, error) {
	c.Service = strings.ToLower(strings.TrimSpace(c.Service))
	chosen := c.Service == ""
	c.Service = c.choose()
	c.MailgunBase = strings.TrimSuffix(strings.TrimRight(cmp.Or(c.MailgunBase, "https://api.mailgun.net"), "/"), "/v3")
	c.SMTPPort = cmp.Or(c.SMTPPort, map[bool]int{true: 465, false: 587}[c.SMTPSecure])
	c.From, c.FromName = cmp.Or(c.From, defaultFrom), cmp.Or(c.FromName, DefaultName)
	c.Log = cmp.Or(c.Log, slog.Default())
	c.Timeout = cmp.Or(c.Timeout, 10*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	if problems := c.problems(); len(problems) > 0 {
		return nil, errors.New(strings.Join(problems, "\n"))
	}
	for _, w := range c.warnings(chosen) {
		c.Log.Warn(w, "service", c.Service)
	}
	return &checked{Sender: c.sender(), from: c.From, fromName: c.FromName}, nil
}

func (c Config) choose() string {
	switch {
	case c.Service != "":
		return c.Service
	case c.MailgunKey != "" && c.MailgunDomain != "":
		return "mailgun"
	case c.SMTPHost != "":
		return "smtp"
	case c.Production:
		return "none"
	case c.Mailbox != nil:
		return "mailbox"
	}
	return "log"
}

func (c Config) sender() Sender {
	switch c.Service {
	case "mailgun":
		return newMailgun(c)
	case "smtp":
		return newSMTP(c)
	case "mailbox":
		return toMailbox{c.Mailbox}
	case "log":
		return toLog{c.Log}
	}
	return toNobody{}
}

// A domain or host name; what else could be in it would end up in a URL or a command.
var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?$`)

// problems lists what keeps the service from working, by variable and without values.
func (c Config) problems() (problems []string) {
	refuse := func(bad bool, problem string) {
		if bad {
			problems = append(problems, problem)
		}
	}
	refuse(checkAddress(c.From) != nil, "FROM_EMAIL: expected a plain address of the form name@example.com")
	refuse(hasControl(c.FromName), "EMAIL_FROM_NAME: must be one line")
	switch c.Service {
	case "mailgun":
		refuse(c.MailgunKey == "", "MAILGUN_API_KEY: required by EMAIL_SERVICE=mailgun")
		refuse(hasControl(c.MailgunKey), "MAILGUN_API_KEY: must be one line")
		refuse(c.MailgunDomain == "", "MAILGUN_DOMAIN: required by EMAIL_SERVICE=mailgun")
		refuse(c.MailgunDomain != "" && !hostName.MatchString(c.MailgunDomain), "MAILGUN_DOMAIN: expected a domain such as mg.example.com")
		base, err := url.Parse(c.MailgunBase)
		wrong := err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || (base.Scheme != "https" && base.Scheme != "http")
		refuse(wrong, "MAILGUN_API_BASE: expected an address such as https://api.eu.mailgun.net")
		refuse(!wrong && c.Production && base.Scheme != "https" && !onThisMachine(base.Hostname()), "MAILGUN_API_BASE: the key must not travel without TLS; use https")
	case "smtp":
		refuse(c.SMTPHost == "", "SMTP_HOST: required by EMAIL_SERVICE=smtp")
		refuse(c.SMTPHost != "" && !hostName.MatchString(c.SMTPHost) && net.ParseIP(c.SMTPHost) == nil, "SMTP_HOST: expected a host name or an IP address, without a port")
		refuse(c.SMTPPort < 1 || c.SMTPPort > 65535, "SMTP_PORT: expected a number from 1 to 65535")
		refuse(c.SMTPUser == "" && c.SMTPPassword != "", "SMTP_USER: required by SMTP_PASSWORD")
		refuse(c.SMTPUser != "" && c.SMTPPassword == "", "SMTP_PASSWORD: required by SMTP_USER")
	case "mailbox":
		refuse(c.Mailbox == nil, "EMAIL_SERVICE: this server has no mailbox")
	case "log", "none":
	default:
		refuse(true, "EMAIL_SERVICE: expected mailgun, smtp, mailbox, log or none")
	}
	return problems
}

// warnings lists what works, but probably not as meant. chosen says that nobody named the service.
func (c Config) warnings(chosen bool) (warnings []string) {
	warn := func(odd bool, warning string) {
		if odd {
			warnings = append(warnings, warning)
		}
	}
	leaves := c.Service == "mailgun" || c.Service == "smtp"
	warn(chosen && c.Service != "mailgun" && (c.MailgunKey != "") != (c.MailgunDomain != ""), "Mailgun is not used: it needs MAILGUN_API_KEY and MAILGUN_DOMAIN")
	warn(leaves && c.Production && c.From == defaultFrom, "FROM_EMAIL is not set; mail from noreply@localhost is refused nearly everywhere")
	warn(c.Service == "none", "mail is off: verification and reset links are not sent to anybody (set MAILGUN_API_KEY and MAILGUN_DOMAIN, or SMTP_HOST)")
	warn(c.Service == "log" && c.Production, "mail is printed to the log, with links that open accounts")
	warn(c.Service == "mailbox" && c.Production, "mail stays in the mailbox of this server and reaches nobody")
	warn(c.Service == "smtp" && c.SMTPPort == 465 && !c.SMTPSecure, "SMTP_PORT=465 usually needs SMTP_SECURE=true")
	return warnings
}

func onThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// checked completes a message and refuses what must not go out, so that no sender has to.
type checked struct {
	Sender
	from, fromName string
}

func (s *checked) Send(ctx context.Context, m Message) error {
	m.From, m.FromName = cmp.Or(m.From, s.from), cmp.Or(m.FromName, s.fromName)
	if err := m.check(); err != nil {
		return err
	}
	return s.Sender.Send(ctx, m)
}
