package keyring_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"turkey/internal/keyring"
)

// bao plays the transit engine: one key with versions, AES-GCM, associated data.
type bao struct {
	*httptest.Server
	mu       sync.Mutex
	versions []cipher.AEAD
	asked    int
	denied   bool // decryption
	wrong    bool // gives another plaintext back
}

const baoToken, baoNamespace = "canary-bao-token", "team"

func newBao(t testing.TB) *bao {
	b := &bao{}
	b.rotate(t)
	b.Server = httptest.NewServer(http.HandlerFunc(b.serve))
	t.Cleanup(b.Close)
	return b
}

// rotate makes another version of the key.
func (b *bao) rotate(t testing.TB) {
	key := bytes.Repeat([]byte{byte(len(b.versions) + 1)}, 32)
	block, err := aes.NewCipher(key)
	must(t, err)
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	must(t, err)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.versions = append(b.versions, gcm)
}

func (b *bao) serve(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	fail := func(status int, text string) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"errors":[%q]}`, text)
	}
	if r.Header.Get("X-Vault-Token") != baoToken || r.Header.Get("X-Vault-Namespace") != baoNamespace {
		fail(403, "permission denied")
		return
	}
	var in struct {
		Plaintext, Ciphertext string
		AssociatedData        string `json:"associated_data"`
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil || r.Method != http.MethodPost {
		fail(400, "bad request")
		return
	}
	aad, err := base64.StdEncoding.DecodeString(in.AssociatedData)
	if err != nil || len(aad) == 0 {
		fail(400, "no associated data")
		return
	}
	data := map[string]any{}
	switch r.URL.Path {
	case "/v1/transit/encrypt/turkey":
		plain, err := base64.StdEncoding.DecodeString(in.Plaintext)
		if err != nil {
			fail(400, "plaintext is not base64")
			return
		}
		n := len(b.versions)
		data["ciphertext"] = fmt.Sprintf("vault:v%d:%s", n, base64.StdEncoding.EncodeToString(b.versions[n-1].Seal(nil, nil, plain, aad)))
	case "/v1/transit/decrypt/turkey":
		parts := strings.SplitN(in.Ciphertext, ":", 3)
		n := 0
		if len(parts) == 3 {
			n, _ = strconv.Atoi(strings.TrimPrefix(parts[1], "v")) // 0 is no version
		}
		if b.denied || n < 1 || n > len(b.versions) {
			fail(403, "1 error occurred:\n\t* permission denied\n")
			return
		}
		sealed, err := base64.StdEncoding.DecodeString(parts[2])
		var plain []byte
		if err == nil {
			plain, err = b.versions[n-1].Open(nil, nil, sealed, aad)
		}
		if err != nil {
			fail(400, "cipher: message authentication failed")
			return
		}
		if b.wrong {
			plain = bytes.Repeat([]byte("x"), 32)
		}
		data["plaintext"] = base64.StdEncoding.EncodeToString(plain)
	default:
		fail(404, "no handler for route")
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"data": data})
}

func (b *bao) config() keyring.Config {
	return keyring.Config{Sources: []string{"transit:" + b.URL + "/v1/transit/keys/turkey"}, Token: []byte(baoToken), Namespace: baoNamespace}
}

// testService plays what every key service must do.
func testService(t *testing.T, cfg keyring.Config) keyring.Root {
	t.Helper()
	k := open(t, cfg)
	if _, waiting, err := k.Waiting(nil); err != nil || waiting {
		t.Errorf("a key waits: %v", err)
	}
	made, err := k.Make(t.Context())
	must(t, err)
	if made.Source != keyring.FromKMS || made.WrappedBy != cfg.Sources[0] || k.Describe() != cfg.Sources[0] || len(made.Wrapped) == 0 || bytes.Contains(made.Wrapped, made.Key) {
		t.Errorf("%s by %s", made.ID, made.WrappedBy)
	}
	other := open(t, cfg)
	got, err := other.Unwrap(t.Context(), made.ID, made.Wrapped, made.WrappedBy)
	if err != nil || !bytes.Equal(got.Key, made.Key) || got.ID != made.ID || got.Box.ID() != made.ID {
		t.Errorf("%v", err)
	}
	if _, err := other.Unwrap(t.Context(), "another-id", made.Wrapped, made.WrappedBy); err == nil {
		t.Error("it opens under another id")
	}
	if _, err := other.Unwrap(t.Context(), made.ID, append(bytes.Clone(made.Wrapped), 'A'), made.WrappedBy); err == nil {
		t.Error("it opens when it was changed")
	}
	next, err := k.Make(t.Context())
	if err != nil || next.ID == made.ID || bytes.Equal(next.Key, made.Key) {
		t.Errorf("the same key again: %v", err)
	}
	return made
}

func TestTransitWrapsRootKeys(t *testing.T) {
	t.Parallel()
	b := newBao(t)
	made := testService(t, b.config())
	if !strings.HasPrefix(string(made.Wrapped), "vault:v1:") {
		t.Errorf("%s", made.Wrapped)
	}
	// A new version of the key wraps new root keys, and the old one still unwraps.
	b.rotate(t)
	k := open(t, b.config())
	if got, err := k.Unwrap(t.Context(), made.ID, made.Wrapped, made.WrappedBy); err != nil || !bytes.Equal(got.Key, made.Key) {
		t.Errorf("%v", err)
	}
	next, err := k.Make(t.Context())
	if err != nil || !strings.HasPrefix(string(next.Wrapped), "vault:v2:") {
		t.Errorf("%s, %v", next.Wrapped, err)
	}
	// Known asks nobody.
	before := b.asked
	if len(known(t, k)) != 0 || b.asked != before {
		t.Error("the key service was asked")
	}
}

func TestTransitMayMove(t *testing.T) {
	t.Parallel()
	b := newBao(t)
	made, err := open(t, b.config()).Make(t.Context())
	must(t, err)
	cfg := b.config()
	cfg.Sources[0] = strings.Replace(cfg.Sources[0], "127.0.0.1", "localhost", 1)
	if _, err := open(t, cfg).Unwrap(t.Context(), made.ID, made.Wrapped, made.WrappedBy); err != nil {
		t.Error(err)
	}
	if _, err := open(t, keyring.Config{Salt: []byte(newSalt)}).Unwrap(t.Context(), made.ID, made.Wrapped, made.WrappedBy); err == nil || !strings.Contains(err.Error(), made.WrappedBy) {
		t.Errorf("%v", err)
	}
}

func TestTransitThatRefusesOrIsAway(t *testing.T) {
	t.Parallel()
	b := newBao(t)
	made, err := open(t, b.config()).Make(t.Context())
	must(t, err)
	expect := func(cfg keyring.Config, words string) {
		t.Helper()
		k := open(t, cfg)
		_, makeErr := k.Make(t.Context())
		_, err := k.Unwrap(t.Context(), made.ID, made.Wrapped, made.WrappedBy)
		for _, err := range []error{makeErr, err} {
			if err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), string(made.Wrapped)) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v does not say %q", err, words)
			}
		}
	}
	cfg := b.config()
	cfg.Token = []byte("canary-other")
	expect(cfg, "refused (403): permission denied")
	cfg = b.config()
	cfg.Namespace = ""
	expect(cfg, "refused (403)")
	cfg = b.config()
	cfg.Sources = []string{strings.Replace(cfg.Sources[0], "/turkey", "/other", 1)}
	expect(cfg, "refused (404): no handler")

	// The right to wrap without the right to unwrap would be a trap, and so would be a service that forgets.
	b.denied = true
	expect(b.config(), "refused (403): 1 error occurred: * permission denied")
	b.denied, b.wrong = false, true
	if _, err := open(t, b.config()).Make(t.Context()); err == nil || !strings.Contains(err.Error(), "does not give back") {
		t.Errorf("%v", err)
	}

	elsewhere := httptest.NewServer(http.RedirectHandler(b.URL+"/v1/transit/encrypt/turkey", http.StatusTemporaryRedirect))
	defer elsewhere.Close()
	cfg = b.config()
	cfg.Sources = []string{"transit:" + elsewhere.URL + "/v1/transit/keys/turkey"}
	expect(cfg, "refused (307)")
	b.Close()
	expect(b.config(), "did not answer")
}
