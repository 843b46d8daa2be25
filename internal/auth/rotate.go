package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/auth/authdb"
	"turkey/internal/caller"
	"turkey/internal/db"
	"turkey/internal/wire"
)

// KeyInfo is what operators see of a signing key. Nothing of it is secret.
type KeyInfo struct {
	ID             string     `json:"kid" example:"key_0123456789abcdef0123456789abcdef"`
	Algorithm      string     `json:"alg" example:"ES256"`
	State          KeyState   `json:"state" enum:"signing,next,verifying,published,retired,gone,revoked" doc:"signing: signs now; next: signs from signsFrom on; verifying: may sign, a newer one does; published: not marked for signing; retired: verifies until publishedUntil; gone: neither signs nor verifies; revoked: void, with all it signed"`
	CreatedAt      wire.Time  `json:"createdAt"`
	SignsFrom      *wire.Time `json:"signsFrom,omitempty" doc:"When its turn to sign comes or came"`
	RetiredAt      *wire.Time `json:"retiredAt,omitempty" doc:"When it ceases or ceased to sign"`
	RevokedAt      *wire.Time `json:"revokedAt,omitempty" doc:"Since when it is void"`
	PublishedUntil *wire.Time `json:"publishedUntil,omitempty" doc:"When a retired key leaves the key set: the last token it signed has expired then"`
	PublicKey      string     `json:"publicKey" doc:"SubjectPublicKeyInfo in PEM"`
}

// KeyState is what a key is doing.
type KeyState string

// The states of a key.
const (
	KeySigning   KeyState = "signing"   // signs now
	KeyNext      KeyState = "next"      // published, waiting for its turn
	KeyVerifying KeyState = "verifying" // may sign, but a newer one does
	KeyPublished KeyState = "published" // not marked for signing
	KeyRetired   KeyState = "retired"   // verifies until its last token has expired
	KeyGone      KeyState = "gone"      // neither signs nor verifies
	KeyRevoked   KeyState = "revoked"   // void, with all it signed
)

// Keys lists all keys, newest first, those that are gone included.
func (s *Service) Keys(ctx context.Context) ([]KeyInfo, error) {
	rows, err := s.allKeys(ctx, s.cfg.DB.In(db.System()))
	if err != nil {
		return nil, err
	}
	return keyInfos(rows, livesOf(rows), s.drain(rows), s.cfg.Now()), nil
}

func keyInfos(rows []authdb.KeysSystemRow, lives schedule, drain time.Duration, now time.Time) []KeyInfo {
	signer := lives.signerAt(now)
	infos := make([]KeyInfo, len(rows))
	for i, r := range rows {
		k := lives[i]
		infos[i] = KeyInfo{ID: k.kid, Algorithm: "ES256", State: k.state(i == signer, drain, now), CreatedAt: wire.Time(k.created),
			SignsFrom: wire.TimePtr(orNil(k.signsFrom)), RetiredAt: wire.TimePtr(orNil(k.retiredAt)), RevokedAt: wire.TimePtr(orNil(k.revokedAt)),
			PublishedUntil: wire.TimePtr(orNil(k.leaves(drain))), PublicKey: r.PublicPem}
	}
	return infos
}

func (k keyLife) state(signs bool, drain time.Duration, now time.Time) KeyState {
	switch {
	case signs:
		return KeySigning
	case k.revoked():
		return KeyRevoked
	case !k.publishedAt(now, drain):
		return KeyGone
	case !k.active():
		return KeyRetired
	case !k.marked():
		return KeyPublished
	case k.signsFrom.After(now):
		return KeyNext
	}
	return KeyVerifying
}

// GenerateKey publishes a new key. With activate it takes over the signing as soon as every server publishes it; the others
// stay as they are.
func (s *Service) GenerateKey(ctx context.Context, activate bool) (KeyInfo, error) {
	kid := newKid()
	return s.reschedule(ctx, "key_generated", kid, map[string]any{"activate": activate}, func(all schedule, now time.Time) (schedule, error) {
		return all.generate(now, kid, activate), nil
	})
}

// RotateKeys makes a new key that takes over the signing as soon as every server publishes it. The others are retired at
// that moment, unless they are to be kept, and verify until the last token they signed has expired.
func (s *Service) RotateKeys(ctx context.Context, keepOld bool) (KeyInfo, error) {
	kid := newKid()
	return s.reschedule(ctx, "key_rotated", kid, map[string]any{"keepOld": keepOld}, func(all schedule, now time.Time) (schedule, error) {
		return all.rotate(now, kid, keepOld), nil
	})
}

// RetireKey ends a key: at once, or when another key's turn to sign comes. The only one that can sign stays (fault.Conflict).
func (s *Service) RetireKey(ctx context.Context, kid string) (KeyInfo, error) {
	return s.reschedule(ctx, "key_retired", kid, nil, func(all schedule, now time.Time) (schedule, error) { return all.retire(now, kid) })
}

// ActivateKey brings a key back, if it was retired, and makes it the one that signs, as soon as every server publishes it.
func (s *Service) ActivateKey(ctx context.Context, kid string) (KeyInfo, error) {
	return s.reschedule(ctx, "key_activated", kid, nil, func(all schedule, now time.Time) (schedule, error) { return all.activate(now, kid) })
}

// RevokeKey voids a key that others may have: it leaves the key set, and every token it signed is refused on every server
// within a second. If it was the one that signs, a new key signs from this moment on, which verifiers meet before they can
// have read it. Sessions go on: they refresh. successor is the new key that takes its place, if one has to.
func (s *Service) RevokeKey(ctx context.Context, kid string) (info KeyInfo, successor string, err error) {
	made, facts := newKid(), map[string]any{}
	info, err = s.reschedule(ctx, "key_revoked", kid, facts, func(all schedule, now time.Time) (schedule, error) {
		next, err := all.revoke(now, kid, made)
		if len(next) > len(all) {
			successor, facts["successor"] = made, made
		}
		return next, err
	})
	return info, successor, err
}

// reschedule changes the lives of keys as plan says, and records that; one at a time, on all servers. What changes nothing
// is not recorded. It returns the key that it is about.
func (s *Service) reschedule(ctx context.Context, action, kid string, facts map[string]any,
	plan func(all schedule, now time.Time) (schedule, error),
) (KeyInfo, error) {
	var info KeyInfo
	err := s.cfg.DB.Tx(ctx, db.System(), func(tx pgx.Tx) error {
		if err := s.q.LockKeysSystem(ctx, tx); err != nil {
			return err
		}
		now, err := s.keyClock(ctx, tx)
		if err != nil {
			return err
		}
		rows, err := s.allKeys(ctx, tx)
		if err != nil {
			return err
		}
		before := livesOf(rows)
		after, err := plan(before, now)
		if err != nil {
			return err
		}
		if !slices.Equal(after, before) {
			if err := s.store(ctx, tx, before, after); err != nil {
				return err
			}
			if err := s.auditKey(ctx, tx, action, after[after.find(kid)], facts); err != nil {
				return err
			}
			if rows, err = s.allKeys(ctx, tx); err != nil {
				return err
			}
		}
		all := keyInfos(rows, livesOf(rows), s.drain(rows), now)
		info = all[slices.IndexFunc(all, func(k KeyInfo) bool { return k.ID == kid })]
		return nil
	})
	if err != nil {
		return KeyInfo{}, err
	}
	if err := s.reloadKeys(ctx); err != nil { // it is done all the same; the next reading will tell
		s.keys.missed.Store(true)
		s.cfg.Log.WarnContext(ctx, "signing keys could not be read again; going on with those in memory", "error", err)
	}
	return info, nil
}

func livesOf(rows []authdb.KeysSystemRow) schedule {
	lives := make(schedule, len(rows))
	for i, r := range rows {
		lives[i] = life(r)
	}
	return lives
}

// keyClock is the time from which turns are counted: of this machine's clock and PostgreSQL's the one that is ahead, since
// a turn may come late and never early. A server takes its turn by its own clock. PostgreSQL keeps microseconds.
func (s *Service) keyClock(ctx context.Context, tx pgx.Tx) (time.Time, error) {
	theirs, err := s.q.ClockSystem(ctx, tx)
	return later(s.cfg.Now(), theirs).Truncate(time.Microsecond), err
}

// store writes the lives that changed and makes the keys that are new.
func (s *Service) store(ctx context.Context, tx pgx.Tx, before, after schedule) error {
	type changed struct {
		Kid       string     `json:"kid"`
		SignsFrom *time.Time `json:"signs_from"`
		RetiredAt *time.Time `json:"retired_at"`
		RevokedAt *time.Time `json:"revoked_at"`
	}
	var lives []changed
	for i, k := range after {
		if i >= len(before) { // at most one
			row, err := s.makeKey(k)
			if err != nil {
				return err
			}
			if err := s.q.InsertKeySystem(ctx, tx, row); err != nil {
				return fmt.Errorf("store signing key: %w", err)
			}
			if k.active() {
				continue
			}
		} else if k == before[i] {
			continue
		}
		lives = append(lives, changed{k.kid, orNil(k.signsFrom), orNil(k.retiredAt), orNil(k.revokedAt)})
	}
	if len(lives) == 0 {
		return nil
	}
	list, err := json.Marshal(lives)
	if err != nil {
		return err
	}
	if err := s.q.ScheduleKeysSystem(ctx, tx, list); err != nil {
		return fmt.Errorf("schedule signing keys: %w", err)
	}
	return nil
}

// auditKey records an act of an operator, in the default app: keys belong to none.
func (s *Service) auditKey(ctx context.Context, tx pgx.Tx, action string, k keyLife, facts map[string]any) error {
	known := map[string]any{"kid": k.kid}
	for name, v := range facts {
		known[name] = v
	}
	if k.marked() {
		known["signsFrom"] = wire.Time(k.signsFrom).String()
	}
	if !k.active() {
		known["retiredAt"] = wire.Time(k.retiredAt).String()
	}
	actor, about := adminFrom(ctx).actor, string(audit.Meta(ctx, known))
	if actor == "" {
		actor = "admin"
	}
	ip, agent := audit.Origin(ctx)
	row := authdb.WriteAuditParams{AppID: s.cfg.DefaultApp, Actor: &actor, Action: action, Ip: ip, UserAgent: agent, Meta: &about}
	if u, ok := caller.UserFrom(ctx); ok && u.ID != uuid.Nil {
		row.UserID = &u.ID
	}
	if err := s.q.WriteAudit(ctx, tx, row); err != nil {
		return fmt.Errorf("record %s: %w", action, err)
	}
	return nil
}
