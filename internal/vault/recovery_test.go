package vault

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/google/uuid"

	"turkey/internal/keyring"
)

func identity(t testing.TB) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func opened(t testing.TB, id *age.X25519Identity, bundle []byte) Bundle {
	t.Helper()
	b, err := OpenBundle(strings.NewReader("# a comment\n"+id.String()+"\n"), bytes.NewReader(bundle))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestABundleSurvivesTheLossOfTheSalt: what was saved under a salt opens in a server that has only what the bundle holds.
func TestABundleSurvivesTheLossOfTheSalt(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	s.fill(s.server(salts(saltOne)), 3)
	me := identity(t)
	if st := s.status(salts(saltOne)); st.Recoverable || st.Roots[0].BundledAt != nil {
		t.Errorf("%+v", st)
	}
	bundle, ids, err := s.keeper(salts(saltOne)).CreateBundle(t.Context(), []string{me.Recipient().String()})
	if err != nil || len(ids) != 1 || !bytes.HasPrefix(bundle, []byte("-----BEGIN AGE ENCRYPTED FILE-----")) || bytes.Contains(bundle, []byte("canary")) {
		t.Fatalf("%v, %v", ids, err)
	}
	if st := s.status(salts(saltOne)); !st.Recoverable || st.Roots[0].BundledAt == nil {
		t.Errorf("%+v", st)
	}
	b := opened(t, me, bundle)
	for _, all := range []bool{false, true} {
		result, err := NewKeeper(KeeperConfig{DB: s.db, App: "a"}).TestBundle(t.Context(), b, all)
		if err != nil || result.UsersChecked != 3 || result.CredentialsRead != 3 || result.LostUsers != 0 || len(result.Roots) != 1 || !result.Roots[0].Opens {
			t.Errorf("%+v, %v", result, err)
		}
	}
	keys, err := b.Keys()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "recovered.json")
	if err := keyring.CreateFile(path, keys); err != nil {
		t.Fatal(err)
	}
	file := keyring.Config{Sources: []string{"file:" + path}}
	v := s.server(file)
	s.readable(v)
	s.fill(v, 1)
	if done := s.rotate(file); done.Source != keyring.FromFile || done.Rewrapped != 4 || len(done.Retired) != 1 {
		t.Errorf("%+v", done)
	}
	s.readable(v)
	for action, word := range map[string]string{"vault_recovery_created": ids[0], "vault_recovery_tested": `"users": 3`} {
		meta := value[string](s, `SELECT meta::jsonb::text FROM audit WHERE action = $1 AND actor = 'gravy' LIMIT 1`, action)
		if !strings.Contains(meta, word) || strings.Contains(meta, "AGE-SECRET") {
			t.Errorf("%s: %s", action, meta)
		}
	}
}

func TestABundleTestSaysWhatWouldBeLost(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	v := s.server(salts(saltOne))
	s.fill(v, recoverySample+5)
	me, other := identity(t), identity(t)
	old, _, err := s.keeper(salts(saltOne)).CreateBundle(t.Context(), []string{me.Recipient().String(), other.Recipient().String()})
	if err != nil {
		t.Fatal(err)
	}
	opened(t, other, old)
	k := NewKeeper(KeeperConfig{DB: s.db, App: "a"})
	if result, err := k.TestBundle(t.Context(), opened(t, me, old), false); err != nil || result.UsersChecked != recoverySample {
		t.Errorf("%+v, %v", result, err)
	}
	if result, err := k.TestBundle(t.Context(), opened(t, me, old), true); err != nil || result.UsersChecked != recoverySample+5 {
		t.Errorf("%+v, %v", result, err)
	}
	// One user's credential and another one's keys do not open.
	broken := []uuid.UUID{s.users[2], s.users[4]}
	s.exec(`UPDATE credentials SET encrypted_data = left(encrypted_data, -4) || 'AAAA' WHERE id = $1`, s.texts[broken[0]].id)
	s.exec(`UPDATE vault_keys SET index_key = 'x' WHERE user_id = (SELECT user_no FROM users WHERE id = $1)`, broken[1])
	result, err := k.TestBundle(t.Context(), opened(t, me, old), true)
	if err == nil || result.LostUsers != 2 || len(result.Unreadable) != 2 || !slices.Contains(result.Unreadable, broken[0]) || !slices.Contains(result.Unreadable, broken[1]) {
		t.Errorf("%+v, %v", result, err)
	}
	s.exec(`DELETE FROM users WHERE id = ANY ($1)`, broken)

	done := s.rotate(salts(saltTwo, saltOne))
	result, err = k.TestBundle(t.Context(), opened(t, me, old), true)
	if err == nil || !strings.Contains(err.Error(), "make a new one") || result.LostUsers != recoverySample+3 || len(result.Roots) != 1 || result.Roots[0].ID != done.Root || result.Roots[0].Opens {
		t.Errorf("%+v, %v", result, err)
	}
	if st := s.status(salts(saltTwo)); st.Recoverable {
		t.Errorf("%+v", st)
	}
}

func TestBundlesThatDoNotOpen(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	s.server(salts(saltOne))
	me := identity(t)
	for _, recipient := range []string{"", "age1", "ada@example.com", me.String()} {
		if _, _, err := s.keeper(salts(saltOne)).CreateBundle(t.Context(), []string{recipient}); err == nil || !strings.Contains(err.Error(), "age public key") || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%q: %v", recipient, err)
		}
	}
	bundle, _, err := s.keeper(salts(saltOne)).CreateBundle(t.Context(), []string{me.Recipient().String()})
	if err != nil {
		t.Fatal(err)
	}
	for what, try := range map[string]struct{ identity, bundle, words string }{
		"another identity":   {identity(t).String(), string(bundle), "somebody else"},
		"no identity":        {"", string(bundle), "no age identity"},
		"a wrong identity":   {"AGE-SECRET-KEY-1canary", string(bundle), "no age identity"},
		"half a bundle":      {me.String(), string(bundle[:len(bundle)/2]), "recovery bundle"},
		"something else":     {me.String(), "hello", "does not open"},
		"a changed bundle":   {me.String(), strings.Replace(string(bundle), "A", "B", 3), ""},
		"nothing":            {me.String(), "", "does not open"},
		"not about our keys": {me.String(), string(must1(Bundle{Version: 1}.seal([]age.Recipient{me.Recipient()}))(t)), "damaged"},
		"a later version":    {me.String(), string(must1(Bundle{Version: 2, Roots: make([]BundledRoot, 1)}.seal([]age.Recipient{me.Recipient()}))(t)), "version 2"},
	} {
		if _, err := OpenBundle(strings.NewReader(try.identity), strings.NewReader(try.bundle)); err == nil || !strings.Contains(err.Error(), try.words) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", what, err)
		}
	}
	b := opened(t, me, bundle)
	b.Roots[0].Key[3] ^= 1
	if _, err := b.Keys(); err == nil {
		t.Error("a wrong key passes its check")
	}
}
