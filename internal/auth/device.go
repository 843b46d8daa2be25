package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/db"
)

// Device cookies (OWASP: "Slow Down Online Guessing Attacks with Device Cookies"). Who has signed in carries a cookie that
// says so. With it a sign-in passes the wall that failures from everywhere put up before the account, so that nobody
// keeps the owner out by guessing; its own failures are counted for the device, whatever address it comes from, so a
// stolen cookie guesses no more than a client does. It proves nothing else, and nothing about it is stored.

// device is one entry of the cookie: where one user has signed in.
type device struct {
	user    uuid.UUID
	id      [16]byte
	version int32 // the user's token_version: what ends all tokens ends the device
	issued  time.Time
}

const (
	deviceLife = 180 * 24 * time.Hour
	maxDevices = 5 // entries of a cookie, newest first: users of all apps that sign in with this browser
	deviceBody = 16 + 16 + 4 + 8
	deviceSize = deviceBody + sha256.Size
)

// deviceMAC binds an entry to its app, whose name it does not hold. The body has one length, so the border is clear.
func (s *Service) deviceMAC(app string, body []byte) []byte {
	m := hmac.New(sha256.New, s.deviceKey)
	m.Write(body)
	m.Write([]byte(app))
	return m.Sum(nil)
}

func (s *Service) sealDevice(app string, d device) string {
	b := make([]byte, 0, deviceSize)
	b = append(b, d.user[:]...)
	b = append(b, d.id[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(d.version))
	b = binary.BigEndian.AppendUint64(b, uint64(d.issued.Unix()))
	return base64.RawURLEncoding.EncodeToString(append(b, s.deviceMAC(app, b)...))
}

// entry is an entry as it was sent: nothing says yet that it is ours.
type entry [deviceSize]byte

// user is whom it claims to be of.
func (e *entry) user() uuid.UUID { return uuid.UUID(e[:16]) }

// entriesOf takes a cookie apart; what has not the form of an entry is left out.
func entriesOf(cookie string) (entries []*entry) {
	for range maxDevices {
		text, rest, more := strings.Cut(cookie, ".")
		e := &entry{}
		if base64.RawURLEncoding.DecodedLen(len(text)) == deviceSize {
			if _, err := base64.RawURLEncoding.Strict().Decode(e[:], []byte(text)); err == nil {
				entries = append(entries, e)
			}
		}
		if !more {
			break
		}
		cookie = rest
	}
	return entries
}

// openDevice tells an entry that this server made for an app, and that has not grown too old.
func (s *Service) openDevice(app string, e *entry) (device, bool) {
	body := e[:deviceBody]
	if !hmac.Equal(e[deviceBody:], s.deviceMAC(app, body)) {
		return device{}, false
	}
	d := device{user: e.user(), id: [16]byte(body[16:32]), version: int32(binary.BigEndian.Uint32(body[32:])),
		issued: time.Unix(int64(binary.BigEndian.Uint64(body[36:])), 0)}
	return d, s.cfg.Now().Before(d.issued.Add(deviceLife))
}

// knownDevice is the device that a sign-in comes from, if the address's user has signed in there before and nothing has
// ended all tokens since; else "". Only who shows an entry of this app costs a query.
func (s *Service) knownDevice(ctx context.Context, conn db.Conn, app, email, cookie string) (string, error) {
	var known []device
	for _, e := range entriesOf(cookie) {
		if d, ok := s.openDevice(app, e); ok {
			known = append(known, d)
		}
	}
	if len(known) == 0 {
		return "", nil
	}
	u, err := s.q.UserByEmail(ctx, conn, app, email)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	for _, d := range known {
		if err == nil && d.user == u.ID && d.version == u.TokenVersion {
			return hex.EncodeToString(d.id[:]), nil
		}
	}
	return "", err
}

// rememberDevice is the cookie after a sign-in: this user's entry first, made anew, with the device's id if it had one.
func (s *Service) rememberDevice(app string, p person, cookie string) string {
	mine := device{user: p.id, version: p.tokenVersion, issued: s.cfg.Now()}
	rand.Read(mine.id[:]) // never fails, it ends the program
	others := []string{}
	for _, e := range entriesOf(cookie) {
		switch d, ok := s.openDevice(app, e); {
		case e.user() != p.id:
			others = append(others, base64.RawURLEncoding.EncodeToString(e[:]))
		case ok && d.version == p.tokenVersion:
			mine.id = d.id
		}
	}
	return strings.Join(append([]string{s.sealDevice(app, mine)}, others[:min(len(others), maxDevices-1)]...), ".")
}
