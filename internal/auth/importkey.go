package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/auth/authdb"
)

// ImportedKey is a signing key of the predecessor.
type ImportedKey struct {
	ID                    string
	PublicPEM, PrivatePEM string
	CreatedAt             time.Time
	RetiredAt             *time.Time
	Active                bool
}

// ErrNoKeyPair refuses a key that is not a P-256 pair.
var ErrNoKeyPair = errors.New("it is not a P-256 key pair")

// ImportKey takes over a predecessor's key in the caller's transaction (system scope). One that was in use verifies for as
// long as its tokens can live, and never signs here; one that was retired there is history. known: it is here already.
func (s *Service) ImportKey(ctx context.Context, tx pgx.Tx, k ImportedKey) (known bool, err error) {
	der, err := keyPair(k)
	if err != nil {
		return false, err
	}
	sealed, err := s.sealStored(k.ID, der)
	if err != nil {
		return false, err
	}
	now := s.cfg.Now()
	row := authdb.ImportKeySystemParams{Kid: k.ID, PublicPem: k.PublicPEM, PrivatePem: sealed, CreatedAt: k.CreatedAt, RetiredAt: now, Ttl: seconds(longestAppTTL)}
	if !k.Active {
		if row.RetiredAt = k.CreatedAt; k.RetiredAt != nil && k.RetiredAt.Before(now) {
			row.RetiredAt = *k.RetiredAt
		}
		row.Ttl = 0
	}
	n, err := s.q.ImportKeySystem(ctx, tx, row)
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
