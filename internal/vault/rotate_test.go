package vault

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"turkey/internal/db"
	"turkey/internal/keyring"
	"turkey/internal/vault/vaultdb"
)

func TestARotationTakesEveryUserAlong(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	first := s.server(salts(saltOne))
	old := first.keys.roots.active().ID()
	s.fill(first, 5)
	if _, err := s.keeper(salts(saltOne)).Rotate(t.Context()); err == nil || !strings.Contains(err.Error(), "ENCRYPTION_KEY_SALT_PREVIOUS") {
		t.Errorf("there is no new key: %v", err)
	}
	if _, err := s.keeper(salts(saltTwo)).Rotate(t.Context()); err == nil || !strings.Contains(err.Error(), "old value") {
		t.Errorf("the old key is not there: %v", err)
	}

	// A server with new settings goes on with the old root key until the rotation, and follows it afterwards.
	v := s.server(salts(saltTwo, saltOne))
	s.fill(v, 1)
	s.only(old, 6)
	done := s.rotate(salts(saltTwo, saltOne))
	if done.PreviousRoot != old || done.Root == old || done.Source != keyring.FromSalt || done.Rewrapped != 6 || done.Resumed ||
		len(done.Retired) != 1 || done.Retired[0] != old || done.Users[old] != 0 || done.Users[done.Root] != 6 || done.Unreadable != nil {
		t.Errorf("%+v", done)
	}
	s.readable(v)
	s.fill(v, 1) // it still thinks that the old root key is active
	s.only(done.Root, 7)
	s.readable(s.server(salts(saltTwo)))
	s.refuses(salts(saltOne), "ENCRYPTION_KEY_SALT", done.Root)
	if _, err := s.keeper(salts(saltTwo, saltOne)).Rotate(t.Context()); err == nil || !strings.Contains(err.Error(), "ENCRYPTION_KEY_SALT") {
		t.Errorf("again without another salt: %v", err)
	}
	for _, action := range []string{"vault_root_activated", "vault_keys_rewrapped", "vault_root_retired"} {
		meta := value[string](s, `SELECT meta FROM audit WHERE app_id = 'a' AND actor = 'gravy' AND action = $1`, action)
		if !strings.Contains(meta, done.Root) && !strings.Contains(meta, old) || strings.Contains(meta, "canary") {
			t.Errorf("%s: %s", action, meta)
		}
	}
}

func TestRootKeysMoveBetweenSources(t *testing.T) {
	t.Parallel()
	s, b := newSafe(t), newTransit(t)
	path := "file:" + filepath.Join(t.TempDir(), "keyring.json")
	kms := b.config().Sources[0]
	settings := func(salt string, sources ...string) keyring.Config {
		return keyring.Config{Salt: []byte(salt), Sources: sources, Token: []byte("canary-token")}
	}
	s.fill(s.server(settings(saltOne)), 3)
	running := s.server(settings(saltOne, kms, path)) // it never starts again
	for _, step := range []struct {
		what   string
		cfg    keyring.Config
		source string
	}{
		{"salt to file", settings(saltOne, path), keyring.FromFile},
		{"file to file", settings("", path), keyring.FromFile},
		{"file to transit", settings("", kms, path), keyring.FromKMS},
		{"transit to transit", settings("", kms), keyring.FromKMS},
		{"transit to file", settings("", path, kms), keyring.FromFile},
		{"file to file, with another salt beside it", keyring.Config{Salt: []byte(saltTwo), Sources: []string{path}}, keyring.FromFile},
	} {
		done := s.rotate(step.cfg)
		if done.Source != step.source || done.Rewrapped != 3 || len(done.Retired) != 1 || done.Resumed {
			t.Errorf("%s: %+v", step.what, done)
		}
		s.only(done.Root, 3)
		s.readable(running)
		s.readable(s.server(step.cfg))
	}
	if n := value[int](s, `SELECT count(*) FROM vault_roots WHERE retired_at IS NULL`); n != 1 {
		t.Errorf("%d live root keys", n)
	}
	if n := value[int](s, `SELECT count(*) FROM vault_roots WHERE (wrapped IS NOT NULL) <> (source = 'kms')`); n != 0 {
		t.Error("wrapped is for key services")
	}
}

func TestAPreparedKeyIsTheNextOne(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	cfg := keyring.Config{Sources: []string{"file:" + filepath.Join(t.TempDir(), "keyring.json")}}
	s.fill(s.server(cfg), 2)
	before := s.perRoot()
	id, err := s.keeper(cfg).Prepare(t.Context())
	if err != nil || before[id] != 0 {
		t.Fatal(id, err)
	}
	if again, err := s.keeper(cfg).Prepare(t.Context()); err != nil || again != id {
		t.Errorf("another one: %s, %v", again, err)
	}
	if after := s.perRoot(); after[id] != 0 {
		t.Errorf("it is in use: %v", after)
	}
	s.fill(s.server(cfg), 1) // still the old one
	if done := s.rotate(cfg); done.Root != id {
		t.Errorf("%s, not %s", done.Root, id)
	}
	s.only(id, 3)
	if _, err := s.keeper(salts(saltOne)).Prepare(t.Context()); err == nil {
		t.Error("a salt is prepared")
	}
}

// TestARotationGoesOnWhereItWasCutOff at every point between two transactions.
func TestARotationGoesOnWhereItWasCutOff(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	cfg := keyring.Config{Sources: []string{"file:" + filepath.Join(t.TempDir(), "keyring.json")}}
	v := s.server(cfg)
	s.fill(v, 3)
	s.many(v, 2*rewrapBatch)
	total := len(s.users)
	for cut := 1; ; cut++ {
		ctx, cancel := context.WithCancel(t.Context())
		steps := 0
		k := NewKeeper(KeeperConfig{DB: s.db, Keyring: ring(t, cfg), App: "a", Progress: func(string, int64, int64) {
			if steps++; steps == cut {
				cancel()
			}
		}})
		_, err := k.Rotate(ctx)
		cancel()
		if err == nil {
			if cut < 4 {
				t.Errorf("it was never cut off: %d", cut)
			}
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		s.readable(v)
		s.fill(v, 1)
		total++
		resumed := s.rotate(cfg)
		if !resumed.Resumed || resumed.PreviousRoot != "" || len(resumed.Retired) != 1 {
			t.Errorf("cut off at %d: %+v", cut, resumed)
		}
		s.only(resumed.Root, total)
	}
	s.readable(v)
	s.readable(s.server(cfg))
}

func TestRotationsAndNewUsersAtOnce(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	cfg := keyring.Config{Sources: []string{"file:" + filepath.Join(t.TempDir(), "keyring.json")}}
	v, w := s.server(cfg), s.server(cfg)
	s.fill(v, 20)
	_, _, stop := s.readers(v, 1)
	var newcomers []uuid.UUID
	for range 60 {
		newcomers = append(newcomers, s.user())
	}
	var all sync.WaitGroup
	all.Go(func() {
		for i, user := range newcomers {
			server := []*Service{v, w}[i%2]
			if _, err := server.save(t.Context(), user, "meta", "account", []byte(metaContent("canary-"+user.String()))); err != nil {
				t.Errorf("a new user cannot save: %v", err)
			}
		}
	})
	for range 2 {
		k := s.keeper(cfg)
		all.Go(func() {
			for range 5 {
				if _, err := k.Rotate(t.Context()); err != nil && !errors.Is(err, errRootChanged) && !errors.Is(err, errRootUnknown) {
					t.Errorf("%v", err)
				}
			}
		})
	}
	all.Wait()
	stop()
	done := s.rotate(cfg)
	s.only(done.Root, 80)
	for _, user := range newcomers {
		id := value[int64](s, `SELECT c.id FROM credentials c JOIN users u ON u.user_no = c.user_id WHERE u.id = $1`, user)
		s.texts[user] = kept{id, "canary-" + user.String()}
	}
	s.readable(v)
	s.readable(s.server(cfg))
	if n := value[int](s, `SELECT count(*) FROM vault_roots WHERE retired_at IS NULL`); n != 1 {
		t.Errorf("%d live root keys", n)
	}
}

// TestARootKeyIsNotRetiredUnderAWriter: a row that was begun under the old root key and is not yet to be seen keeps it alive.
func TestARootKeyIsNotRetiredUnderAWriter(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	v := s.server(salts(saltOne))
	s.fill(v, 1)
	late := s.user()
	old := v.keys.roots.active()
	tx, err := s.db.Pool().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), `SELECT set_config('role', 'turkey_app', true), set_config('app.current_user_id', public.active_user_no($1)::text, true)`, late); err != nil {
		t.Fatal(err)
	}
	row, _ := wrapped(t, old, late)
	if err := vaultdb.New().CreateUserKeys(t.Context(), tx, vaultdb.CreateUserKeysParams{RootID: old.ID(), KeyID: 1, Keyset: row.Keyset, IndexKey: row.IndexKey}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan Rotation)
	k := s.keeper(salts(saltTwo, saltOne))
	go func() {
		done, err := k.Rotate(context.Background())
		if err != nil {
			t.Error(err)
		}
		ended <- done
	}()
	eventually(t, "the rotation waits for the writer", func() bool {
		select {
		case done := <-ended:
			t.Fatalf("it did not wait: %+v", done)
		default:
		}
		return value[int](s, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%LockOldRootsSystem%'`) == 1
	})
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	done := <-ended
	if len(done.Retired) != 0 || done.Users[old.ID()] != 1 {
		t.Errorf("%+v", done)
	}
	if resumed := s.rotate(salts(saltTwo, saltOne)); !resumed.Resumed || resumed.Rewrapped != 1 || len(resumed.Retired) != 1 {
		t.Errorf("%+v", resumed)
	}
	// Nothing is written under it from now on.
	if err := s.server(salts(saltTwo, saltOne)).keys.create(t.Context(), s.db.In(db.User(s.user())), s.users[2], old); err != nil {
		t.Error(err)
	}
	s.only(done.Root, 2)
}

func TestKeysThatDoNotOpenHoldNobodyUp(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	v := s.server(salts(saltOne))
	s.fill(v, 4)
	broken := s.users[1]
	s.exec(`UPDATE vault_keys SET keyset = 'x' WHERE user_id = (SELECT user_no FROM users WHERE id = $1)`, broken)
	done, err := s.keeper(salts(saltTwo, saltOne)).Rotate(t.Context())
	if err == nil || !strings.Contains(err.Error(), "1 users") || len(done.Unreadable) != 1 || done.Unreadable[0] != broken || done.Rewrapped != 3 || len(done.Retired) != 0 {
		t.Errorf("%+v, %v", done, err)
	}
	delete(s.texts, broken)
	s.readable(s.server(salts(saltTwo, saltOne)))
	s.refuses(salts(saltTwo), "ENCRYPTION_KEY_SALT")
	s.exec(`DELETE FROM users WHERE id = $1`, broken)
	if done := s.rotate(salts(saltTwo, saltOne)); !done.Resumed || len(done.Retired) != 1 {
		t.Errorf("%+v", done)
	}
	s.readable(s.server(salts(saltTwo)))
}

// TestAnUnknownRootKeyIsLookedForOnce: a server without the new key answers errors, and does not ask the database about it at
// each request.
func TestAnUnknownRootKeyIsLookedForOnce(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	v := s.server(salts(saltOne))
	s.fill(v, 1)
	done := s.rotate(salts(saltTwo, saltOne))
	v.keys.forget(s.users[0])
	for range 3 {
		if err := read(v, s.users[0], s.texts[s.users[0]]); !errors.Is(err, errNoRoot) {
			t.Fatal(err)
		}
	}
	tried := v.keys.roots.tried[done.Root]
	if err := read(v, s.users[0], s.texts[s.users[0]]); !errors.Is(err, errNoRoot) || tried.IsZero() || v.keys.roots.tried[done.Root] != tried {
		t.Errorf("%v: looked for at %v and %v", err, tried, v.keys.roots.tried[done.Root])
	}
	if n := value[int](s, `SELECT count(*) FROM credentials WHERE health = 'broken'`); n != 0 {
		t.Error("the credential is called broken for what the server lacks")
	}
}
