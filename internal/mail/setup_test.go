package mail_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"turkey/internal/mail"
)

const (
	secretKey      = "key-PLANTED-mailgun"
	secretPassword = "PLANTED-smtp-password"
	secretToken    = "PLANTEDtoken0123456789abcdef"
	secretLink     = "https://app.example/auth/verify-email?token=" + secretToken
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func message() mail.Message {
	return mail.Message{
		FromName: "Grüße & Co", From: "noreply@app.example", To: "o'neil+x@example.com", Subject: "Welcome to TurKey Auth! 🎉",
		Text: "Hällo,\n.\n.dot\n" + secretLink + "\n", HTML: "<p>Hällo <a href=\"" + secretLink + "\">" + strings.Repeat("long ", 300) + "</a></p>",
		Kind: mail.VerifyEmail,
	}
}

// logger collects what is logged.
func logger() (*slog.Logger, *bytes.Buffer) {
	var b bytes.Buffer
	return slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug})), &b
}

// noSecret fails if a planted secret, in any form it travels in, is in the text.
func noSecret(t *testing.T, text string) {
	t.Helper()
	for _, s := range []string{
		secretKey, secretPassword, secretToken,
		base64.StdEncoding.EncodeToString([]byte(secretPassword)),
		base64.StdEncoding.EncodeToString([]byte("\x00user\x00" + secretPassword)),
		base64.StdEncoding.EncodeToString([]byte("api:" + secretKey)),
	} {
		if strings.Contains(text, s) {
			t.Errorf("%q holds the secret %q", text, s)
		}
	}
}

// certificate is for mail.test, signed by itself.
var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.test"}, DNSNames: []string{"mail.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
})

func roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(certificate().Leaf)
	return pool
}

// mailServer is an SMTP server of which every answer can be changed.
type mailServer struct {
	implicit   bool   // TLS from the first byte
	startTLS   bool   // offer STARTTLS
	auth       string // mechanisms offered; empty: none
	plainAuth  bool   // offer auth without TLS too
	smtpUTF8   bool
	answers    map[string]string        // by verb, GREETING and BODY; "hang up" closes the line
	delays     map[string]time.Duration // likewise
	endless    bool                     // a greeting without end
	address    string
	stop       chan struct{}
	mu         sync.Mutex
	deliveries []delivery
	verbs      []string
}

type delivery struct {
	from, to, user, helo, mailLine string
	tls                            bool
	body                           string
}

func (s *mailServer) start(t *testing.T) *mailServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address, s.stop = l.Addr().String(), make(chan struct{})
	var sessions sync.WaitGroup
	sessions.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			sessions.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() { close(s.stop); _ = l.Close(); sessions.Wait() })
	return s
}

// session is one connection.
type session struct {
	s    *mailServer
	conn net.Conn
	in   *bufio.Reader
	d    delivery
}

func (s *mailServer) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	go func() { <-s.stop; _ = c.Close() }()
	x := &session{s: s, conn: c}
	if s.implicit && !x.encrypt() {
		return
	}
	x.in = bufio.NewReader(x.conn)
	for s.endless {
		if _, err := x.conn.Write(bytes.Repeat([]byte("220-endless "), 1000)); err != nil {
			return
		}
	}
	if !x.answer("GREETING", "220 mail.test ESMTP") {
		return
	}
	for x.command() {
	}
}

func (x *session) encrypt() bool {
	c := tls.Server(x.conn, &tls.Config{Certificates: []tls.Certificate{certificate()}})
	x.conn, x.d.tls = c, true
	return c.Handshake() == nil
}

// answer gives the answer to a verb, or the one planned for the test.
func (x *session) answer(verb, usual string) bool {
	select {
	case <-time.After(x.s.delays[verb]):
	case <-x.s.stop:
		return false
	}
	if planned, ok := x.s.answers[verb]; ok {
		usual = planned
	}
	if usual == "hang up" {
		return false
	}
	_, err := x.conn.Write([]byte(strings.ReplaceAll(usual, "\n", "\r\n") + "\r\n"))
	return err == nil
}

func (x *session) line() (string, bool) {
	l, err := x.in.ReadString('\n')
	return strings.TrimRight(l, "\r\n"), err == nil
}

func (x *session) command() bool {
	line, ok := x.line()
	if !ok {
		return false
	}
	verb, rest, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	x.s.mu.Lock()
	x.s.verbs = append(x.s.verbs, verb)
	x.s.mu.Unlock()
	switch verb {
	case "EHLO":
		x.d.helo = rest
		return x.answer(verb, x.extensions())
	case "STARTTLS":
		if !x.answer(verb, "220 go ahead") || x.s.answers[verb] != "" {
			return x.s.answers[verb] != ""
		}
		ok := x.encrypt()
		x.in = bufio.NewReader(x.conn)
		return ok
	case "AUTH":
		return x.signIn(rest)
	case "MAIL":
		x.d.mailLine = rest
		x.d.from, _, _ = strings.Cut(strings.TrimPrefix(rest, "FROM:"), " ")
		return x.answer(verb, "250 2.1.0 ok")
	case "RCPT":
		x.d.to = strings.TrimPrefix(rest, "TO:")
		return x.answer(verb, "250 2.1.5 ok")
	case "DATA":
		return x.data()
	case "QUIT":
		x.answer(verb, "221 bye")
		return false
	}
	return x.answer(verb, "250 ok")
}

func (x *session) extensions() string {
	ext := []string{"mail.test", "8BITMIME"}
	if x.s.smtpUTF8 {
		ext = append(ext, "SMTPUTF8")
	}
	if x.s.startTLS && !x.d.tls {
		ext = append(ext, "STARTTLS")
	}
	if x.s.auth != "" && (x.d.tls || x.s.plainAuth) {
		ext = append(ext, "AUTH "+x.s.auth)
	}
	return "250-" + strings.Join(ext, "\n250-") + "\n250 ENHANCEDSTATUSCODES"
}

func (x *session) signIn(rest string) bool {
	how, initial, _ := strings.Cut(rest, " ")
	var user, password string
	if how == "PLAIN" {
		b, _ := base64.StdEncoding.DecodeString(initial)
		parts := strings.Split(string(b), "\x00")
		if len(parts) == 3 {
			user, password = parts[1], parts[2]
		}
	} else {
		for _, ask := range []struct {
			prompt string
			into   *string
		}{{"VXNlcm5hbWU6", &user}, {"UGFzc3dvcmQ6", &password}} {
			if !x.answer("PROMPT", "334 "+ask.prompt) {
				return false
			}
			l, ok := x.line()
			if !ok {
				return false
			}
			b, _ := base64.StdEncoding.DecodeString(l)
			*ask.into = string(b)
		}
	}
	if user != "user" || password != secretPassword { // the worst of servers: it repeats what it was told
		return x.answer("AUTH", fmt.Sprintf("535 5.7.8 %s/%s is wrong, %s", user, password, initial))
	}
	x.d.user = user
	return x.answer("AUTH", "235 2.7.0 ok")
}

func (x *session) data() bool {
	if !x.answer("DATA", "354 go ahead") || x.s.answers["DATA"] != "" {
		return x.s.answers["DATA"] != "" && x.s.answers["DATA"] != "hang up"
	}
	var body strings.Builder
	for {
		l, ok := x.line()
		if !ok {
			return false
		}
		if l == "." {
			break
		}
		body.WriteString(strings.TrimPrefix(l, ".") + "\r\n")
	}
	x.d.body = body.String()
	x.s.mu.Lock()
	x.s.deliveries = append(x.s.deliveries, x.d)
	x.s.mu.Unlock()
	return x.answer("BODY", "250 2.0.0 queued")
}

// delivered gives what arrived.
func (s *mailServer) delivered() []delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]delivery(nil), s.deliveries...)
}

func (s *mailServer) heard(verb string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(" "+strings.Join(s.verbs, " ")+" ", " "+verb+" ")
}

// sender makes an SMTP sender for a server that goes by the name of host.
func (s *mailServer) sender(t *testing.T, host string, c mail.Config) mail.Sender {
	t.Helper()
	c.Service, c.SMTPHost = "smtp", host
	c.Log, _ = logger()
	c.Now = func() time.Time { return now }
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	sender, err := mail.NewSender(c)
	if err != nil {
		t.Fatal(err)
	}
	mail.DialTo(sender, s.address)
	return sender
}
