// Package seal turns an operator's secret text into an authenticated cipher. It protects the server's own keys: the
// signing keys (JWT_SECRET) and the users' keysets (ENCRYPTION_KEY_SALT).
//
// Key: HKDF-SHA-256 (RFC 5869) of the text with the purpose as info, so two purposes never share a key. Cipher:
// XChaCha20-Poly1305 with a random 192-bit nonce, which leaves no limit on the number of messages. Sealed form:
// version byte | nonce (24) | ciphertext and tag. Associated data binds a message to its place.
package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"golang.org/x/crypto/chacha20poly1305"
)

const version = 1

// ErrOpen says that a message was not sealed by this key for this place, or was changed.
var ErrOpen = errors.New("seal: message does not open")

// Box seals and opens. It satisfies tink.AEAD.
type Box struct {
	aead cipher.AEAD
	id   string
}

// New derives the Box of a purpose from an operator's secret.
func New(secret []byte, purpose string) (*Box, error) {
	key, id, err := Derive(secret, purpose)
	if err != nil {
		return nil, err
	}
	return NewFromKey(key, id)
}

// Derive is the key, and the id, of the Box that New makes: for whoever keeps a copy of it in another form.
func Derive(secret []byte, purpose string) (key []byte, id string, err error) {
	key, err = hkdf.Key(sha256.New, secret, nil, "turkey/"+purpose, KeySize)
	if err != nil {
		return nil, "", err
	}
	name, err := hkdf.Key(sha256.New, secret, nil, "turkey/"+purpose+"/id", 8)
	return key, hex.EncodeToString(name), err
}

// KeySize is the length of a Box's key in bytes.
const KeySize = chacha20poly1305.KeySize

// NewFromKey is the Box of a random key of KeySize bytes, under the id that it is known by.
func NewFromKey(key []byte, id string) (*Box, error) {
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, err
	}
	return &Box{aead: aead, id: id}, nil
}

// Key derives 32 bytes for another use of the secret than sealing; no Box has them as its key.
func Key(secret []byte, purpose string) ([]byte, error) {
	return hkdf.Key(sha256.New, secret, nil, "turkey/key/"+purpose, 32)
}

// ID names the key without telling anything about it: equal secrets and purposes have equal ids.
func (b *Box) ID() string { return b.id }

// Encrypt seals plaintext for the place that associatedData describes.
func (b *Box) Encrypt(plaintext, associatedData []byte) ([]byte, error) {
	out := make([]byte, 1+b.aead.NonceSize(), 1+b.aead.NonceSize()+len(plaintext)+b.aead.Overhead())
	out[0] = version
	rand.Read(out[1:])                                               // never fails, it ends the program
	return b.aead.Seal(out, out[1:], plaintext, associatedData), nil //nolint:gosec // the nonce is random, by the line above
}

// Decrypt opens what Encrypt sealed. Every failure is ErrOpen.
func (b *Box) Decrypt(sealed, associatedData []byte) ([]byte, error) {
	n := 1 + b.aead.NonceSize()
	if len(sealed) < n || sealed[0] != version {
		return nil, ErrOpen
	}
	plain, err := b.aead.Open(nil, sealed[1:n], sealed[n:], associatedData)
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}
