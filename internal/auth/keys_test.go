package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"pgregory.net/rapid"

	"turkey/internal/db"
	"turkey/internal/db/dbtest"
	"turkey/internal/fault"
)

// testClock is a clock that a test moves.
type testClock struct{ ahead atomic.Int64 }

func (c *testClock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *testClock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// cluster is servers on one database, with one clock.
type cluster struct {
	*testing.T
	clock *testClock
	db    *db.DB
}

func newCluster(t *testing.T) cluster {
	t.Helper()
	return cluster{t, &testClock{}, dbtest.New(t)}
}

const (
	secretA = "secret-a-secret-a-secret-a-secret-a"
	secretB = "secret-b-secret-b-secret-b-secret-b"
)

func (c cluster) config(change ...func(*Config)) Config {
	cfg := Config{DB: c.db, Log: slog.New(slog.DiscardHandler), Now: c.clock.now, Secret: []byte(secretA), Issuer: issuer,
		DefaultApp: "default-app", AccessTTL: 15 * time.Minute, RefreshTTL: time.Hour}
	for _, f := range change {
		f(&cfg)
	}
	return cfg
}

func (c cluster) start(change ...func(*Config)) *Service {
	c.Helper()
	s, err := New(c.Context(), c.config(change...))
	if err != nil {
		c.Fatal(err)
	}
	return s
}

func (c cluster) reload(servers ...*Service) {
	c.Helper()
	for _, s := range servers {
		if err := s.reloadKeys(c.Context()); err != nil {
			c.Fatal(err)
		}
	}
}

// sign makes an access token that lives for an hour.
func (c cluster) sign(s *Service) (token, kid string) {
	c.Helper()
	at := c.clock.now()
	token, err := s.sign([]byte(claims(c, map[string]any{"iat": at.Unix(), "nbf": at.Unix(), "exp": at.Add(time.Hour).Unix()})))
	if err != nil {
		c.Fatal(err)
	}
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		c.Fatal(err)
	}
	return token, jws.Signatures[0].Protected.KeyID
}

// accepts checks a token on each server, and that the server publishes its key.
func (c cluster) accepts(token, kid string, servers ...*Service) {
	c.Helper()
	for i, s := range servers {
		if _, err := s.parseAccess(token); err != nil {
			c.Errorf("server %d: %v", i, err)
		}
		if !slices.Contains(c.published(s), kid) {
			c.Errorf("server %d does not publish %s", i, kid)
		}
	}
}

// published are the names in the key set, in order.
func (c cluster) published(s *Service) (kids []string) {
	c.Helper()
	var set struct {
		Keys []map[string]string `json:"keys"`
	}
	if err := json.Unmarshal(s.jwks().body, &set); err != nil {
		c.Fatal(err)
	}
	for _, k := range set.Keys {
		kids = append(kids, k["kid"])
		if len(k) != 7 || k["kty"] != "EC" || k["use"] != "sig" || k["alg"] != "ES256" || k["crv"] != "P-256" || k["x"] == "" || k["y"] == "" {
			c.Errorf("published: %v", k)
		}
	}
	return kids
}

func (c cluster) publishes(s *Service, want ...string) {
	c.Helper()
	if got := c.published(s); !slices.Equal(got, want) {
		c.Errorf("publishes %v, want %v", got, want)
	}
}

func (c cluster) states(s *Service) map[string]KeyState {
	c.Helper()
	keys, err := s.Keys(c.Context())
	if err != nil {
		c.Fatal(err)
	}
	all := map[string]KeyState{}
	for _, k := range keys {
		all[k.ID] = k.State
	}
	return all
}

func (c cluster) execute(sql string, args ...any) {
	c.Helper()
	if _, err := c.db.Pool().Exec(c.Context(), sql, args...); err != nil {
		c.Fatal(err)
	}
}

func (c cluster) text(sql string, args ...any) (out string) {
	c.Helper()
	if err := c.db.Pool().QueryRow(c.Context(), sql, args...).Scan(&out); err != nil {
		c.Fatal(err)
	}
	return out
}

func (c cluster) key(k KeyInfo, err error) KeyInfo {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
	return k
}

// TestARotationPublishesBeforeItSignsAndKeepsTheOldKeyUntilItsTokensExpired moves the clock of two servers through the life
// of a key. Both change over at the same moment, without another look at the database.
func TestARotationPublishesBeforeItSignsAndKeepsTheOldKeyUntilItsTokensExpired(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.start(), c.start()
	token, oldKey := c.sign(a)
	c.publishes(a, oldKey)

	next, err := a.RotateKeys(t.Context(), false)
	if err != nil || next.State != KeyNext {
		t.Fatalf("%+v, %v", next, err)
	}
	c.accepts(token, oldKey, a, b)
	if _, kid := c.sign(a); kid != oldKey {
		t.Error("the new key signs before the other server has it")
	}
	c.reload(b)
	c.publishes(a, oldKey, next.ID)
	c.publishes(b, oldKey, next.ID)
	c.clock.advance(publishDelay - 5*time.Second)
	if _, kid := c.sign(b); kid != oldKey {
		t.Error("the new key signs too early")
	}

	c.clock.advance(5 * time.Second)
	changed := time.Time(*next.SignsFrom)
	for _, s := range []*Service{a, b} {
		c.publishes(s, next.ID, oldKey)
		fresh, kid := c.sign(s)
		if kid != next.ID {
			t.Error("the new key does not sign")
		}
		c.accepts(fresh, next.ID, a, b)
		c.accepts(token, oldKey, s)
	}
	if got := c.states(b); got[oldKey] != KeyRetired || got[next.ID] != KeySigning {
		t.Errorf("%v", got)
	}

	c.execute(`UPDATE apps SET access_ttl = 1800 WHERE id = 'default-app'`) // the longest life counts
	c.reload(a)
	c.clock.advance(changed.Add(15*time.Minute + publishDelay + leeway + time.Second).Sub(c.clock.now()))
	c.accepts(token, oldKey, a)
	c.publishes(b, next.ID)
	if _, err := b.parseAccess(token); !errors.Is(err, errNotOurs) {
		t.Errorf("the key is gone and its token passes: %v", err)
	}
	c.clock.advance(15 * time.Minute)
	c.publishes(a, next.ID)
	if got := c.states(a); got[oldKey] != KeyGone {
		t.Errorf("%v", got)
	}
	c.reload(a, b)
	c.publishes(a, next.ID)
	c.publishes(b, next.ID)
}

func TestKeptKeysStayActive(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.start()
	_, oldKey := c.sign(a)
	next := c.key(a.RotateKeys(t.Context(), true))
	c.clock.advance(24 * 365 * time.Hour)
	c.publishes(a, next.ID, oldKey)
	if got := c.states(a); got[oldKey] != KeyVerifying || got[next.ID] != KeySigning {
		t.Errorf("%v", got)
	}
	// Retiring the signer hands back to the one that was kept, at once.
	if k := c.key(a.RetireKey(t.Context(), next.ID)); k.State != KeyRetired {
		t.Errorf("%+v", k)
	}
	if _, kid := c.sign(a); kid != oldKey {
		t.Error("the key that was kept does not sign")
	}
	c.publishes(a, oldKey, next.ID)
}

func TestAGeneratedKeySignsOnlyOnceItIsActivated(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.start(), c.start()
	_, first := c.sign(a)
	spare := c.key(a.GenerateKey(t.Context(), false))
	if spare.State != KeyPublished || spare.SignsFrom != nil {
		t.Errorf("%+v", spare)
	}
	c.reload(b)
	c.clock.advance(time.Hour)
	c.publishes(b, first, spare.ID)
	if k := c.key(b.ActivateKey(t.Context(), spare.ID)); k.State != KeyNext {
		t.Errorf("%+v", k)
	}
	c.reload(a)
	if _, kid := c.sign(a); kid != first {
		t.Error("signs at once")
	}
	c.clock.advance(publishDelay)
	if _, kid := c.sign(a); kid != spare.ID {
		t.Error("does not sign")
	}
	c.publishes(b, spare.ID, first)

	eager := c.key(a.GenerateKey(t.Context(), true))
	c.reload(b)
	c.publishes(b, spare.ID, eager.ID, first)
	c.clock.advance(publishDelay)
	c.publishes(b, eager.ID, spare.ID, first)
}

func TestActivatingTheSignerCallsARotationOff(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.start()
	_, first := c.sign(a)
	next := c.key(a.RotateKeys(t.Context(), false))
	if k := c.key(a.ActivateKey(t.Context(), first)); k.State != KeySigning || k.RetiredAt != nil {
		t.Errorf("%+v", k)
	}
	c.clock.advance(time.Hour)
	if _, kid := c.sign(a); kid != first {
		t.Error("the rotation went on")
	}
	if got := c.states(a); got[next.ID] != KeyPublished {
		t.Errorf("%v", got)
	}
}

func TestAKeyThatIsGoneCanBeBroughtBack(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.start()
	_, first := c.sign(a)
	next := c.key(a.RotateKeys(t.Context(), false))
	c.clock.advance(24 * time.Hour)
	c.reload(a)
	c.publishes(a, next.ID)
	c.key(a.ActivateKey(t.Context(), first))
	c.publishes(a, next.ID, first)
	c.clock.advance(publishDelay)
	c.publishes(a, first, next.ID)
}

func TestTheOnlyKeyThatCanSignIsNotRetired(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.start()
	_, first := c.sign(a)
	c.key(a.GenerateKey(t.Context(), false)) // is not marked for signing, so it is no successor
	for kid, want := range map[string]error{first: errOnlyKey, "key_unknown": errNoSuchKey, "": errNoSuchKey} {
		if _, err := a.RetireKey(t.Context(), kid); !errors.Is(err, want) {
			t.Errorf("retire %q: %v", kid, err)
		}
	}
	if _, err := a.ActivateKey(t.Context(), "key_unknown"); !errors.Is(err, errNoSuchKey) {
		t.Errorf("activate: %v", err)
	}
	if f, ok := fault.From(errOnlyKey); !ok || f.Kind != fault.Conflict {
		t.Error("not a conflict")
	}
	// With a successor on its way it goes on until that one signs.
	next := c.key(a.GenerateKey(t.Context(), true))
	k := c.key(a.RetireKey(t.Context(), first))
	if k.State != KeySigning || *k.RetiredAt != *next.SignsFrom {
		t.Errorf("%+v, next %+v", k, next)
	}
	if again := c.key(a.RetireKey(t.Context(), first)); *again.RetiredAt != *k.RetiredAt {
		t.Error("retired twice")
	}
	if n := c.text(`SELECT count(*)::text FROM audit WHERE action = 'key_retired'`); n != "1" {
		t.Errorf("%s times in the audit", n)
	}
	if _, err := a.RetireKey(t.Context(), next.ID); !errors.Is(err, errOnlyKey) {
		t.Errorf("retire the successor: %v", err)
	}
}

func TestARevokedKeyIsVoidAtOnceAndForGood(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.start(), c.start()
	token, first := c.sign(a)
	c.accepts(token, first, a, b)
	for _, unknown := range []string{"key_unknown", ""} {
		if _, _, err := a.RevokeKey(t.Context(), unknown); !errors.Is(err, errNoSuchKey) {
			t.Errorf("%q: %v", unknown, err)
		}
	}
	k, successor, err := a.RevokeKey(t.Context(), first)
	if err != nil || k.ID != first || k.State != KeyRevoked || k.RevokedAt == nil || successor == "" || successor == first {
		t.Fatalf("%+v, %q, %v", k, successor, err)
	}
	if _, err := a.parseAccess(token); !errors.Is(err, errTokenRevoked) {
		t.Errorf("where it was revoked: %v", err)
	}
	next, signer := c.sign(a)
	if signer != successor {
		t.Errorf("%s signs", signer)
	}
	c.publishes(a, successor)
	// No notification reaches b: it looks for itself before it answers, however well it knows the token.
	b.keyring().readAt = time.Now().Add(-time.Minute)
	c.accepts(next, successor, b)
	if _, err := b.parseAccess(token); !errors.Is(err, errTokenRevoked) {
		t.Errorf("elsewhere: %v", err)
	}
	c.publishes(b, successor)

	// It stays void: for those who try to bring it back, and after a restart.
	for what, act := range map[string]func() (KeyInfo, error){
		"revoke":   func() (KeyInfo, error) { k, _, err := b.RevokeKey(t.Context(), first); return k, err },
		"retire":   func() (KeyInfo, error) { return b.RetireKey(t.Context(), first) },
		"activate": func() (KeyInfo, error) { return b.ActivateKey(t.Context(), first) },
	} {
		if k, err := act(); (what == "activate") != errors.Is(err, errVoidKey) || what != "activate" && (err != nil || k.State != KeyRevoked) {
			t.Errorf("%s: %+v, %v", what, k, err)
		}
	}
	d := c.start()
	if _, err := d.parseAccess(token); !errors.Is(err, errTokenRevoked) {
		t.Errorf("after a restart: %v", err)
	}
	c.accepts(next, successor, d)
	if got := c.states(d); len(got) != 2 || got[first] != KeyRevoked || got[successor] != KeySigning {
		t.Errorf("%v", got)
	}
	// When no token of it can be alive any more, it is a stranger.
	c.clock.advance(25 * time.Hour)
	c.reload(d)
	if _, err := d.parseAccess(token); !errors.Is(err, errForeignToken) {
		t.Errorf("a day later: %v", err)
	}
	if got := c.text(`SELECT string_agg(action || ' ' || (meta::json ->> 'kid') || ' ' || (meta::json ->> 'successor'), ', ') FROM audit WHERE action = 'key_revoked'`); got != "key_revoked "+first+" "+successor {
		t.Errorf("audit: %s", got)
	}
}

func TestRevokingAKeyThatDoesNotSign(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.start()
	_, first := c.sign(a)
	spare := c.key(a.GenerateKey(t.Context(), false))
	if _, successor, err := a.RevokeKey(t.Context(), spare.ID); err != nil || successor != "" {
		t.Errorf("a spare one: %q, %v", successor, err)
	}
	// The one that was to sign next has a successor that takes its turn, so that there is always one that signs.
	next := c.key(a.RotateKeys(t.Context(), false))
	_, successor, err := a.RevokeKey(t.Context(), next.ID)
	if err != nil || successor == "" {
		t.Fatalf("the next one: %q, %v", successor, err)
	}
	if _, signer := c.sign(a); signer != first {
		t.Errorf("%s signs", signer)
	}
	c.clock.advance(publishDelay + time.Second)
	if _, signer := c.sign(a); signer != successor {
		t.Errorf("%s signs in the end", signer)
	}
	if got := c.states(a); got[first] != KeyRetired || got[spare.ID] != KeyRevoked || got[next.ID] != KeyRevoked || got[successor] != KeySigning {
		t.Errorf("%v", got)
	}
}

// TestARetiredKeyOutlastsTheLongestTokensOfItsTime: lives that became shorter since do not count.
func TestARetiredKeyOutlastsTheLongestTokensOfItsTime(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	ctx := t.Context()
	long, short := int32(7200), int32(60)
	ttl := func(s *Service, v *int32) {
		t.Helper()
		if _, err := s.ChangeApp(ctx, "shop", AppChange{AccessTTL: Set(v)}); err != nil {
			t.Fatal(err)
		}
	}
	stays := func(s *Service, kid string, want time.Duration) {
		t.Helper()
		keys, err := s.Keys(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			if k.ID == kid {
				if got := time.Time(*k.PublishedUntil).Sub(time.Time(*k.RetiredAt)); got != want+drainMargin {
					t.Errorf("stays for %s, want %s", got-drainMargin, want)
				}
			}
		}
	}
	a := c.start()
	if _, err := a.AddApp(ctx, "shop", AppChange{}); err != nil {
		t.Fatal(err)
	}
	ttl(a, &long)
	_, first := c.sign(a)
	ttl(a, &short) // before the rotation
	second := c.key(a.RotateKeys(ctx, false))
	stays(a, first, 2*time.Hour)
	c.clock.advance(publishDelay)
	third := c.key(a.RotateKeys(ctx, false))
	stays(a, second.ID, 15*time.Minute) // the server's own
	// What a server with longer lives has issued counts after it went, too.
	d := c.start(func(cfg *Config) { cfg.AccessTTL = time.Hour })
	stays(d, first, 2*time.Hour)
	b := c.start()
	c.clock.advance(publishDelay)
	c.key(b.RotateKeys(ctx, false))
	stays(b, third.ID, time.Hour)
	// Readings for daily work see it for as long.
	c.clock.advance(time.Hour)
	c.reload(b)
	if !slices.Contains(c.published(b), third.ID) || !slices.Contains(c.published(b), first) {
		t.Errorf("publishes %v", c.published(b))
	}
	// An app that is gone has had its tokens.
	ttl(b, &long)
	_, fourth := c.sign(b)
	if err := b.DeleteApp(ctx, "shop"); err != nil {
		t.Fatal(err)
	}
	c.key(b.RotateKeys(ctx, false))
	stays(b, fourth, 2*time.Hour)
}

func TestActsOnKeysAreAudited(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.start()
	_, first := c.sign(a)
	spare := c.key(a.GenerateKey(t.Context(), false))
	next := c.key(a.RotateKeys(t.Context(), true))
	c.key(a.RetireKey(t.Context(), first))
	c.key(a.ActivateKey(t.Context(), spare.ID))
	c.key(a.ActivateKey(t.Context(), spare.ID)) // is on its way already: nothing happens
	got := c.text(`SELECT string_agg(action || ' ' || (meta::json ->> 'kid'), ', ' ORDER BY created_at) FROM audit
		WHERE app_id = 'default-app' AND actor = 'admin' AND user_id IS NULL`)
	want := fmt.Sprintf("key_generated %s, key_rotated %s, key_retired %s, key_activated %s", spare.ID, next.ID, first, spare.ID)
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestKeyInfoTellsNothingSecret(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.start()
	c.key(a.RotateKeys(t.Context(), false))
	keys, err := a.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(keys)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(strings.ToLower(string(body)), "private") || strings.Count(string(body), "BEGIN PUBLIC KEY") != 2 {
		t.Errorf("%s", body)
	}
	for _, pem := range strings.Split(c.text(`SELECT string_agg(private_pem, ' ') FROM keys`), " ") {
		if strings.Contains(string(body), pem) || strings.Contains(pem, "PRIVATE") {
			t.Error("a private key is told or stands open in the table")
		}
	}
}

func TestServersThatStartAtOnceMakeOneKeyAndOneSecret(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	servers := make([]*Service, 8)
	var wg sync.WaitGroup
	for i := range servers {
		wg.Go(func() {
			s, err := New(t.Context(), c.config())
			if err != nil {
				t.Error(err)
			}
			servers[i] = s
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for _, s := range servers {
		if s.keyring().jwks.etag != servers[0].keyring().jwks.etag || !bytes.Equal(s.mac, servers[0].mac) {
			t.Error("they differ")
		}
		token, kid := c.sign(s)
		c.accepts(token, kid, servers...)
	}
	c.publishes(servers[0], c.text(`SELECT kid FROM keys`))
}

// A first start is seen by a second server whose clock is behind: it must be able to sign all the same.
func TestAServerWithASlowClockSignsWithTheFirstKey(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.start()
	b := c.start(func(cfg *Config) { cfg.Now = func() time.Time { return time.Now().Add(-4 * time.Second) } })
	token, kid := c.sign(b)
	c.accepts(token, kid, a, b)
}

func TestParallelRotationsLeaveOneSigner(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.start(), c.start()
	token, first := c.sign(a)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			if _, err := []*Service{a, b}[i%2].RotateKeys(context.WithoutCancel(t.Context()), false); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	c.reload(a, b)
	if n := len(c.published(a)); n != 7 {
		t.Errorf("%d keys", n)
	}
	if n := c.text(`SELECT count(*)::text FROM keys WHERE is_active`); n != "1" {
		t.Errorf("%s active keys", n)
	}
	if n := c.text(`SELECT count(*)::text FROM audit WHERE action = 'key_rotated'`); n != "6" {
		t.Errorf("%s in the audit", n)
	}
	for range 70 {
		c.clock.advance(time.Second)
		for _, s := range []*Service{a, b} {
			fresh, kid := c.sign(s)
			c.accepts(fresh, kid, a, b)
		}
		c.accepts(token, first, a, b)
	}
	_, kid := c.sign(a)
	if active := c.text(`SELECT kid FROM keys WHERE is_active`); active != kid {
		t.Errorf("%s signs, %s is active", kid, active)
	}
}

func withSecrets(current, previous string) func(*Config) {
	return func(cfg *Config) { cfg.Secret, cfg.PreviousSecret = []byte(current), []byte(previous) }
}

func TestANewSecretTakesOver(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	before := c.start()
	token, first := c.sign(before)
	c.key(before.RotateKeys(t.Context(), false))
	stored := c.text(`SELECT string_agg(private_pem, ' ' ORDER BY kid) FROM keys`)

	for what, secrets := range map[string]func(*Config){"another": withSecrets(secretB, ""), "two others": withSecrets(secretB, "secret-c-secret-c-secret-c-secret-c")} {
		_, err := New(t.Context(), c.config(secrets))
		if err == nil || !strings.Contains(err.Error(), "JWT_SECRET ") && !strings.Contains(err.Error(), "JWT_SECRET:") || !strings.Contains(err.Error(), "JWT_SECRET_PREVIOUS") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if now := c.text(`SELECT string_agg(private_pem, ' ' ORDER BY kid) FROM keys`); now != stored {
		t.Error("a refused start changed the keys")
	}

	after := c.start(withSecrets(secretB, secretA))
	c.accepts(token, first, after)
	if !bytes.Equal(after.mac, before.mac) {
		t.Error("every session is over")
	}
	for _, old := range strings.Split(stored, " ") {
		if strings.Contains(c.text(`SELECT string_agg(private_pem, ' ') FROM keys`), old) {
			t.Error("a key is still under the old secret")
		}
	}
	c.start(withSecrets(secretB, ""))
	c.start(withSecrets(secretB, "secret-c-secret-c-secret-c-secret-c"))
	if _, err := New(t.Context(), c.config()); err == nil {
		t.Error("the old secret still opens")
	}

	// A server that has not been restarted goes on with the keys it has, and follows what it need not open.
	c.reload(before)
	c.clock.advance(publishDelay)
	fresh, kid := c.sign(after)
	c.accepts(fresh, kid, before)
	c.key(after.RotateKeys(t.Context(), false))
	if err := before.reloadKeys(t.Context()); err == nil {
		t.Error("a key under a secret it does not have opened")
	}
	c.accepts(fresh, kid, before)
	if _, still := c.sign(before); still != kid {
		t.Error("the ring did not stay")
	}
}

func TestADamagedKeyIsNamed(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.start()
	_, first := c.sign(a)
	for _, stored := range []string{"", "!", "AAAA", c.text(`SELECT left(private_pem, 60) FROM keys`)} {
		c.execute(`UPDATE keys SET private_pem = $1`, stored)
		if _, err := New(t.Context(), c.config()); err == nil || !strings.Contains(err.Error(), first) || stored != "" && strings.Contains(err.Error(), stored) {
			t.Errorf("%q: %v", stored, err)
		}
	}
	if n := c.text(`SELECT count(*)::text FROM keys`); n != "1" {
		t.Error("another key was made in its place")
	}
	c.reload(a) // has it open already
	c.publishes(a, first)
}

// Keys of the predecessor verify and do not sign, unless they are told to.
func TestRowsOfOthersAreReadCarefully(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.start()
	_, first := c.sign(a)
	c.execute(`UPDATE keys SET signs_from = NULL`)
	b := c.start()
	_, second := c.sign(b)
	if second == first {
		t.Error("a key that is not marked signs")
	}
	c.publishes(b, second, first)
	c.execute(`UPDATE keys SET is_active = false WHERE kid = $1`, first)
	c.reload(b)
	c.publishes(b, second)
	c.execute(`UPDATE keys SET retired_at = now(), is_active = false`)
	c.reload(b)
	if _, err := b.sign([]byte("{}")); !errors.Is(err, errCannotSign) {
		t.Errorf("signs without a key: %v", err)
	}
	if k := c.key(b.RotateKeys(t.Context(), false)); k.State != KeySigning {
		t.Errorf("nobody signs, and the new key waits: %+v", k)
	}
	c.sign(b)
}

func TestAnOutageLeavesTheKeysInMemory(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a := c.start()
	d, err := db.Open(t.Context(), db.Config{URL: c.db.Pool().Config().ConnString(), MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	b := c.start(func(cfg *Config) { cfg.DB = d })
	d.Close()
	if err := b.reloadKeys(t.Context()); err == nil {
		t.Fatal("read without a database")
	}
	token, kid := c.sign(b)
	c.accepts(token, kid, a, b)

	// It may have missed a key: an unknown one is no longer told as a foreign one.
	c.key(a.RotateKeys(t.Context(), false))
	c.clock.advance(publishDelay)
	fresh, _ := c.sign(a)
	if _, err := b.parseAccess(fresh); !errors.Is(err, errNotOurs) {
		t.Errorf("%v", err)
	}
	b.keyring().readAt = time.Now().Add(-publishDelay - time.Second)
	if _, err := b.parseAccess(fresh); !errors.Is(err, errKeysOutdated) {
		t.Errorf("%v", err)
	}
	c.accepts(token, kid, b)
}

func TestAStormOfNotificationsCausesFewReadings(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.start(), c.start()
	next := c.key(b.GenerateKey(t.Context(), false))
	for range 1000 {
		a.keysChanged()
	}
	for deadline := time.Now().Add(20 * time.Second); !slices.Contains(c.published(a), next.ID); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the keys were not read again")
		}
	}
	if n := a.keys.begun.Load(); n > 2 {
		t.Errorf("%d readings", n)
	}

	// Direct calls share, too: those that wait for their turn are served by one reading.
	a.keys.reading.Lock()
	begun := a.keys.begun.Load()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if err := a.reloadKeys(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	time.Sleep(100 * time.Millisecond) // long enough for them to queue up
	a.keys.reading.Unlock()
	wg.Wait()
	if n := a.keys.begun.Load() - begun; n > 25 {
		t.Errorf("%d readings for 50 calls", n)
	}
}

func TestPublicDocumentsAreCachedByTheirTag(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, b := c.start(), c.start()
	for what, d := range map[string]document{"keys": a.jwks(), "metadata": a.discovery()} {
		if len(d.etag) != 34 || d.etag[0] != '"' {
			t.Errorf("%s: %s", what, d.etag)
		}
		for header, want := range map[string]int{
			d.etag: 304, "W/" + d.etag: 304, `"x", ` + d.etag: 304, "*": 304,
			`"x"`: 200, strings.Trim(d.etag, `"`): 200, "": 200, ",": 200, d.etag + "x": 200,
		} {
			if status, body := d.answer(header); status != want || (want == 304) != (len(body) == 0) {
				t.Errorf("%s, If-None-Match %s: %d with %d bytes", what, header, status, len(body))
			}
		}
	}
	tag := a.keyring().jwks.etag
	if b.keyring().jwks.etag != tag {
		t.Error("two servers, two tags")
	}
	c.key(a.RotateKeys(t.Context(), false))
	if a.keyring().jwks.etag == tag {
		t.Error("other keys, same tag")
	}
	c.reload(b)
	if b.keyring().jwks.etag != a.keyring().jwks.etag {
		t.Error("two servers, two tags")
	}
}

func TestTheMetadataSayWhatIsTrue(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	for iss, base := range map[string]string{issuer: issuer, "https://a.example/": "https://a.example", "https://a.example/auth": "https://a.example/auth"} {
		a := c.start(func(cfg *Config) { cfg.Issuer = iss })
		out := a.discovery().body
		want := fmt.Sprintf(`{"issuer":%q,"jwks_uri":"%s/.well-known/jwks.json","subject_types_supported":["public"],"service_documentation":"%s/docs"}`, iss, base, base)
		if string(out) != want {
			t.Errorf("%s\nwant %s", out, want)
		}
	}
}

// TestKeySchedules plays acts of operators in any order, on servers that hear of them up to publishDelay late, and looks at
// any moment: some key signs on every server, and every server verifies and publishes it until the token has expired.
func TestKeySchedules(t *testing.T) {
	t.Parallel()
	const ttl = 15 * time.Minute
	drain := ttl + publishDelay + leeway
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	type snapshot struct {
		at time.Time
		schedule
	}
	rapid.Check(t, func(t *rapid.T) {
		pause := rapid.OneOf(rapid.Int64Range(0, int64(3*time.Second)), rapid.Int64Range(0, int64(90*time.Second)), rapid.Int64Range(0, int64(40*time.Minute)))
		now := start
		history := []snapshot{{now, schedule{{kid: "key_0", created: now, signsFrom: now}}}}
		sudden, void := map[string]time.Time{}, map[string]bool{} // successors of revoked keys, and these
		for n := range rapid.IntRange(1, 12).Draw(t, "acts") {
			now = now.Add(time.Duration(pause.Draw(t, "pause")))
			s := history[len(history)-1].schedule
			kid, some := fmt.Sprintf("key_%d", n+1), rapid.SampledFrom(s).Draw(t, "key").kid
			var err error
			switch act := rapid.SampledFrom([]string{"rotate", "rotate, keep", "generate", "generate, activate", "retire", "activate", "revoke"}).Draw(t, "act"); act {
			case "revoke":
				s, err = s.revoke(now, some, kid)
				sudden[kid], void[some] = now, true
			case "retire":
				s, err = s.retire(now, some)
			case "activate":
				s, err = s.activate(now, some)
			case "generate", "generate, activate":
				s = s.generate(now, kid, act != "generate")
			default:
				s = s.rotate(now, kid, act != "rotate")
			}
			if err != nil && !errors.Is(err, errOnlyKey) && !errors.Is(err, errVoidKey) {
				t.Fatal(err)
			}
			if err == nil {
				history = append(history, snapshot{now, s})
			}
		}
		edges := func(last int64) *rapid.Generator[int64] {
			return rapid.OneOf(rapid.Just(int64(0)), rapid.Just(last), rapid.Int64Range(0, last))
		}
		late, age := edges(int64(publishDelay)-1), edges(int64(ttl))
		view := func(at time.Time) schedule { // what some server knows
			heard := at.Add(-time.Duration(late.Draw(t, "late")))
			known := history[0].schedule
			for _, h := range history {
				if !h.at.After(heard) {
					known = h.schedule
				}
			}
			return known
		}
		for range 50 {
			at := start.Add(time.Duration(rapid.Int64Range(0, int64(now.Sub(start)+2*publishDelay)).Draw(t, "at")))
			if i := rapid.IntRange(0, 3*len(history)).Draw(t, "event"); i < len(history) { // moments at which something happens
				at = history[i].at.Add(time.Duration(rapid.SampledFrom([]int64{0, 1, int64(publishDelay) - 1, int64(publishDelay), int64(publishDelay) + 1}).Draw(t, "after")))
			}
			signing := view(at)
			i := signing.signerAt(at)
			if i < 0 {
				t.Fatalf("nobody signs at %s", at)
			}
			if !signing[i].active() && !at.Before(signing[i].retiredAt) || signing[i].signsFrom.After(at) {
				t.Fatalf("at %s a key signs whose turn it is not: %+v", at, signing[i])
			}
			checked := at.Add(time.Duration(age.Draw(t, "age")))
			known := view(checked)
			if made, ok := sudden[signing[i].kid]; void[signing[i].kid] || ok && checked.Before(made.Add(publishDelay)) {
				continue // void means void, and who follows begins before all have heard
			}
			if j := known.find(signing[i].kid); j < 0 || !known[j].publishedAt(checked, drain) {
				t.Fatalf("%s signs at %s and is not published at %s", signing[i].kid, at, checked)
			}
		}
	})
}

// TestKeysOfServersThatHearLate is the same on a real database, with servers that read when it pleases them.
func TestKeysOfServersThatHearLate(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	servers := []*Service{c.start(), c.start(), c.start()}
	type issued struct {
		token, kid string
		until      time.Time
	}
	var tokens []issued
	heard := make([]time.Time, len(servers))
	for step := range 42 {
		s := servers[step%len(servers)]
		keys, err := s.Keys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		kid := keys[step*7%len(keys)].ID
		switch step * 5 % 7 {
		case 0, 1:
			_, err = s.RotateKeys(t.Context(), step%2 == 0)
		case 2:
			_, err = s.RetireKey(t.Context(), kid)
		case 3:
			_, err = s.ActivateKey(t.Context(), kid)
		case 4:
			_, err = s.GenerateKey(t.Context(), true)
		}
		if err != nil && !errors.Is(err, errOnlyKey) {
			t.Fatal(err)
		}
		heard[step%len(servers)] = c.clock.now()
		c.clock.advance(time.Duration(step*13%29) * time.Second)
		for i, s := range servers {
			if c.clock.now().Sub(heard[i]) > 30*time.Second {
				c.reload(s)
				heard[i] = c.clock.now()
			}
		}
		for _, s := range servers {
			token, kid := c.sign(s)
			tokens = append(tokens, issued{token, kid, c.clock.now().Add(15 * time.Minute)})
		}
		tokens = slices.DeleteFunc(tokens, func(i issued) bool { return c.clock.now().After(i.until) })
		for i, s := range servers {
			published := c.published(s)
			for _, issued := range tokens {
				if _, err := s.parseAccess(issued.token); err != nil || !slices.Contains(published, issued.kid) {
					t.Fatalf("step %d, server %d: %v, %s is published: %v", step, i, err, issued.kid, published)
				}
			}
		}
	}
}
