//go:build gcpkms

package keyring_test

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"turkey/internal/keyring"
)

const googleKey = "projects/p/locations/europe/keyRings/turkey/cryptoKeys/root"

// google plays Cloud KMS and the metadata server.
type google struct {
	*httptest.Server
	gcm     cipher.AEAD
	damaged bool // checksums of answers are wrong
	blind   bool // what was sent was not verified
}

func newGoogle(t *testing.T) *google {
	block, err := aes.NewCipher(make([]byte, 32))
	must(t, err)
	g := &google{}
	g.gcm, err = cipher.NewGCMWithRandomNonce(block)
	must(t, err)
	g.Server = httptest.NewServer(http.HandlerFunc(g.serve))
	t.Cleanup(g.Close)
	return g
}

func crc(b []byte) string {
	return strconv.FormatInt(int64(crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))), 10)
}

func (g *google) serve(w http.ResponseWriter, r *http.Request) {
	refuse := func(code int, status, text string) {
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": code, "status": status, "message": text}})
	}
	if strings.HasPrefix(r.URL.Path, "/computeMetadata/") {
		if r.Header.Get("Metadata-Flavor") != "Google" {
			refuse(403, "", "")
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "canary-google-token", "expires_in": 3599})
		return
	}
	if r.Header.Get("Authorization") != "Bearer canary-google-token" {
		refuse(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
		return
	}
	var in struct {
		Plaintext, Ciphertext             []byte
		AdditionalAuthenticatedData       []byte
		PlaintextCrc32c, CiphertextCrc32c string
		AADCrc                            string `json:"additionalAuthenticatedDataCrc32c"`
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil || len(in.AdditionalAuthenticatedData) == 0 || in.AADCrc != crc(in.AdditionalAuthenticatedData) {
		refuse(400, "INVALID_ARGUMENT", "the checksum of additionalAuthenticatedData is wrong")
		return
	}
	out := map[string]any{}
	switch r.URL.Path {
	case "/v1/" + googleKey + ":encrypt":
		if in.PlaintextCrc32c != crc(in.Plaintext) {
			refuse(400, "INVALID_ARGUMENT", "the checksum of plaintext is wrong")
			return
		}
		sealed := g.gcm.Seal(nil, nil, in.Plaintext, in.AdditionalAuthenticatedData)
		out["ciphertext"], out["ciphertextCrc32c"] = sealed, crc(sealed)
		out["verifiedPlaintextCrc32c"], out["verifiedAdditionalAuthenticatedDataCrc32c"] = !g.blind, !g.blind
		if g.damaged {
			out["ciphertextCrc32c"] = "1"
		}
	case "/v1/" + googleKey + ":decrypt":
		plain, err := g.gcm.Open(nil, nil, in.Ciphertext, in.AdditionalAuthenticatedData)
		if err != nil || in.CiphertextCrc32c != crc(in.Ciphertext) {
			refuse(400, "INVALID_ARGUMENT", "Decryption failed: the ciphertext is invalid.")
			return
		}
		out["plaintext"], out["plaintextCrc32c"] = plain, crc(plain)
		if g.damaged {
			out["plaintextCrc32c"] = "1"
		}
	default:
		refuse(404, "NOT_FOUND", "CryptoKey not found.")
		return
	}
	_ = json.NewEncoder(w).Encode(out)
}

func googleConfig(env map[string]string) keyring.Config {
	return keyring.Config{Sources: []string{"gcpkms:" + googleKey}, Getenv: func(name string) string { return env[name] }}
}

func TestGoogleWrapsRootKeys(t *testing.T) {
	t.Parallel()
	g := newGoogle(t)
	env := map[string]string{"CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS": g.URL + "/", "GOOGLE_ACCESS_TOKEN": "canary-google-token"}
	made := testService(t, googleConfig(env))
	delete(env, "GOOGLE_ACCESS_TOKEN")
	env["GCE_METADATA_HOST"] = strings.TrimPrefix(g.URL, "http://")
	testService(t, googleConfig(env))

	expect := func(words string) {
		t.Helper()
		k := open(t, googleConfig(env))
		_, err := k.Make(t.Context())
		if err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%v does not say %q", err, words)
		}
	}
	g.damaged = true
	expect("damaged on the way")
	if _, err := open(t, googleConfig(env)).Unwrap(t.Context(), made.ID, made.Wrapped, made.WrappedBy); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("%v", err)
	}
	g.damaged, g.blind = false, true
	expect("damaged on the way")
	g.blind = false
	env["GOOGLE_ACCESS_TOKEN"] = "canary-other"
	expect("refused (401): UNAUTHENTICATED")
	cfg := googleConfig(env)
	cfg.Sources[0] = "gcpkms:projects/p"
	refused(t, cfg, "VAULT_KEYRING", "cryptoKeys")
}
