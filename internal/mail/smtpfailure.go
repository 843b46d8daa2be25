package mail

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"regexp"
	"strings"
	"unicode"
)

// Steps after which the server's words may repeat a secret: what was wrong with a password, which link looked like spam.
const (
	signingIn = "signing in"
	afterBody = "the message"
)

var enhancedCode = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}\b`) // RFC 3463

// failure says what went wrong at a step, and whether for good: a 5xx answer is (RFC 5321 §4.2.1), all else may pass.
func (s *smtpSender) failure(step string, err error) error {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	if answer, ok := errors.AsType[*textproto.Error](err); ok {
		said := strings.TrimSpace(fmt.Sprintf("smtp: %s: %s: %d %s", s.host, step, answer.Code, s.words(step, answer.Msg)))
		return &failure{permanent: answer.Code/100 == 5, err: errors.New(said)}
	}
	return temporaryf("smtp: %s: %s: %w", s.host, step, reason(err))
}

// words is what of the server's explanation can be told: at most 200 characters on one line, and where it could repeat a
// secret only the enhanced code.
func (s *smtpSender) words(step, text string) string {
	if step == signingIn || step == afterBody || s.repeatsPassword(text) {
		return enhancedCode.FindString(text)
	}
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if r := []rune(text); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return text
}

// repeatsPassword looks for the password as it is and as AUTH sends it.
func (s *smtpSender) repeatsPassword(text string) bool {
	if s.password == "" {
		return false
	}
	for _, form := range []string{
		s.password, base64.StdEncoding.EncodeToString([]byte(s.password)),
		base64.StdEncoding.EncodeToString([]byte("\x00" + s.user + "\x00" + s.password)),
	} {
		if strings.Contains(text, form) {
			return true
		}
	}
	return false
}

var (
	errHungUp  = errors.New("the server closed the connection")
	errNotSMTP = errors.New("the server does not speak SMTP here (with SMTP_SECURE=true the port must be one for TLS, usually 465)")
	errSlow    = errors.New("no answer in time")
)

// reason puts a broken connection into words. Errors that quote what the server sent are replaced.
func reason(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errSlow
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errHungUp
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return errNotSMTP
	}
	if errors.Is(err, errTooMuch) {
		return errTooMuch
	}
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return certificate
	}
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		return alert
	}
	if network, ok := errors.AsType[*net.OpError](err); ok {
		return network
	}
	return errNotSMTP
}
