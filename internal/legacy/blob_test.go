package legacy

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

//go:embed testdata/vectors.json
var vectorsJSON []byte

// vector is one of the recorded ones of the contract (legacy-import.md §3.4).
type vector struct {
	User      int64  `json:"user"`
	Salt      string `json:"salt"`
	Key       string `json:"key"`
	Plaintext string `json:"plaintext"`
	SHA256    string `json:"sha256"`
	Blob      string `json:"blob"`
}

func vectors(t testing.TB) []vector {
	t.Helper()
	var all []vector
	if err := json.Unmarshal(vectorsJSON, &all); err != nil || len(all) != 3 {
		t.Fatal(len(all), err)
	}
	return all
}

func TestRecordedVectors(t *testing.T) {
	t.Parallel()
	for i, v := range vectors(t) {
		key, err := deriveKey(v.User, v.Salt)
		if err != nil || hex.EncodeToString(key) != v.Key {
			t.Fatalf("V%d: key %x, %v", i+1, key, err)
		}
		sum := sha256.Sum256([]byte(v.Plaintext))
		if hex.EncodeToString(sum[:]) != v.SHA256 {
			t.Fatalf("V%d: the plaintext was copied wrongly", i+1)
		}
		salts := []string{"another salt", v.Salt, v.Salt}
		plain, salt, err := newOpener(v.User, salts).open(v.Blob)
		if err != nil || string(plain) != v.Plaintext || salt != 1 {
			t.Errorf("V%d: %q by salt %d, %v", i+1, plain, salt, err)
		}
		if again := encrypt(t, v.Blob, key, v.Plaintext); again != v.Blob {
			t.Errorf("V%d encrypts to\n%s\nnot\n%s", i+1, again, v.Blob)
		}
	}
}

// encrypt is what the source did, with the IV of a given blob.
func encrypt(t testing.TB, like string, key []byte, plain string) string {
	t.Helper()
	b, err := parseBlob(like)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := blobCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	sealed := aead.Seal(nil, b.iv, []byte(plain), nil)
	at := len(sealed) - blobTagSize
	return `{"iv":"` + hex.EncodeToString(b.iv) + `","authTag":"` + hex.EncodeToString(sealed[at:]) + `","encryptedData":"` +
		hex.EncodeToString(sealed[:at]) + `","algorithm":"aes-256-gcm"}`
}

func TestWhatMustNotOpen(t *testing.T) {
	t.Parallel()
	all := vectors(t)
	v1, v2 := all[0], all[1]
	for what, try := range map[string]struct {
		user       int64
		salt, blob string
		want       error
	}{
		"another user":       {2, v1.Salt, v1.Blob, errNoSalt},
		"another salt":       {1, "harness-salt", v1.Blob, errNoSalt},
		"last byte of a tag": {42, v2.Salt, strings.Replace(v2.Blob, "abfc10", "abfc11", 1), errNoSalt},
		"a short tag":        {1, v1.Salt, strings.Replace(v1.Blob, "4ce07fd1455501db7d3a2ff0d1c87da7", "4ce07fd1455501db", 1), errBlob},
		"another algorithm":  {1, v1.Salt, strings.Replace(v1.Blob, "aes-256-gcm", "aes-128-gcm", 1), errBlob},
		"a 12 byte iv":       {1, v1.Salt, strings.Replace(v1.Blob, "0c0d0e0f", "", 1), errBlob},
		"not hex":            {1, v1.Salt, strings.Replace(v1.Blob, "000102", "00010x", 1), errBlob},
		"not JSON":           {1, v1.Salt, "secret text", errBlob},
		"nothing":            {1, v1.Salt, "", errBlob},
	} {
		plain, _, err := newOpener(try.user, []string{try.salt}).open(try.blob)
		if !errors.Is(err, try.want) || plain != nil {
			t.Errorf("%s: %q, %v", what, plain, err)
		}
	}
	reordered := strings.Replace(strings.Replace(v1.Blob, `,"algorithm":"aes-256-gcm"`, "", 1), "{", "{ ", 1)
	if _, _, err := newOpener(1, []string{v1.Salt}).open(reordered); err != nil {
		t.Errorf("without the algorithm: %v", err)
	}
}

func FuzzParseBlob(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.Blob)
	}
	f.Add(`{"iv":"","authTag":"","encryptedData":""}`)
	f.Fuzz(func(t *testing.T, text string) {
		b, err := parseBlob(text)
		if err == nil && (len(b.iv) != blobIVSize || len(b.sealed) < blobTagSize) {
			t.Errorf("%q is taken as %d + %d bytes", text, len(b.iv), len(b.sealed))
		}
		if err != nil && len(text) > 12 && strings.Contains(err.Error(), text) {
			t.Errorf("the error quotes %q", text)
		}
	})
}
