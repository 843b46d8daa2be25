package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/jackc/pgx/v5"

	"turkey/internal/auth/authdb"
	"turkey/internal/caller"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/oidc"
)

// Callers whom another issuer signs in. A user is made at the first sight of an (issuer, subject) and found by it ever after:
// an e-mail address identifies nobody.

// who is the key of an identity within an app.
type who struct{ app, issuer, subject string }

// identities remembers whom tokens of other issuers stand for, and lets one request make a user while others wait.
type identities struct {
	known *lru.Cache[who, acquaintance]

	mu      sync.Mutex
	arrival map[who]*arrival
}

// acquaintance is an identity as it was read; the revocation feed says whether it still is so.
type acquaintance struct {
	identity  uuid.UUID
	user      caller.User
	notBefore *time.Time // tokens of the app issued before are void
	until     time.Time
}

// arrival is a user being made.
type arrival struct {
	done chan struct{}
	err  error // read after done
}

const (
	identitiesMax  = 10_000
	identitiesTTL  = time.Minute
	arrivalTimeout = 20 * time.Second
)

func newIdentities() *identities {
	known, err := lru.New[who, acquaintance](identitiesMax)
	if err != nil { // only for a size below one
		panic(err)
	}
	return &identities{known: known, arrival: map[who]*arrival{}}
}

// errIssuerDown is the answer while nobody can say whether a token's key is its issuer's.
var errIssuerDown = fault.New(fault.Unavailable, "SERVICE_ERROR", "The keys of the token's issuer cannot be read at this moment")

// ensureForeignApp registers the app of an issuer's users. In Clerk's nobody registers with a password; others are apps like
// any other.
func (s *Service) ensureForeignApp(ctx context.Context, app string) error {
	if app != oidc.ClerkApp {
		return s.CreateApp(ctx, app, app)
	}
	if err := s.q.EnsureClosedAppSystem(ctx, s.cfg.DB.In(db.System()), app, "Clerk"); err != nil {
		return fmt.Errorf("create app %s: %w", app, err)
	}
	return nil
}

// ours reports whether a token is for our own keys to judge: it names us, or is no token at all.
func (s *Service) ours(token string) bool {
	if s.seen.Contains(sha256.Sum256([]byte(token))) {
		return true
	}
	issuer, isToken := oidc.Peek(token)
	return !isToken || issuer == s.cfg.Issuer
}

// recogniseForeign resolves a token of another issuer to a user who may act.
func (s *Service) recogniseForeign(ctx context.Context, token string) (caller.User, error) {
	t, err := s.cfg.Foreign.Verify(ctx, token)
	if err != nil {
		s.cfg.Log.DebugContext(ctx, "token of another issuer not taken", "why", err)
	}
	switch {
	case errors.Is(err, oidc.ErrMalformed):
		return caller.User{}, errInvalidToken
	case errors.Is(err, oidc.ErrUnavailable):
		return caller.User{}, errIssuerDown.Because(err)
	case err != nil:
		return caller.User{}, errForeignToken
	}
	k, err := s.acquainted(ctx, t)
	if err != nil {
		return caller.User{}, err
	}
	bound := s.revoked.bound(t.App)
	if k.notBefore != nil && k.notBefore.After(bound) {
		bound = *k.notBefore
	}
	if t.IssuedAt.Before(bound) {
		return caller.User{}, errTokenRevoked
	}
	u := k.user
	u.IssuedAt, u.ExpiresAt = t.IssuedAt, t.ExpiresAt
	return u, nil
}

// acquainted finds the user of an identity: in memory while the revocation feed says nothing newer, else in PostgreSQL.
func (s *Service) acquainted(ctx context.Context, t oidc.Token) (acquaintance, error) {
	w, now := who{t.App, t.Issuer, t.Subject}, time.Now()
	if k, ok := s.identities.known.Get(w); ok && now.Before(k.until) && s.revoked.stands(k.user.ID, k.user.TokenVersion, k.identity, now) {
		return k, nil
	}
	row, err := s.userByIdentity(ctx, s.cfg.DB.In(db.App(t.App)), w)
	if errors.Is(err, pgx.ErrNoRows) {
		if err := s.welcome(ctx, t, w); err != nil {
			return acquaintance{}, err
		}
		row, err = s.userByIdentity(ctx, s.cfg.DB.In(db.App(t.App)), w)
	}
	switch {
	case errors.Is(err, pgx.ErrNoRows): // made and deleted within this moment
		return acquaintance{}, errForeignToken
	case err != nil:
		return acquaintance{}, err
	case row.Status != "active":
		return acquaintance{}, errSuspended
	}
	k := acquaintance{identity: row.IdentityID, notBefore: row.NotBefore, until: now.Add(identitiesTTL),
		user: caller.User{ID: row.ID, AppID: row.AppID, Email: row.Email, Role: row.Role, EmailVerified: row.EmailVerified, CreatedAt: row.CreatedAt,
			TokenVersion: row.TokenVersion}}
	s.identities.known.Add(w, k)
	return k, nil
}

func (s *Service) userByIdentity(ctx context.Context, conn authdb.DBTX, w who) (authdb.UserByIdentityRow, error) {
	return s.q.UserByIdentity(ctx, conn, authdb.UserByIdentityParams{AppID: w.app, Issuer: w.issuer, Subject: w.subject})
}

// welcome makes the user of an identity that was never seen. Of parallel requests one does it, and the others wait. It goes on
// when that one's client leaves.
func (s *Service) welcome(ctx context.Context, t oidc.Token, w who) error {
	s.identities.mu.Lock()
	a := s.identities.arrival[w]
	if a == nil {
		a = &arrival{done: make(chan struct{}), err: errors.New("making a user panicked")}
		s.identities.arrival[w] = a
		go func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), arrivalTimeout)
			defer func() {
				cancel()
				_ = recover() // a.err says so already
				s.identities.mu.Lock()
				delete(s.identities.arrival, w)
				s.identities.mu.Unlock()
				close(a.done)
			}()
			a.err = s.makeForeignUser(ctx, t, w)
		}()
	}
	s.identities.mu.Unlock()
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// makeForeignUser writes user, identity and audit row, unless another server was faster.
func (s *Service) makeForeignUser(ctx context.Context, t oidc.Token, w who) error {
	// Whoever looked before the user was made, and came here after, need not ask the issuer again.
	if _, err := s.userByIdentity(ctx, s.cfg.DB.In(db.App(w.app)), w); !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	n, err := s.newcomer(ctx, t)
	if err != nil {
		return err
	}
	return s.cfg.DB.Tx(ctx, db.App(w.app), func(tx pgx.Tx) error {
		if err := s.q.LockIdentity(ctx, tx, strings.Join([]string{w.app, w.issuer, w.subject}, "\x1f")); err != nil {
			return err
		}
		if known, err := s.adopt(ctx, tx, t, w); known || err != nil {
			return err
		}
		for _, a := range n.addresses {
			made, err := s.q.CreateForeignUser(ctx, tx, authdb.CreateForeignUserParams{ID: n.id, AppID: w.app, Email: a.email, EmailVerified: a.verified, Name: n.name,
				Issuer: w.issuer, Subject: w.subject, Claimed: n.claimed})
			if err != nil {
				return err
			}
			if made > 0 {
				return s.record(ctx, tx, w.app, n.id, "", "user_created", map[string]any{"issuer": w.issuer})
			}
		}
		return fmt.Errorf("no free address for the user of %s", w.issuer)
	})
}

// adopt reports whether the identity is there by now. One of Clerk's that came without the issuer's name gets it.
func (s *Service) adopt(ctx context.Context, tx pgx.Tx, t oidc.Token, w who) (known bool, err error) {
	_, err = s.userByIdentity(ctx, tx, w)
	if !errors.Is(err, pgx.ErrNoRows) {
		return err == nil, err
	}
	if !t.Clerk || w.issuer == oidc.ClerkIssuer {
		return false, nil
	}
	n, err := s.q.AdoptIdentity(ctx, tx, authdb.AdoptIdentityParams{Issuer: w.issuer, AppID: w.app, Unnamed: oidc.ClerkIssuer, Subject: w.subject})
	return n > 0, err
}

// newcomer is a user about to be made.
type newcomer struct {
	id        uuid.UUID
	name      *string
	claimed   *string   // the address that the issuer tells, whoever has it here
	addresses []address // to try in this order; the last one is free
}

type address struct {
	email    string
	verified bool
}

func (s *Service) newcomer(ctx context.Context, t oidc.Token) (n newcomer, err error) {
	if n.id, err = uuid.NewV7(); err != nil {
		return n, err
	}
	name := t.Name
	told := address{normalEmail(t.Email), t.EmailVerified != nil && *t.EmailVerified}
	unproven := t.EmailVerified != nil && !*t.EmailVerified
	if t.Profile != nil {
		p, err := t.Profile(ctx)
		if err != nil {
			s.cfg.Log.WarnContext(ctx, "name and address of a new user could not be read from Clerk; going on with the token", "error", err)
		}
		if p.Name != "" {
			name = p.Name
		}
		if p.Email != "" {
			told, unproven = address{normalEmail(p.Email), p.EmailVerified}, false
		}
	}
	if len(checkEmail(told.email)) == 0 {
		n.claimed = &told.email
		if !unproven { // an address that the issuer says is not proven would be kept from its owner
			n.addresses = append(n.addresses, told)
		}
	}
	domain := madeUpDomain(t)
	if email := normalEmail(t.Subject) + "@" + domain; len(checkEmail(email)) == 0 {
		n.addresses = append(n.addresses, address{email: email})
	}
	n.addresses = append(n.addresses, address{email: n.id.String() + "@" + domain})
	if name = plainName(name); name != "" {
		n.name = &name
	}
	return n, nil
}

// madeUpDomain is where no mail goes (RFC 6761 §6.4; clerk.internal is the contract's).
func madeUpDomain(t oidc.Token) string {
	if t.Clerk {
		return "clerk.internal"
	}
	if u, err := url.Parse(t.Issuer); err == nil {
		domain := strings.ToLower(u.Hostname()) + ".invalid"
		// The longest local part in front of it, a user's id or a subject, must fit as well.
		if len(domain) <= 180 && len(checkEmail("x@"+domain)) == 0 {
			return domain
		}
	}
	return "issuer.invalid"
}

// plainName is a name without what cannot be shown, at most as long as the column.
func plainName(name string) string {
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, name))
	if r := []rune(name); len(r) > 255 {
		name = string(r[:255])
	}
	return name
}

// ClerkState says how it stands with the keys for Clerk's tokens: ok, stale or off.
func (s *Service) ClerkState() string { return s.cfg.Foreign.ClerkState() }
