package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"turkey/internal/keyring"
)

// transit plays a key service; package keyring tests how it is spoken to.
type transit struct {
	*httptest.Server
	asked atomic.Int64
}

func newTransit(t testing.TB) *transit {
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	b := &transit{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.asked.Add(1)
		var in struct {
			Plaintext      []byte `json:"plaintext"`
			Ciphertext     string `json:"ciphertext"`
			AssociatedData []byte `json:"associated_data"`
		}
		if json.NewDecoder(r.Body).Decode(&in) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		data := map[string]any{}
		if strings.Contains(r.URL.Path, "/encrypt/") {
			data["ciphertext"] = "vault:v1:" + base64.StdEncoding.EncodeToString(gcm.Seal(nil, nil, in.Plaintext, in.AssociatedData))
		} else {
			sealed, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(in.Ciphertext, "vault:v1:"))
			var plain []byte
			if err == nil {
				plain, err = gcm.Open(nil, nil, sealed, in.AssociatedData)
			}
			if err != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			data["plaintext"] = plain
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": data})
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *transit) count() int64 { return b.asked.Load() }

func (b *transit) config() keyring.Config {
	return keyring.Config{Sources: []string{"transit:" + b.URL + "/v1/transit/keys/turkey"}, Token: []byte("canary-token")}
}
