package mail

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net"
	netmail "net/mail"
	"os"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	gosmtp "github.com/wneessen/go-mail/smtp"
)

// smtpSender speaks SMTP (RFC 5321) with one connection per message. It drives go-mail's session itself: go-mail's own client
// reports a failed RSET or QUIT after the message was taken over as an error, which would make us send it twice, and its
// errors quote the server at length.
type smtpSender struct {
	host, port     string
	secure         bool
	user, password string
	timeout        time.Duration
	tls            *tls.Config
	now            func() time.Time
	dial           func(ctx context.Context, network, address string) (net.Conn, error)
}

func newSMTP(c Config) *smtpSender {
	return &smtpSender{
		host: c.SMTPHost, port: strconv.Itoa(c.SMTPPort), secure: c.SMTPSecure,
		user: c.SMTPUser, password: c.SMTPPassword, timeout: c.Timeout, now: c.Now,
		tls: &tls.Config{
			ServerName: c.SMTPHost, RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12,
			// Mail servers on this machine come with a certificate nobody signed, and a line that leaves the machine nowhere
			// needs no proof of who is at its end.
			InsecureSkipVerify: onThisMachine(c.SMTPHost), //nolint:gosec // G402: for loopback only, see above
		},
		dial: (&net.Dialer{Timeout: c.Timeout}).DialContext,
	}
}

func (*smtpSender) Name() string { return "smtp" }

func (s *smtpSender) Send(ctx context.Context, m Message) error {
	ctx, cancel := context.WithTimeout(ctx, 3*s.timeout)
	defer cancel()
	raw, err := s.dial(ctx, "tcp", net.JoinHostPort(s.host, s.port))
	if err != nil {
		return s.failure("connecting", err)
	}
	conn := &patience{Conn: raw, each: s.timeout, left: maxAnswer}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // the reads and writes below know no context
	err = s.deliver(ctx, conn, m)
	if err != nil && ctx.Err() != nil {
		return temporaryf("smtp: %s: %w", s.host, context.Cause(ctx))
	}
	return err
}

// deliver has the whole conversation of one message.
func (s *smtpSender) deliver(ctx context.Context, conn *patience, m Message) error {
	session, err := s.open(ctx, conn)
	if err != nil {
		return err
	}
	defer func() {
		conn.each = time.Second // a matter of politeness; its outcome changes nothing
		_ = session.Quit()
	}()
	international := !ascii(m.From) || !ascii(m.To)
	if ok, _ := session.Extension("SMTPUTF8"); international && !ok {
		return permanentf("smtp: %s takes no addresses with letters beyond ASCII (SMTPUTF8)", s.host)
	}
	session.SkipSMTPUTF8(!international) // asked for without need, it makes the next server refuse the message
	if err := session.Mail(bracketed(m.From)); err != nil {
		return s.failure("MAIL FROM", err)
	}
	if err := session.Rcpt(bracketed(m.To)); err != nil {
		return s.failure("RCPT TO", err)
	}
	body, err := session.Data()
	if err != nil {
		return s.failure("DATA", err)
	}
	if _, err := s.compose(m).WriteTo(body); err != nil {
		return s.failure(afterBody, err)
	}
	if err := body.Close(); err != nil {
		return s.failure(afterBody, err)
	}
	return nil
}

// open greets, turns on TLS and signs in.
func (s *smtpSender) open(ctx context.Context, conn *patience) (*gosmtp.Client, error) {
	var line net.Conn = conn
	if s.secure {
		t := tls.Client(conn, s.tls)
		if err := t.HandshakeContext(ctx); err != nil {
			return nil, s.failure("TLS", err)
		}
		line = t
	}
	session, err := gosmtp.NewClient(line, s.host)
	if err != nil {
		return nil, s.failure("the greeting", err)
	}
	if err := session.Hello(ownName(conn.LocalAddr())); err != nil {
		return nil, s.failure("EHLO", err)
	}
	if offered, _ := session.Extension("STARTTLS"); offered && !s.secure {
		if err := session.StartTLS(s.tls); err != nil {
			return nil, s.failure("STARTTLS", err)
		}
	}
	if s.user == "" {
		return session, nil
	}
	if offered, _ := session.Extension("AUTH"); !offered {
		return nil, permanentf("smtp: %s asks for no password here; remove SMTP_USER and SMTP_PASSWORD, or use its port for submission (587, or 465 with SMTP_SECURE=true)", s.host)
	}
	if err := session.Auth(&login{s: s}); err != nil {
		return nil, s.failure(signingIn, err)
	}
	return session, nil
}

// compose makes the MIME form: text, and HTML as its alternative, both UTF-8.
func (s *smtpSender) compose(m Message) *gomail.Msg {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(&netmail.Address{Name: m.FromName, Address: m.From})
	msg.ToMailAddress(&netmail.Address{Address: m.To})
	msg.Subject(m.Subject)
	msg.SetDateWithValue(s.now())
	// In the sender's domain, where go-mail would tell the world the name of this machine.
	msg.SetMessageIDWithValue(strings.ToLower(rand.Text()) + m.From[strings.LastIndexByte(m.From, '@'):])
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: keeps holiday notices from answering
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	return msg
}

// ownName is what EHLO says: the full host name, or the address where the machine has none (RFC 5321 §4.1.4).
func ownName(local net.Addr) string {
	if name, err := os.Hostname(); err == nil && strings.Contains(name, ".") && hostName.MatchString(name) {
		return name
	}
	host, _, err := net.SplitHostPort(local.String())
	switch ip := net.ParseIP(host); {
	case err != nil || ip == nil:
		return "localhost"
	case ip.To4() == nil:
		return "[IPv6:" + host + "]"
	}
	return "[" + host + "]"
}

func ascii(s string) bool { return !strings.ContainsFunc(s, func(r rune) bool { return r > 126 }) }

// login picks a way to sign in that the server offers. It gives the password to nobody who could be somebody else.
type login struct {
	s *smtpSender
	gosmtp.Auth
}

var errNoTLS = errors.New("the password must not travel without TLS, and the server offers none (SMTP_SECURE=true, or another SMTP_PORT)")
var errNoWay = errors.New("the server offers none of PLAIN, LOGIN, SCRAM-SHA-256 and CRAM-MD5")

func (l *login) Start(server *gosmtp.ServerInfo) (string, []byte, error) {
	s := l.s
	if !server.TLS && !onThisMachine(s.host) {
		return "", nil, permanentf("smtp: %s: %w", s.host, errNoTLS)
	}
	offered := " " + strings.ToUpper(strings.Join(server.Auth, " ")) + " "
	for _, way := range []struct { // under TLS the plainest is the one that servers get right
		name string
		auth gosmtp.Auth
	}{
		{"PLAIN", gosmtp.PlainAuth("", s.user, s.password, s.host, true)},
		{"LOGIN", gosmtp.LoginAuth(s.user, s.password, s.host, true)},
		{"SCRAM-SHA-256", gosmtp.ScramSHA256Auth(s.user, s.password)},
		{"CRAM-MD5", gosmtp.CRAMMD5Auth(s.user, s.password)},
	} {
		if strings.Contains(offered, " "+way.name+" ") {
			l.Auth = way.auth
			return way.auth.Start(server)
		}
	}
	return "", nil, permanentf("smtp: %s: %w", s.host, errNoWay)
}
