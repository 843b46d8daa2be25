package legacy

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// The cipher of the KPI ETL backend (contract legacy-import.md §3.2): the key comes from the user's public number, so only
// the salt was ever a secret.
const (
	blobAlgorithm  = "aes-256-gcm"
	blobIterations = 100_000
	blobKeySize    = 32
	blobIVSize     = 16
	blobTagSize    = 16
)

// publicSalts protected deployments that never set one of their own: what they sealed must be rotated at the provider.
var publicSalts = []string{
	"default-salt-change-in-production",
	"your-random-salt-change-in-production",
	"your-random-salt-CHANGE-THIS",
	"$(openssl rand -base64 32)",
}

var (
	errBlob   = errors.New("the encrypted data has an unknown form")
	errNoSalt = errors.New("no given salt opens it")
)

// deriveKey is slow on purpose of its inventor: derive once per user and salt.
func deriveKey(user int64, salt string) ([]byte, error) {
	return pbkdf2.Key(sha256.New, strconv.FormatInt(user, 10), []byte(salt), blobIterations, blobKeySize)
}

// blob is the content of credentials.encrypted_data, parsed.
type blob struct{ iv, sealed []byte }

// parseBlob accepts the members in any order, and demands the whole tag, which the source did not.
func parseBlob(text string) (blob, error) {
	var raw struct {
		IV        string  `json:"iv"`
		Tag       string  `json:"authTag"`
		Data      string  `json:"encryptedData"`
		Algorithm *string `json:"algorithm"`
	}
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return blob{}, errBlob // the parser's words could quote the text
	}
	iv, ivErr := hex.DecodeString(raw.IV)
	tag, tagErr := hex.DecodeString(raw.Tag)
	data, dataErr := hex.DecodeString(raw.Data)
	switch {
	case ivErr != nil || tagErr != nil || dataErr != nil, len(iv) != blobIVSize, len(tag) != blobTagSize:
		return blob{}, errBlob
	case raw.Algorithm != nil && *raw.Algorithm != blobAlgorithm:
		return blob{}, fmt.Errorf("%w: another algorithm than %s", errBlob, blobAlgorithm)
	}
	return blob{iv: iv, sealed: append(data, tag...)}, nil
}

// open decrypts under one key; the tag makes a wrong key certain to fail.
func (b blob) open(key []byte) ([]byte, error) {
	aead, err := blobCipher(key)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, b.iv, b.sealed, nil)
	if err != nil {
		return nil, errNoSalt
	}
	return plain, nil
}

func blobCipher(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithNonceSize(block, blobIVSize)
}

// opener opens the blobs of one user, deriving each key once.
type opener struct {
	user  int64
	salts []string
	keys  [][]byte // by index of salts, nil until needed
}

func newOpener(user int64, salts []string) *opener {
	return &opener{user: user, salts: salts, keys: make([][]byte, len(salts))}
}

// open tries the salts in order and says which one it was.
func (o *opener) open(text string) (plain []byte, salt int, err error) {
	b, err := parseBlob(text)
	if err != nil {
		return nil, 0, err
	}
	for i, s := range o.salts {
		if o.keys[i] == nil {
			if o.keys[i], err = deriveKey(o.user, s); err != nil {
				return nil, 0, err
			}
		}
		if plain, err = b.open(o.keys[i]); err == nil {
			return plain, i, nil
		}
	}
	return nil, 0, errNoSalt
}
