package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
	"github.com/jackc/pgx/v5"

	"turkey/internal/auth/authdb"
	"turkey/internal/db"
	"turkey/internal/seal"
)

// keyring is the signing keys of the server, newest first; the first signs, all verify.
type keyring struct {
	signer jose.Signer
	public map[string]*ecdsa.PublicKey // by kid
	jwks   []byte
}

type signingKey struct {
	kid     string
	private *ecdsa.PrivateKey
}

const refreshMACName = "refresh-mac"

// loadKeys reads keys and secrets, making what is missing. Servers that start at once take turns.
func (s *Service) loadKeys(ctx context.Context, box *seal.Box) error {
	return s.cfg.DB.Tx(ctx, db.System(), func(tx pgx.Tx) error {
		if err := s.q.LockKeysSystem(ctx, tx); err != nil {
			return err
		}
		rows, err := s.q.SigningKeysSystem(ctx, tx)
		if err != nil {
			return fmt.Errorf("read signing keys: %w", err)
		}
		if len(rows) == 0 {
			row, err := newSigningKey(box)
			if err != nil {
				return err
			}
			if err := s.q.InsertSigningKeySystem(ctx, tx, row); err != nil {
				return fmt.Errorf("store signing key: %w", err)
			}
			rows = []authdb.SigningKeysSystemRow{{Kid: row.Kid, PublicPem: row.PublicPem, PrivatePem: row.PrivatePem}}
		}
		keys := make([]signingKey, len(rows))
		for i, r := range rows {
			if keys[i], err = openSigningKey(box, r.Kid, r.PrivatePem); err != nil {
				return err
			}
		}
		if s.keys, err = newKeyring(keys); err != nil {
			return err
		}
		s.mac, err = s.loadSecret(ctx, tx, box, refreshMACName)
		return err
	})
}

func newSigningKey(box *seal.Box) (authdb.InsertSigningKeySystemParams, error) {
	var none authdb.InsertSigningKeySystemParams
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return none, err
	}
	var id [16]byte
	rand.Read(id[:]) //nolint:errcheck // crypto/rand.Read never fails, it ends the program
	kid := "key_" + hex.EncodeToString(id[:])
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return none, err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return none, err
	}
	sealed, err := box.Encrypt(private, []byte("signing-key|"+kid))
	if err != nil {
		return none, err
	}
	return authdb.InsertSigningKeySystemParams{
		Kid:        kid,
		PublicPem:  string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		PrivatePem: base64.StdEncoding.EncodeToString(sealed),
	}, nil
}

func openSigningKey(box *seal.Box, kid, stored string) (signingKey, error) {
	sealed, err := base64.StdEncoding.DecodeString(stored)
	if err != nil {
		return signingKey{}, fmt.Errorf("signing key %s is damaged: %w", kid, err)
	}
	der, err := box.Decrypt(sealed, []byte("signing-key|"+kid))
	if err != nil {
		return signingKey{}, fmt.Errorf("signing key %s does not open with this JWT_SECRET: start with the secret it was made under", kid)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return signingKey{}, fmt.Errorf("signing key %s is damaged: %w", kid, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return signingKey{}, fmt.Errorf("signing key %s is not a P-256 key", kid)
	}
	return signingKey{kid: kid, private: key}, nil
}

func newKeyring(keys []signingKey) (keyring, error) {
	ring := keyring{public: map[string]*ecdsa.PublicKey{}}
	var set jose.JSONWebKeySet
	for _, k := range keys {
		ring.public[k.kid] = &k.private.PublicKey
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: &k.private.PublicKey, KeyID: k.kid, Algorithm: string(jose.ES256), Use: "sig"})
	}
	var err error
	if ring.jwks, err = json.Marshal(set); err != nil {
		return ring, err
	}
	ring.signer, err = jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: keys[0].private, KeyID: keys[0].kid}},
		(&jose.SignerOptions{}).WithType("JWT"))
	return ring, err
}

// loadSecret reads a random 32-byte server key, making it on the first start.
func (s *Service) loadSecret(ctx context.Context, tx pgx.Tx, box *seal.Box, name string) ([]byte, error) {
	sealed, err := s.q.SecretSystem(ctx, tx, name)
	if err == nil {
		key, err := box.Decrypt(sealed, []byte("secret|"+name))
		if err != nil {
			return nil, fmt.Errorf("server secret %s does not open with this JWT_SECRET: start with the secret it was made under", name)
		}
		return key, nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("read server secret %s: %w", name, err)
	}
	key := make([]byte, 32)
	rand.Read(key) //nolint:errcheck // crypto/rand.Read never fails, it ends the program
	if sealed, err = box.Encrypt(key, []byte("secret|"+name)); err != nil {
		return nil, err
	}
	return key, s.q.InsertSecretSystem(ctx, tx, name, sealed)
}
