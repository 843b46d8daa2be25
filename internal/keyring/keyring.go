package keyring

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"turkey/internal/seal"
)

// Where a root key comes from, as the database spells it.
const (
	FromSalt = "salt" // derived from ENCRYPTION_KEY_SALT
	FromFile = "file" // read from a keyring file
	FromKMS  = "kms"  // unwrapped by a key service
)

// purpose is what the operator's secret is derived for.
const purpose = "vault-root"

// Root is a root key in memory.
type Root struct {
	ID        string
	Source    string
	Key       []byte
	CreatedAt time.Time // zero where the source does not say
	Box       *seal.Box // of Key
	Wrapped   []byte    // how the database keeps it, where a key service wraps it
	WrappedBy string    // that key service
}

// NewRoot is a root key of known bytes, as a file or a recovery bundle holds it.
func NewRoot(id, source string, key []byte, createdAt time.Time) (Root, error) {
	if id == "" || len(id) > 50 || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return Root{}, errors.New("the id of a root key is 1 to 50 visible ASCII characters")
	}
	box, err := seal.NewFromKey(key, id)
	if err != nil {
		return Root{}, fmt.Errorf("root key %s does not have %d bytes", id, seal.KeySize)
	}
	return Root{ID: id, Source: source, Key: key, CreatedAt: createdAt, Box: box}, nil
}

// random makes a root key.
func random(source string) (Root, error) {
	key, id := make([]byte, seal.KeySize), make([]byte, 8)
	rand.Read(key) // never fails, it ends the program
	rand.Read(id)
	return NewRoot(hex.EncodeToString(id), source, key, time.Now().UTC().Truncate(time.Second))
}

// KMS is a key service that wraps and unwraps keys and keeps its own. aad is not secret, and must be the same both times.
type KMS interface {
	Wrap(ctx context.Context, plain, aad []byte) ([]byte, error)
	Unwrap(ctx context.Context, wrapped, aad []byte) ([]byte, error)
	Describe() string // as VAULT_KEYRING names it
}

// place is what a wrapped root key is bound to.
func place(id string) []byte { return []byte("turkey/vault-root/" + id) }

// Config says where root keys come from.
type Config struct {
	Salt         []byte   // ENCRYPTION_KEY_SALT
	PreviousSalt []byte   // ENCRYPTION_KEY_SALT_PREVIOUS: opens, makes nothing
	Sources      []string // VAULT_KEYRING: the first makes new root keys, the others only open
	Token        []byte   // of OpenBao or Vault
	Namespace    string   // of OpenBao or Vault
	HTTP         *http.Client
	Getenv       func(string) string // AWS and Google name their own variables; default os.Getenv
}

// Keyring is every source of root keys that the operator named.
type Keyring struct {
	salts []Root // the current one first
	files []*file
	kms   []KMS
	first any // what makes new root keys: nil for the salt, a *file or a KMS
}

// ErrNone says that no source is named at all.
var ErrNone = errors.New("the vault has no root key: set ENCRYPTION_KEY_SALT or VAULT_KEYRING")

// Open takes the sources. Key services are not asked yet; a keyring file that others may read is refused here.
func Open(cfg Config) (*Keyring, error) {
	k := &Keyring{}
	for _, secret := range [][]byte{cfg.Salt, cfg.PreviousSalt} {
		if len(secret) == 0 {
			continue
		}
		key, id, err := seal.Derive(secret, purpose)
		if err != nil {
			return nil, err
		}
		root, err := NewRoot(id, FromSalt, key, time.Time{})
		if err != nil {
			return nil, err
		}
		k.salts = append(k.salts, root)
	}
	if cfg.HTTP == nil {
		cfg.HTTP = newClient()
	}
	if cfg.Getenv == nil {
		cfg.Getenv = os.Getenv
	}
	for i, source := range cfg.Sources {
		s, err := open(cfg, strings.TrimSpace(source))
		if err != nil {
			return nil, fmt.Errorf("VAULT_KEYRING: %w", err)
		}
		switch s := s.(type) {
		case *file:
			k.files = append(k.files, s)
		case KMS:
			k.kms = append(k.kms, s)
		}
		if i == 0 {
			k.first = s
		}
	}
	if k.first == nil && len(cfg.Salt) == 0 {
		return nil, ErrNone
	}
	return k, nil
}

// open makes one source: a *file or a KMS.
func open(cfg Config, source string) (any, error) {
	kind, rest, _ := strings.Cut(source, ":")
	if rest == "" {
		return nil, errors.New("expected file:/path/keyring.json, transit:https://host:8200/v1/transit/keys/name, awskms:… or gcpkms:…")
	}
	switch kind {
	case "file":
		f := &file{path: rest}
		_, err := f.read()
		return f, err
	case "transit":
		return newTransit(cfg, rest)
	case "awskms":
		return newAWS(cfg, rest)
	case "gcpkms":
		return newGoogle(cfg, rest)
	}
	return nil, fmt.Errorf("%q is no kind of keyring: expected file, transit, awskms or gcpkms", kind)
}

// Describe names the source of new root keys.
func (k *Keyring) Describe() string {
	switch s := k.first.(type) {
	case *file:
		return s.describe()
	case KMS:
		return s.Describe()
	}
	return "ENCRYPTION_KEY_SALT"
}

// MakesInFile reports whether new root keys come into a keyring file, which then has to reach every server.
func (k *Keyring) MakesInFile() bool {
	_, ok := k.first.(*file)
	return ok
}

// Known are the root keys that are here without asking a key service. Files are read again.
func (k *Keyring) Known() (map[string]Root, error) {
	known := map[string]Root{}
	for _, f := range k.files {
		roots, err := f.read()
		if err != nil {
			return nil, err
		}
		for _, r := range roots {
			known[r.ID] = r
		}
	}
	for _, r := range k.salts {
		known[r.ID] = r
	}
	return known, nil
}

// Unwrap asks a key service for a root key: the one that wrapped it, or, since it may have moved, any other.
func (k *Keyring) Unwrap(ctx context.Context, id string, wrapped []byte, by string) (Root, error) {
	if len(k.kms) == 0 {
		return Root{}, fmt.Errorf("it is wrapped by %s: name that in VAULT_KEYRING", by)
	}
	candidates := append([]KMS(nil), k.kms...)
	for i, s := range candidates {
		if s.Describe() == by {
			candidates[0], candidates[i] = candidates[i], candidates[0]
		}
	}
	var failed []error
	for _, s := range candidates {
		key, err := s.Unwrap(ctx, wrapped, place(id))
		if err != nil {
			failed = append(failed, err)
			continue
		}
		root, err := NewRoot(id, FromKMS, key, time.Time{})
		root.Wrapped, root.WrappedBy = wrapped, by
		return root, err
	}
	return Root{}, errors.Join(failed...)
}

// Waiting is a root key that the operator put in and that is none of used: the one that is to be used next.
func (k *Keyring) Waiting(used map[string]bool) (Root, bool, error) {
	switch s := k.first.(type) {
	case nil:
		return k.salts[0], !used[k.salts[0].ID], nil
	case *file:
		roots, err := s.read()
		if err != nil {
			return Root{}, false, err
		}
		var newest Root
		for _, r := range roots {
			if !used[r.ID] && !r.CreatedAt.Before(newest.CreatedAt) {
				newest = r
			}
		}
		return newest, newest.ID != "", nil
	}
	return Root{}, false, nil
}

// Make makes a root key, which its source has kept when this returns: a file has it on disk, one that a key service wrapped
// is the caller's to store.
func (k *Keyring) Make(ctx context.Context) (Root, error) {
	switch s := k.first.(type) {
	case *file:
		return s.add()
	case KMS:
		root, err := random(FromKMS)
		if err != nil {
			return Root{}, err
		}
		root.WrappedBy = s.Describe()
		if root.Wrapped, err = s.Wrap(ctx, root.Key, place(root.ID)); err != nil {
			return Root{}, err
		}
		// Rights to wrap are not rights to unwrap: better to know before anything depends on it.
		key, err := s.Unwrap(ctx, root.Wrapped, place(root.ID))
		if err == nil && !bytes.Equal(key, root.Key) {
			err = fmt.Errorf("%s does not give back what it wrapped", s.Describe())
		}
		clear(key)
		return root, err
	}
	return Root{}, errors.New("the root key of this ENCRYPTION_KEY_SALT is in use, or was: on every server set ENCRYPTION_KEY_SALT to a new value " +
		"(openssl rand -base64 32) and ENCRYPTION_KEY_SALT_PREVIOUS to the old one, restart them, and run this again; or name a VAULT_KEYRING")
}
