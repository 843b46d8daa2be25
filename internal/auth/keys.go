package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/auth/authdb"
	"turkey/internal/db"
	"turkey/internal/seal"
)

// keyStore keeps the ring in memory and follows the table behind it.
type keyStore struct {
	boxes []*seal.Box // of JWT_SECRET and, if there is one, of JWT_SECRET_PREVIOUS
	ring  atomic.Pointer[keyring]

	reading sync.Mutex    // one at a time, so that an older answer never replaces a newer one
	begun   atomic.Uint64 // readings so far
	err     error         // how the last one ended
	due     atomic.Bool   // one is on its way, for a notification
	missed  atomic.Bool   // that one failed: the ring may lack what it would have told
	tried   atomic.Int64  // when a request last asked for a reading, Unix nanoseconds

	discovery document
}

const (
	refreshMACName = "refresh-mac"
	deviceMACName  = "device-mac"
	keysTold       = time.Second            // from telling followers of new keys to telling them once more
	reloadPause    = 200 * time.Millisecond // from a notification to the reading: a storm of them causes few
	longestAppTTL  = 24 * time.Hour         // the schema lets no app ask for more
)

func keyPlace(kid string) []byte { return []byte("signing-key|" + kid) }

// loadKeys reads keys and secrets at the start, making what is missing. What opens only under the previous secret is
// sealed again under the current one. Servers that start at once take turns.
func (s *Service) loadKeys(ctx context.Context) error {
	if err := s.makeBoxes(); err != nil {
		return err
	}
	if err := s.describe(); err != nil {
		return err
	}
	readAt := time.Now()
	var ring *keyring
	err := s.cfg.DB.Tx(ctx, db.System(), func(tx pgx.Tx) error {
		if err := s.q.LockKeysSystem(ctx, tx); err != nil {
			return err
		}
		rows, err := s.rewrapKeys(ctx, tx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(rows, func(r authdb.KeysSystemRow) bool { k := life(r); return k.active() && k.marked() }) {
			now := s.cfg.Now().Truncate(time.Microsecond)
			row, err := s.makeKey(keyLife{kid: newKid(), created: now, signsFrom: now})
			if err != nil {
				return err
			}
			if err := s.q.InsertKeySystem(ctx, tx, row); err != nil {
				return fmt.Errorf("store signing key: %w", err)
			}
			if rows, err = s.allKeys(ctx, tx); err != nil {
				return err
			}
		}
		if err := s.stretch(ctx, tx, rows, s.tokenLife(rows)); err != nil {
			return err
		}
		if ring, err = s.openRing(rows, nil, readAt); err != nil {
			return err
		}
		if s.mac, err = s.loadSecret(ctx, tx, refreshMACName); err != nil {
			return err
		}
		s.deviceKey, err = s.loadSecret(ctx, tx, deviceMACName)
		return err
	})
	if err == nil {
		s.keys.ring.Store(ring)
	}
	return err
}

// makeBoxes is what opens keys and secrets, and the first of them seals.
func (s *Service) makeBoxes() error {
	secrets := [][]byte{s.cfg.Secret}
	if len(s.cfg.PreviousSecret) > 0 {
		secrets = append(secrets, s.cfg.PreviousSecret)
	}
	for _, secret := range secrets {
		box, err := newKeyBox(secret)
		if err != nil {
			return err
		}
		s.keys.boxes = append(s.keys.boxes, box)
	}
	return nil
}

// allKeys reads all keys, those that are gone included.
func (s *Service) allKeys(ctx context.Context, conn authdb.DBTX) ([]authdb.KeysSystemRow, error) {
	rows, err := s.q.KeysSystem(ctx, conn, authdb.KeysSystemParams{Everything: true})
	if err != nil {
		return nil, fmt.Errorf("read signing keys: %w", err)
	}
	return rows, nil
}

// stretch notes, before anything may shorten it, how long the tokens live that keys sign now, or will a moment from now.
func (s *Service) stretch(ctx context.Context, tx pgx.Tx, rows []authdb.KeysSystemRow, life time.Duration) error {
	short := func(r authdb.KeysSystemRow) bool { return r.RetiredAt == nil && r.LongestTtl < seconds(life) }
	if rows != nil && !slices.ContainsFunc(rows, short) {
		return nil
	}
	if err := s.q.StretchKeysSystem(ctx, tx, s.cfg.Now().Add(-drainMargin), seconds(life)); err != nil {
		return fmt.Errorf("note the life of tokens: %w", err)
	}
	return nil
}

func seconds(d time.Duration) int32 { return int32(min(d/time.Second, math.MaxInt32)) }

// rewrapKeys reads all keys and seals under the current secret what opens only under the previous one.
func (s *Service) rewrapKeys(ctx context.Context, tx pgx.Tx) ([]authdb.KeysSystemRow, error) {
	rows, err := s.allKeys(ctx, tx)
	if err != nil {
		return nil, err
	}
	var kids, pems []string
	for i, r := range rows {
		der, old, err := s.openStored(r.Kid, r.PrivatePem)
		if err != nil {
			return nil, err
		}
		if !old {
			continue
		}
		if rows[i].PrivatePem, err = s.sealStored(r.Kid, der); err != nil {
			return nil, err
		}
		kids, pems = append(kids, r.Kid), append(pems, rows[i].PrivatePem)
	}
	if len(kids) == 0 {
		return rows, nil
	}
	if err := s.q.RewrapKeysSystem(ctx, tx, kids, pems); err != nil {
		return nil, fmt.Errorf("seal signing keys under the new JWT_SECRET: %w", err)
	}
	s.cfg.Log.InfoContext(ctx, "signing keys sealed under the new JWT_SECRET", "keys", len(kids))
	return rows, nil
}

func (s *Service) openStored(kid, stored string) (der []byte, old bool, err error) {
	sealed, err := base64.StdEncoding.DecodeString(stored)
	if err != nil {
		return nil, false, fmt.Errorf("signing key %s is damaged: %w", kid, err)
	}
	return s.unseal("signing key "+kid, sealed, keyPlace(kid))
}

func (s *Service) sealStored(kid string, der []byte) (string, error) {
	return sealKey(s.keys.boxes[0], kid, der)
}

func newKeyBox(secret []byte) (*seal.Box, error) { return seal.New(secret, "signing-keys") }

func sealKey(box *seal.Box, kid string, der []byte) (string, error) {
	sealed, err := box.Encrypt(der, keyPlace(kid))
	return base64.StdEncoding.EncodeToString(sealed), err
}

// makeKey makes a new P-256 key for a life.
func (s *Service) makeKey(k keyLife) (authdb.InsertKeySystemParams, error) {
	var none authdb.InsertKeySystemParams
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return none, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return none, err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return none, err
	}
	stored, err := s.sealStored(k.kid, private)
	return authdb.InsertKeySystemParams{
		Kid:        k.kid,
		PublicPem:  string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		PrivatePem: stored,
		CreatedAt:  k.created,
		SignsFrom:  orNil(k.signsFrom),
		Ttl:        seconds(s.cfg.AccessTTL),
	}, err
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func newKid() string {
	var id [16]byte
	rand.Read(id[:]) // never fails, it ends the program
	return "key_" + hex.EncodeToString(id[:])
}

// life reads a row's times. A row that is neither active nor retired at some time is taken as retired ever since.
func life(r authdb.KeysSystemRow) keyLife {
	k := keyLife{kid: r.Kid, created: r.CreatedAt, tokens: time.Duration(r.LongestTtl) * time.Second}
	if r.SignsFrom != nil {
		k.signsFrom = *r.SignsFrom
	}
	if r.RevokedAt != nil {
		k.revokedAt = *r.RevokedAt
	}
	switch {
	case r.RetiredAt != nil:
		k.retiredAt = *r.RetiredAt
	case !r.IsActive:
		k.retiredAt = r.CreatedAt
	}
	return k
}

// tokenLife is the longest life of a token that is issued now.
func (s *Service) tokenLife(rows []authdb.KeysSystemRow) time.Duration {
	if len(rows) == 0 {
		return s.cfg.AccessTTL
	}
	return max(s.cfg.AccessTTL, time.Duration(rows[0].AppTtl)*time.Second)
}

// drain is how long a retired key stays at least: until the last token it can have signed by today's settings has expired.
// A server that has yet to hear of the retirement signs with it for a little while.
func (s *Service) drain(rows []authdb.KeysSystemRow) time.Duration {
	return s.tokenLife(rows) + drainMargin
}

// published is which keys are read: a little more than drain lets stay.
func (s *Service) published() authdb.KeysSystemParams {
	return authdb.KeysSystemParams{Ttl: seconds(max(s.cfg.AccessTTL, longestAppTTL)), Since: s.cfg.Now().Add(-publishDelay - time.Minute)}
}

// openRing opens the keys of rows. Those that are open already are not opened again: a key never changes, though it may
// have been sealed under another secret meanwhile.
func (s *Service) openRing(rows []authdb.KeysSystemRow, open map[string]signingKey, readAt time.Time) (*keyring, error) {
	keys := make([]signingKey, len(rows))
	for i, r := range rows {
		known, ok := open[r.Kid]
		if !ok {
			der, _, err := s.openStored(r.Kid, r.PrivatePem)
			if err != nil {
				return nil, err
			}
			if known, err = parseSigningKey(r.Kid, der); err != nil {
				return nil, err
			}
		}
		known.keyLife = life(r)
		keys[i] = known
	}
	return newKeyring(keys, s.drain(rows), s.cfg.Now(), readAt)
}

func parseSigningKey(kid string, der []byte) (signingKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return signingKey{}, fmt.Errorf("signing key %s is damaged: %w", kid, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return signingKey{}, fmt.Errorf("signing key %s is not a P-256 key", kid)
	}
	return newSigningKey(keyLife{kid: kid}, key)
}

// reloadKeys reads the keys again. When that fails the ring in memory stays. Calls that come while another one waits for
// its turn share its reading, which begins after all of them.
func (s *Service) reloadKeys(ctx context.Context) error {
	k := &s.keys
	begun := k.begun.Load()
	k.reading.Lock()
	defer k.reading.Unlock()
	if k.begun.Load() > begun && k.err == nil {
		return nil
	}
	k.begun.Add(1)
	k.err = s.readKeys(ctx)
	return k.err
}

func (s *Service) readKeys(ctx context.Context) error {
	readAt := time.Now()
	rows, err := s.q.KeysSystem(ctx, s.cfg.DB.In(db.System()), s.published())
	if err != nil {
		return fmt.Errorf("read signing keys: %w", err)
	}
	before := s.keyring()
	open := make(map[string]signingKey, len(before.keys))
	for _, key := range before.keys {
		open[key.kid] = key
	}
	ring, err := s.openRing(rows, open, readAt)
	if err != nil {
		return err
	}
	s.keys.ring.Store(ring)
	s.keys.missed.Store(false)
	if ring.jwks.etag != before.jwks.etag {
		s.cfg.Log.InfoContext(ctx, "signing keys changed", "published", slices.Sorted(maps.Keys(ring.public)))
		again := func() { s.followers.tell(event{Kind: keysChange}) }
		again()
		time.AfterFunc(keysTold, again) // a follower may ask another server for the keys, which reads them at this moment too
	}
	return nil
}

// keysChanged reads the keys again soon, once for all calls until then. It does not wait.
func (s *Service) keysChanged() {
	if !s.keys.due.CompareAndSwap(false, true) {
		return
	}
	time.AfterFunc(reloadPause, func() {
		s.keys.due.Store(false) // what changes from here on asks for another reading
		if err := s.reloadKeys(context.Background()); err != nil {
			s.keys.missed.Store(true)
			s.cfg.Log.Warn("signing keys not read again; going on with those in memory until a request asks for them", "error", err)
		}
	})
}

// catchUpWait bounds a reading that a request waits for.
const catchUpWait = 2 * time.Second

// catchUp reads the keys for a request that the ring may be too old for, at most once in a pause. Others come along meanwhile:
// those that wait get what is being read, those that do not go on with the ring there is.
func (s *Service) catchUp(pause time.Duration, wait bool) {
	now, last := time.Now().UnixNano(), s.keys.tried.Load()
	if now-last < int64(pause) || !s.keys.tried.CompareAndSwap(last, now) {
		if wait {
			s.keys.reading.Lock()
			s.keys.reading.Unlock() //nolint:staticcheck // to wait is all there is to do
		}
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), catchUpWait)
	defer cancel()
	if err := s.reloadKeys(ctx); err != nil {
		s.cfg.Log.Warn("signing keys not read again; going on with those in memory", "error", err)
	}
}
