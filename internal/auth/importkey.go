package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/auth/authdb"
	"turkey/internal/seal"
)

// ImportedKey is a signing key of the predecessor.
type ImportedKey struct {
	Row                   uuid.UUID
	ID                    string // kid
	PublicPEM, PrivatePEM string
	CreatedAt             time.Time
	RetiredAt             *time.Time
	Active                bool
	Signs                 bool // it was the signer, and goes on as that
}

// ErrNoKeyPair refuses a key that is not a P-256 pair.
var ErrNoKeyPair = errors.New("it is not a P-256 key pair")

// KeyImporter seals a predecessor's keys under JWT_SECRET. It is no part of the Service, because an upgrade in place fills the
// tables before there can be one.
type KeyImporter struct {
	box *seal.Box
	now func() time.Time
	q   *authdb.Queries
}

// NewKeyImporter makes one for the server's secret.
func NewKeyImporter(secret []byte, now func() time.Time) (*KeyImporter, error) {
	box, err := newKeyBox(secret)
	return &KeyImporter{box: box, now: now, q: authdb.New()}, err
}

// ImportKey takes over a key in the caller's transaction (system scope). One that was in use verifies for as long as its tokens
// can live, and signs here only where it is told to; one that was retired there is history. known: it is here already.
func (i *KeyImporter) ImportKey(ctx context.Context, tx pgx.Tx, k ImportedKey) (known bool, err error) {
	der, err := keyPair(k)
	if err != nil {
		return false, err
	}
	sealed, err := sealKey(i.box, k.ID, der)
	clear(der)
	if err != nil {
		return false, err
	}
	now := i.now()
	row := authdb.ImportKeySystemParams{ID: k.Row, Kid: k.ID, PublicPem: k.PublicPEM, PrivatePem: sealed, CreatedAt: k.CreatedAt, RetiredAt: &now, Ttl: seconds(longestAppTTL)}
	switch {
	case k.Signs:
		row.RetiredAt = nil
	case !k.Active:
		if row.RetiredAt = &k.CreatedAt; k.RetiredAt != nil && k.RetiredAt.Before(now) {
			row.RetiredAt = k.RetiredAt
		}
		row.Ttl = 0
	}
	n, err := i.q.ImportKeySystem(ctx, tx, row)
	return n == 0, err
}

// keyPair is the private key of a pair that fits together, in PKCS #8.
func keyPair(k ImportedKey) ([]byte, error) {
	private, _ := pem.Decode([]byte(k.PrivatePEM))
	public, _ := pem.Decode([]byte(k.PublicPEM))
	if private == nil || public == nil || k.ID == "" || len(k.ID) > 50 {
		return nil, ErrNoKeyPair
	}
	parsed, err := x509.ParsePKCS8PrivateKey(private.Bytes)
	if err != nil {
		return nil, ErrNoKeyPair // the parser's words are about the key
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, ErrNoKeyPair
	}
	other, err := x509.ParsePKIXPublicKey(public.Bytes)
	if err != nil || !key.PublicKey.Equal(other) {
		return nil, ErrNoKeyPair
	}
	return private.Bytes, nil
}
