package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/golang-lru/v2/expirable"
	"github.com/jackc/pgx/v5/pgxpool"

	"turkey/internal/audit"
	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/db/dbtest"
	"turkey/internal/keyring"
)

const (
	saltOne   = "the first secret of the operator, canary"
	saltTwo   = "the second secret of the operator, canary"
	saltThree = "the third secret of the operator, canary"
)

// safe is a database with users, and the servers and operators on it.
type safe struct {
	t     testing.TB
	url   string
	db    *db.DB
	sql   *pgxpool.Pool // past every policy
	users []uuid.UUID
	texts map[uuid.UUID]kept // a credential of each user
}

// kept is a credential and the token that is in it, "" if that changes.
type kept struct {
	id    int64
	token string
}

func metaContent(token string) string { return `{"access_token":"` + token + `","account_id":"act_1"}` }

func newSafe(t testing.TB) *safe {
	t.Helper()
	s := &safe{t: t, url: dbtest.URL(t), texts: map[uuid.UUID]kept{}}
	var err error
	if s.db, err = db.Open(t.Context(), db.Config{URL: s.url, MaxConns: 8, ConnectTimeout: time.Minute}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.db.Close)
	if s.sql, err = pgxpool.New(t.Context(), s.url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.sql.Close)
	s.exec(`INSERT INTO apps (id) VALUES ('a')`)
	return s
}

func (s *safe) exec(sql string, a ...any) {
	s.t.Helper()
	if _, err := s.sql.Exec(context.Background(), sql, a...); err != nil {
		s.t.Fatal(err)
	}
}

// value reads one value.
func value[V any](s *safe, sql string, a ...any) (v V) {
	s.t.Helper()
	if err := s.sql.QueryRow(context.Background(), sql, a...).Scan(&v); err != nil {
		s.t.Fatal(err)
	}
	return v
}

// user makes a user.
func (s *safe) user() uuid.UUID {
	s.t.Helper()
	id := uuid.New()
	s.exec(`INSERT INTO users (id, app_id, email, password_hash) VALUES ($1, 'a', $2, 'x')`, id, id.String()+"@example.com")
	s.users = append(s.users, id)
	return id
}

func salts(secrets ...string) keyring.Config {
	cfg := keyring.Config{Salt: []byte(secrets[0])}
	if len(secrets) > 1 {
		cfg.PreviousSalt = []byte(secrets[1])
	}
	return cfg
}

func ring(t testing.TB, cfg keyring.Config) *keyring.Keyring {
	t.Helper()
	k, err := keyring.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (s *safe) start(cfg keyring.Config) (*Service, error) {
	s.t.Helper()
	return New(s.t.Context(), Config{DB: s.db, Log: slog.New(slog.DiscardHandler), Keyring: ring(s.t, cfg), Connectors: connector.New(connector.Config{})})
}

func (s *safe) server(cfg keyring.Config) *Service {
	s.t.Helper()
	v, err := s.start(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// refuses starts a server that must not start.
func (s *safe) refuses(cfg keyring.Config, words ...string) {
	s.t.Helper()
	_, err := s.start(cfg)
	if err == nil {
		s.t.Errorf("a server starts without %q", words)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			s.t.Errorf("%v does not say %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "canary") {
		s.t.Errorf("%v tells a secret", err)
	}
}

func (s *safe) keeper(cfg keyring.Config) *Keeper {
	return NewKeeper(KeeperConfig{DB: s.db, Keyring: ring(s.t, cfg), App: "a"})
}

func (s *safe) rotate(cfg keyring.Config) Rotation {
	s.t.Helper()
	done, err := s.keeper(cfg).Rotate(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return done
}

func (s *safe) status(cfg keyring.Config) Status {
	s.t.Helper()
	st, err := s.keeper(cfg).Status(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return st
}

// save gives a user a credential on a server.
func (s *safe) save(v *Service, user uuid.UUID) {
	s.t.Helper()
	token := "canary-" + user.String()
	saved, err := v.save(s.t.Context(), user, "meta", "account", []byte(metaContent(token)))
	if err != nil {
		s.t.Fatal(err)
	}
	s.texts[user] = kept{saved.id, token}
}

// fill makes users with a credential each.
func (s *safe) fill(v *Service, n int) {
	s.t.Helper()
	for range n {
		s.save(v, s.user())
	}
}

func read(v *Service, user uuid.UUID, k kept) error {
	_, content, err := v.take(context.Background(), user, k.id, audit.Use{Purpose: "test"}, false)
	if err == nil && k.token != "" && !strings.Contains(string(content), `"`+k.token+`"`) {
		err = fmt.Errorf("it reads %d other bytes", len(content))
	}
	return err
}

// readable opens every user's credential on a server that has no keys in memory.
func (s *safe) readable(v *Service) {
	s.t.Helper()
	for user, k := range s.texts {
		v.keys.forget(user)
		if err := read(v, user, k); err != nil {
			s.t.Errorf("credential of %s: %v", user, err)
		}
	}
}

// perRoot counts users per root key that wraps any.
func (s *safe) perRoot() map[string]int {
	s.t.Helper()
	rows, err := s.sql.Query(context.Background(), `SELECT root_id, count(*)::int FROM vault_keys GROUP BY 1`)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	counts := map[string]int{}
	for rows.Next() {
		var id string
		var n int
		if err := rows.Scan(&id, &n); err != nil {
			s.t.Fatal(err)
		}
		counts[id] = n
	}
	return counts
}

func (s *safe) only(root string, users int) {
	s.t.Helper()
	if counts := s.perRoot(); len(counts) != 1 || counts[root] != users {
		s.t.Errorf("users per root key: %v, want %d under %s", counts, users, root)
	}
}

func TestServersThatStartTogetherAgreeOnOneRootKey(t *testing.T) {
	t.Parallel()
	for what, cfg := range map[string]keyring.Config{"salt": salts(saltOne), "file": {Sources: []string{"file:" + filepath.Join(t.TempDir(), "k.json")}}, "kms": newTransit(t).config()} {
		s := newSafe(t)
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				if v, err := s.start(cfg); err != nil {
					t.Errorf("%s: %v", what, err)
				} else if v.keys.roots.active() == nil {
					t.Errorf("%s: no active root key", what)
				}
			})
		}
		all.Wait()
		if n := value[int](s, `SELECT count(*) FROM vault_roots WHERE active_from IS NOT NULL`); n != 1 {
			t.Errorf("%s: %d root keys", what, n)
		}
		s.fill(s.server(cfg), 2)
		s.readable(s.server(cfg))
	}
}

func TestAStartWithoutANeededRootKeyIsRefused(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	s.fill(s.server(salts(saltOne)), 1)
	s.refuses(salts(saltTwo), "ENCRYPTION_KEY_SALT", "old value", "ENCRYPTION_KEY_SALT_PREVIOUS")
	path := filepath.Join(t.TempDir(), "k.json")
	file := keyring.Config{Sources: []string{"file:" + path}}
	s.refuses(file, "ENCRYPTION_KEY_SALT", "old value")
	s.readable(s.server(salts(saltTwo, saltOne)))
	if n := value[int](s, `SELECT count(*) FROM vault_roots`); n != 1 {
		t.Errorf("%d root keys: a start that is no rotation put one in", n)
	}

	// A root key that wraps anything is needed even if it is not the active one.
	file.Salt = []byte(saltOne)
	to := s.rotate(file)
	s.exec(`UPDATE vault_roots SET retired_at = NULL`)
	s.exec(`INSERT INTO vault_keys (user_id, root_id, keyset, index_key) SELECT user_no, $1, '', '' FROM users WHERE id = $2`, to.PreviousRoot, s.user())
	s.refuses(keyring.Config{Sources: file.Sources}, "ENCRYPTION_KEY_SALT", to.PreviousRoot)
	s.refuses(salts(saltOne), "VAULT_KEYRING", to.Root, "recovery keyring")

	// Another key under the right id, and a damaged check value.
	other := ring(t, salts(saltThree))
	wrong, _, err := other.Waiting(nil)
	if err != nil {
		t.Fatal(err)
	}
	bad, err := keyring.NewRoot(to.Root, keyring.FromFile, wrong.Key, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	badPath := filepath.Join(t.TempDir(), "bad.json")
	if err := keyring.CreateFile(badPath, []keyring.Root{bad}); err != nil {
		t.Fatal(err)
	}
	s.refuses(keyring.Config{Salt: []byte(saltOne), Sources: []string{"file:" + badPath}}, to.Root, "not the one")
	s.exec(`UPDATE vault_roots SET check_value = 'x' WHERE id = $1`, to.PreviousRoot)
	s.refuses(file, "check value", "vault_roots", "backup")
}

func TestAKeyServiceIsAskedAtTheStartAndForNewRootKeysOnly(t *testing.T) {
	t.Parallel()
	s, b := newSafe(t), newTransit(t)
	v := s.server(b.config())
	asked := b.count()
	s.fill(v, 3)
	s.readable(v)
	if n := b.count(); n != asked {
		t.Errorf("asked %d times for requests", n-asked)
	}
	later := s.server(b.config())
	if n := b.count(); n != asked+1 {
		t.Errorf("a start asked %d times", n-asked)
	}
	if id, by := later.keys.roots.active().ID(), value[string](s, `SELECT wrapped_by FROM vault_roots`); !strings.HasPrefix(by, "transit:http") || id == "" {
		t.Errorf("wrapped by %q", by)
	}
	b.Close()
	s.refuses(b.config(), "did not answer", later.keys.roots.active().ID())
	s.readable(later) // without it
	s.refuses(salts(saltOne), "transit:", "VAULT_KEYRING")
}

func TestDeletedUsersKeysAreGoneForGood(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	v := s.server(salts(saltOne))
	alice, bob := s.user(), s.user()
	s.save(v, alice)
	s.save(v, bob)
	secret, err := v.SealFor(t.Context(), alice, webhookPurpose, "w", []byte("canary-secret"))
	if err != nil {
		t.Fatal(err)
	}
	copied := value[string](s, `SELECT encrypted_data FROM credentials WHERE id = $1`, s.texts[alice].id)
	uid := value[uuid.UUID](s, `SELECT uid FROM credentials WHERE id = $1`, s.texts[alice].id)
	v.keys.cache = expirable.NewLRU[uuid.UUID, userKeys](2, nil, 50*time.Millisecond)
	if _, err := v.keys.of(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	no := value[int64](s, `SELECT user_no FROM users WHERE id = $1`, alice)
	s.exec(`DELETE FROM users WHERE id = $1`, alice)
	if n := value[int](s, `SELECT count(*) FROM vault_keys WHERE user_id = $1`, no); n != 0 {
		t.Error("the keys are still there")
	}
	// What was copied before opens with nobody's keys, once memory has forgotten.
	at := record{user: alice, uid: uid, service: "meta", version: 1}
	eventually(t, "memory has forgotten", func() bool {
		_, err := v.open(t.Context(), alice, at, copied)
		return err != nil
	})
	if _, err := v.OpenFor(t.Context(), alice, webhookPurpose, "w", secret); err == nil {
		t.Error("the secret opens")
	}
	keys, err := v.keys.of(t.Context(), bob)
	if err != nil {
		t.Fatal(err)
	}
	mustNotOpen(t, keys, at, copied, "with another's keys")
	// Nor when a user of the same id comes back.
	s.exec(`INSERT INTO users (id, app_id, email, password_hash) VALUES ($1, 'a', 'again@example.com', 'x')`, alice)
	if content, err := v.open(t.Context(), alice, at, copied); !errors.Is(err, errUnreadable) || content != nil {
		t.Errorf("%q, %v", content, err)
	}
}

func TestKeysInMemoryAreBounded(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	v := s.server(salts(saltOne))
	for i := range keyCacheSize + 10 {
		v.keys.cache.Add(uuid.UUID{byte(i), byte(i >> 8), byte(i >> 16)}, userKeys{})
	}
	if n := v.keys.cache.Len(); n != keyCacheSize || keyCacheTTL > 5*time.Minute {
		t.Errorf("%d users, for %s", n, keyCacheTTL)
	}
}

func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not: %s", what)
		}
	}
}

func TestATextForAPurposeOpensThereOnly(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	v := s.server(salts(saltOne))
	alice, bob := s.user(), s.user()
	sealed, err := v.SealFor(t.Context(), alice, webhookPurpose, "one", []byte("canary-secret"))
	if err != nil || strings.Contains(sealed, "canary") || !strings.HasPrefix(sealed, envelopeV1) {
		t.Fatalf("%q, %v", sealed, err)
	}
	if got, err := v.OpenFor(t.Context(), alice, webhookPurpose, "one", sealed); err != nil || string(got) != "canary-secret" {
		t.Errorf("%q, %v", got, err)
	}
	for what, try := range map[string]struct {
		user        uuid.UUID
		purpose, id string
	}{"another user": {bob, webhookPurpose, "one"}, "another id": {alice, webhookPurpose, "two"}, "no id": {alice, webhookPurpose, ""},
		"another purpose": {alice, "credential", "one"}, "shifted": {alice, webhookPurpose + "o", "ne"}} {
		if got, err := v.OpenFor(t.Context(), try.user, try.purpose, try.id, sealed); !errors.Is(err, errUnreadable) || got != nil {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
	if _, err := v.SealFor(t.Context(), alice, "diary", "one", []byte("x")); err == nil {
		t.Error("a purpose that no reseal knows")
	}
	s.exec(`UPDATE users SET status = 'suspended' WHERE id = $1`, alice)
	if _, err := v.SealFor(t.Context(), alice, webhookPurpose, "one", []byte("x")); err == nil {
		t.Error("for a suspended user")
	}
}
