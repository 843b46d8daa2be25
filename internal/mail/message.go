package mail

import (
	"fmt"
	"log/slog"
	netmail "net/mail"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Kind is what a message is about; templates are named after it.
type Kind string

// The kinds.
//
//nolint:gosec // names, not credentials
const (
	VerifyEmail           Kind = "verify_email"            // needs a link or a code
	ResetPassword         Kind = "reset_password"          // needs a link or a code
	Welcome               Kind = "welcome"                 // after the address was verified
	EmailChangedNotice    Kind = "email_changed_notice"    // to the OLD address
	PasswordChangedNotice Kind = "password_changed_notice" //
	SessionRevokedNotice  Kind = "session_revoked_notice"  // a refresh token was used a second time
	CredentialExpiring    Kind = "credential_expiring"     // a stored credential ends soon
	CredentialBroken      Kind = "credential_broken"       // its provider refuses it
	CredentialRecovered   Kind = "credential_recovered"    // its provider takes it again
	RunFailed             Kind = "run_failed"              // figures were not collected, and no further attempt is made
	RunRecovered          Kind = "run_recovered"           // figures are collected again
	NotificationTest      Kind = "notification_test"       // on demand: do mails arrive?
	OperatorNotice        Kind = "operator_notice"         // to EMAIL_TO, what is wrong with the server; its text comes with it
)

var kinds = []Kind{VerifyEmail, ResetPassword, Welcome, EmailChangedNotice, PasswordChangedNotice, SessionRevokedNotice,
	CredentialExpiring, CredentialBroken, CredentialRecovered, RunFailed, RunRecovered, NotificationTest}

// Kinds lists those that have templates: all but OperatorNotice.
func Kinds() []Kind { return slices.Clone(kinds) }

// carriesToken reports whether a message of the kind is pointless without a link or a code.
func (k Kind) carriesToken() bool { return k == VerifyEmail || k == ResetPassword }

// DefaultName stands where an app, or the sender, has no name of its own.
const DefaultName = "TurKey Auth"

// Data is what templates may use. All of it is optional but Email, and a link or a code where the kind needs one.
type Data struct {
	AppName   string        // DefaultName if empty
	AppURL    string        // where the app is, http or https
	Email     string        // the address the message is about; for EmailChangedNotice the old one
	NewEmail  string        // EmailChangedNotice: the new one
	Link      string        // http or https, with its token
	Code      string        // what to type in instead of following the link
	ExpiresIn time.Duration // how long link and code are valid
	IP        string        // where the act came from
	UserAgent string        // as the client sent it; templates show {{device .UserAgent}}
	When      string        // when it happened, in words
	Service   string        // notices of a credential or run: whose it is
	Name      string        // the credential's, as its owner wrote it
	Detail    string        // what is wrong, in words, a provider's among them
	Until     string        // CredentialExpiring: when it ends, in words
}

// Message is one mail to one person.
type Message struct {
	FromName, From string // as configured if empty
	To             string // a bare address
	Subject        string
	Text           string // always
	HTML           string // may be empty
	Kind           Kind
}

// Format keeps every verb from printing a body, which holds a link.
func (m Message) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "mail %s to %s", m.Kind, m.To) }

// LogValue keeps a logger from printing a body.
func (m Message) LogValue() slog.Value {
	return slog.GroupValue(slog.String("kind", string(m.Kind)), slog.String("to", m.To))
}

// check refuses a message that must not, or cannot, go out.
func (m Message) check() error {
	for _, field := range []struct{ name, value string }{
		{"sender name", m.FromName}, {"sender address", m.From}, {"recipient", m.To}, {"subject", m.Subject},
	} {
		if hasControl(field.value) {
			return permanentf("mail: the %s holds a line break or another control character", field.name)
		}
	}
	if err := checkAddress(m.From); err != nil {
		return permanentf("mail: sender address: %w", err)
	}
	if err := checkAddress(m.To); err != nil {
		return permanentf("mail: recipient: %w", err)
	}
	if strings.TrimSpace(m.Subject) == "" || strings.TrimSpace(m.Text) == "" {
		return permanentf("mail: a message needs a subject and a text")
	}
	return nil
}

// checkAddress takes local@domain in its plain form: no name, no comment, no angle brackets, no list.
func checkAddress(s string) error {
	a, err := netmail.ParseAddress(s)
	if err != nil || bracketed(a.Address) != "<"+s+">" {
		return fmt.Errorf("not a plain address of the form name@example.com")
	}
	return nil
}

// bracketed is an address as SMTP takes it.
func bracketed(address string) string { return (&netmail.Address{Address: address}).String() }

// formatted is a name and an address as a header takes them.
func formatted(name, address string) string {
	return (&netmail.Address{Name: name, Address: address}).String()
}

func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }
