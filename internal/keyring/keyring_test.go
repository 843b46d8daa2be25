package keyring_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"turkey/internal/keyring"
	"turkey/internal/seal"
)

const oldSalt, newSalt = "an old secret of the operator", "a new secret of the operator"

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, cfg keyring.Config) *keyring.Keyring {
	t.Helper()
	k, err := keyring.Open(cfg)
	must(t, err)
	return k
}

// refused opens a keyring that must not open, and looks at why.
func refused(t testing.TB, cfg keyring.Config, words ...string) {
	t.Helper()
	_, err := keyring.Open(cfg)
	if err == nil {
		t.Fatalf("%q opens", cfg.Sources)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q: %v does not say %q", cfg.Sources, err, w)
		}
	}
}

func known(t testing.TB, k *keyring.Keyring) map[string]keyring.Root {
	t.Helper()
	roots, err := k.Known()
	must(t, err)
	return roots
}

func TestASaltsRootKeyIsTheOneOfAlways(t *testing.T) {
	t.Parallel()
	k := open(t, keyring.Config{Salt: []byte(newSalt), PreviousSalt: []byte(oldSalt)})
	want, err := seal.New([]byte(newSalt), "vault-root")
	must(t, err)
	older, err := seal.New([]byte(oldSalt), "vault-root")
	must(t, err)
	roots := known(t, k)
	if len(roots) != 2 || roots[want.ID()].Source != keyring.FromSalt || roots[older.ID()].Source != keyring.FromSalt {
		t.Fatalf("%v", roots)
	}
	sealed, err := older.Encrypt([]byte("text"), nil)
	must(t, err)
	if got, err := roots[older.ID()].Box.Decrypt(sealed, nil); err != nil || string(got) != "text" {
		t.Errorf("%q, %v", got, err)
	}
	next, waiting, err := k.Waiting(map[string]bool{older.ID(): true})
	if err != nil || !waiting || next.ID != want.ID() {
		t.Errorf("%s waits: %v, %v", next.ID, waiting, err)
	}
	if _, waiting, err := k.Waiting(map[string]bool{older.ID(): true, want.ID(): true}); err != nil || waiting {
		t.Errorf("a used salt waits: %v", err)
	}
	if _, err := k.Make(t.Context()); err == nil || !strings.Contains(err.Error(), "ENCRYPTION_KEY_SALT_PREVIOUS") || strings.Contains(err.Error(), newSalt) {
		t.Errorf("%v", err)
	}
}

func TestWhatIsNoKeyring(t *testing.T) {
	t.Parallel()
	refused(t, keyring.Config{}, "ENCRYPTION_KEY_SALT", "VAULT_KEYRING")
	refused(t, keyring.Config{PreviousSalt: []byte(oldSalt)}, "ENCRYPTION_KEY_SALT")
	for source, word := range map[string]string{"": "expected", "file": "expected", "file:": "expected", "vault:https://x": "no kind of keyring",
		"transit:https://bao:8200/v1/transit/keys/k": "VAULT_KMS_TOKEN", "transit:bao:8200/v1/transit/keys/k": "https://"} {
		refused(t, keyring.Config{Salt: []byte(newSalt), Sources: []string{source}}, "VAULT_KEYRING", word)
	}
	for _, address := range []string{"https://bao:8200/v1/transit/encrypt/k", "https://bao:8200/v1/transit/keys/", "https://bao:8200/v1/transit/keys/a/b",
		"https://bao:8200/transit/keys/k", "http://bao:8200/v1/transit/keys/k", "https://user:pass@bao/v1/transit/keys/k", "https://bao/v1/transit/keys/k?x=1",
		"ftp://localhost/v1/transit/keys/k", "http://localhost.example.com/v1/transit/keys/k"} {
		refused(t, keyring.Config{Sources: []string{"transit:" + address}, Token: []byte("canary-token")}, "VAULT_KEYRING")
	}
}

func TestAFileIsMadeWhenTheFirstKeyIs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyring.json")
	cfg := keyring.Config{Sources: []string{"file:" + path}}
	k := open(t, cfg)
	if _, waiting, err := k.Waiting(nil); err != nil || waiting || len(known(t, k)) != 0 {
		t.Fatalf("a file that is not there has keys: %v", err)
	}
	first, err := k.Make(t.Context())
	must(t, err)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	var content struct {
		Keys []struct {
			ID        string    `json:"id"`
			Key       []byte    `json:"key"`
			CreatedAt time.Time `json:"createdAt"`
		} `json:"keys"`
	}
	raw, err := os.ReadFile(path)
	must(t, err)
	must(t, json.Unmarshal(raw, &content))
	if len(content.Keys) != 1 || content.Keys[0].ID != first.ID || len(content.Keys[0].Key) != 32 || time.Since(content.Keys[0].CreatedAt) > time.Minute {
		t.Errorf("%d keys", len(content.Keys))
	}
	// The next process reads the same key, and the one made last is the one that waits.
	other := open(t, cfg)
	if got := known(t, other)[first.ID]; !bytes.Equal(got.Key, first.Key) || got.Source != keyring.FromFile {
		t.Errorf("%s", got.ID)
	}
	if got, waiting, err := other.Waiting(nil); err != nil || !waiting || got.ID != first.ID {
		t.Errorf("%s waits: %v", got.ID, err)
	}
	second, err := k.Make(t.Context())
	must(t, err)
	if got, waiting, err := other.Waiting(map[string]bool{first.ID: true}); err != nil || !waiting || got.ID != second.ID {
		t.Errorf("%s waits: %v", got.ID, err)
	}
	if got, waiting, err := other.Waiting(nil); err != nil || !waiting || got.ID != second.ID {
		t.Errorf("%s waits of two", got.ID)
	}
	if _, waiting, err := other.Waiting(map[string]bool{first.ID: true, second.ID: true}); err != nil || waiting {
		t.Errorf("used keys wait: %v", err)
	}
}

func TestProcessesThatAddKeysAtOnceLoseNone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyring.json")
	var made sync.Map
	var all sync.WaitGroup
	for range 20 {
		k := open(t, keyring.Config{Sources: []string{"file:" + path}})
		all.Go(func() {
			root, err := k.Make(t.Context())
			if err != nil {
				t.Error(err)
			}
			made.Store(root.ID, true)
		})
	}
	all.Wait()
	roots := known(t, open(t, keyring.Config{Sources: []string{"file:" + path}}))
	if len(roots) != 20 {
		t.Errorf("%d keys", len(roots))
	}
	for id := range roots {
		if _, ok := made.Load(id); !ok {
			t.Errorf("%s was not made", id)
		}
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".keyring*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	const key = "Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5LWNhbmE="
	genuine := `{"keys":[{"id":"k1","key":"` + key + `","createdAt":"2026-01-02T03:04:05Z"}]}`
	write := func(content string, mode os.FileMode) string {
		path := filepath.Join(t.TempDir(), "keyring.json")
		must(t, os.WriteFile(path, []byte(content), 0o600))
		must(t, os.Chmod(path, mode))
		return path
	}
	for _, mode := range []os.FileMode{0o600, 0o400} {
		if roots := known(t, open(t, keyring.Config{Sources: []string{"file:" + write(genuine, mode)}})); len(roots) != 1 {
			t.Errorf("mode %o: %d keys", mode, len(roots))
		}
	}
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o660, 0o666, 0o601, 0o610} {
		refused(t, keyring.Config{Sources: []string{"file:" + write(genuine, mode)}}, "VAULT_KEYRING", "may be read by others", "chmod 600")
	}
	refused(t, keyring.Config{Sources: []string{"file:" + t.TempDir()}}, "VAULT_KEYRING")
	for what, content := range map[string]string{"nothing": "", "no JSON": key, "no keys": `{"keys":[]}`, "another form": `["` + key + `"]`, "a short key": `{"keys":[{"id":"k1","key":"Y2FuYXJ5"}]}`,
		"a key that is no base64": `{"keys":[{"id":"k1","key":"!canary"}]}`, "no id": `{"keys":[{"key":"` + key + `"}]}`, "an id of two lines": `{"keys":[{"id":"a\nb","key":"` + key + `"}]}`,
		"one id twice": `{"keys":[{"id":"k1","key":"` + key + `"},{"id":"k1","key":"` + key + `"}]}`, "a long id": `{"keys":[{"id":"` + strings.Repeat("x", 51) + `","key":"` + key + `"}]}`} {
		_, err := keyring.Open(keyring.Config{Sources: []string{"file:" + write(content, 0o600)}})
		if err == nil || strings.Contains(err.Error(), "Y2Fu") || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", what, err)
		}
	}
	// A file that becomes readable while the server runs is not read again.
	path := write(genuine, 0o600)
	k := open(t, keyring.Config{Sources: []string{"file:" + path}})
	must(t, os.Chmod(path, 0o644))
	if _, err := k.Known(); err == nil {
		t.Error("it is read again")
	}
}

func TestANewFileReplacesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyring.json")
	k := open(t, keyring.Config{Salt: []byte(oldSalt)})
	root, _, err := k.Waiting(nil)
	must(t, err)
	root.CreatedAt = time.Now()
	must(t, keyring.CreateFile(path, []keyring.Root{root}))
	if got := known(t, open(t, keyring.Config{Sources: []string{"file:" + path}}))[root.ID]; !bytes.Equal(got.Key, root.Key) {
		t.Error("another key")
	}
	if err := keyring.CreateFile(path, []keyring.Root{root}); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("%v", err)
	}
}

func FuzzFile(f *testing.F) {
	f.Add(`{"keys":[{"id":"k1","key":"Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5LWNhbmE=","createdAt":"2026-01-02T03:04:05Z"}]}`)
	f.Add(`{"keys":[{}]}`)
	f.Add("")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content string) {
		path := filepath.Join(dir, "keyring.json")
		must(t, os.WriteFile(path, []byte(content), 0o600))
		k, err := keyring.Open(keyring.Config{Sources: []string{"file:" + path}})
		if err != nil {
			return
		}
		for id, root := range known(t, k) {
			if id == "" || len(root.Key) != seal.KeySize || root.Box.ID() != id {
				t.Errorf("%q is a key", id)
			}
		}
	})
}
