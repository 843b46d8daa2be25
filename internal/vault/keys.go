package vault

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/golang-lru/v2/expirable"
	"github.com/jackc/pgx/v5"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"turkey/internal/db"
	"turkey/internal/keyring"
	"turkey/internal/seal"
	"turkey/internal/vault/vaultdb"
)

// A user's opened keys are kept in memory for this long and this many users.
const (
	keyCacheTTL  = 5 * time.Minute
	keyCacheSize = 10_000
)

// userKeys are one user's keys, opened.
type userKeys struct {
	id    uint32 // the key of the keyset that seals
	seal  tink.AEAD
	index []byte // HMAC key of fingerprints
}

// keystore opens users' keys with the root keys and makes them at first use.
type keystore struct {
	db    *db.DB
	q     *vaultdb.Queries
	roots *roots
	cache *expirable.LRU[uuid.UUID, userKeys]
}

// newKeystore has the root keys of the database, or fails before anything is read.
func newKeystore(ctx context.Context, database *db.DB, q *vaultdb.Queries, ring *keyring.Keyring) (*keystore, error) {
	roots, err := openRoots(ctx, database, q, ring)
	if err != nil {
		return nil, err
	}
	return &keystore{db: database, q: q, roots: roots, cache: expirable.NewLRU[uuid.UUID, userKeys](keyCacheSize, nil, keyCacheTTL)}, nil
}

// of returns a user's keys, from memory or from the row, making the row at first use.
func (k *keystore) of(ctx context.Context, user uuid.UUID) (userKeys, error) {
	if keys, ok := k.cache.Get(user); ok {
		return keys, nil
	}
	conn := k.db.In(db.User(user))
	row, err := k.q.UserKeys(ctx, conn)
	for try := 0; errors.Is(err, pgx.ErrNoRows) && try < 3; try++ { // a rotation may end between two tries
		active := k.roots.active()
		if err := k.create(ctx, conn, user, active); err != nil {
			return userKeys{}, err
		}
		if row, err = k.q.UserKeys(ctx, conn); errors.Is(err, pgx.ErrNoRows) {
			if err := k.roots.overtaken(ctx, active.ID()); err != nil {
				return userKeys{}, err
			}
		}
	}
	if err != nil {
		return userKeys{}, err
	}
	root, err := k.roots.box(ctx, row.RootID)
	if err != nil {
		return userKeys{}, err
	}
	keys, err := openKeys(root, user, row.Keyset, row.IndexKey)
	if err != nil {
		return userKeys{}, errUnreadable.Because(err)
	}
	k.cache.Add(user, keys)
	return keys, nil
}

// forget drops a user's keys from memory: the row says something newer.
func (k *keystore) forget(user uuid.UUID) { k.cache.Remove(user) }

// create makes a user's row of keys under a root key. It does nothing if the user has one, or the root key is not the active
// one any more.
func (k *keystore) create(ctx context.Context, conn vaultdb.DBTX, user uuid.UUID, root *seal.Box) error {
	handle, err := keyset.NewHandle(keyTemplate())
	if err != nil {
		return fmt.Errorf("make user keyset: %w", err)
	}
	wrapped, err := wrapKeyset(root, user, handle)
	if err != nil {
		return err
	}
	index := make([]byte, 32)
	rand.Read(index) // never fails, it ends the program
	sealedIndex, err := root.Encrypt(index, indexPlace(user))
	if err != nil {
		return err
	}
	return k.q.CreateUserKeys(ctx, conn, vaultdb.CreateUserKeysParams{RootID: root.ID(), KeyID: int64(primaryOf(handle)), Keyset: wrapped, IndexKey: sealedIndex})
}

// openKeys opens a row of keys.
func openKeys(root *seal.Box, user uuid.UUID, wrapped, sealedIndex []byte) (userKeys, error) {
	handle, err := unwrapKeyset(root, user, wrapped)
	if err != nil {
		return userKeys{}, err
	}
	keys, err := usable(handle)
	if err != nil {
		return userKeys{}, err
	}
	if keys.index, err = root.Decrypt(sealedIndex, indexPlace(user)); err != nil {
		return userKeys{}, fmt.Errorf("index key under root %s: %w", root.ID(), err)
	}
	return keys, nil
}

// usable are the sealing keys of a keyset.
func usable(handle *keyset.Handle) (userKeys, error) {
	primitive, err := aead.New(handle)
	return userKeys{id: primaryOf(handle), seal: primitive}, err
}

// Users' keysets are Tink's, with XAES-256-GCM. A keyset holds one key that seals and, while a reseal lasts, older ones that
// only open.
var keyTemplate = aead.XAES256GCM192BitNonceKeyTemplate

func wrapKeyset(root *seal.Box, user uuid.UUID, handle *keyset.Handle) ([]byte, error) {
	var wrapped bytes.Buffer
	if err := handle.WriteWithAssociatedData(keyset.NewBinaryWriter(&wrapped), root, keysetPlace(user)); err != nil {
		return nil, fmt.Errorf("wrap user keyset: %w", err)
	}
	return wrapped.Bytes(), nil
}

func unwrapKeyset(root *seal.Box, user uuid.UUID, wrapped []byte) (*keyset.Handle, error) {
	handle, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(wrapped)), root, keysetPlace(user))
	if err != nil {
		return nil, fmt.Errorf("keyset under root %s: %w", root.ID(), err)
	}
	return handle, nil
}

// primaryOf is the key of a keyset that seals.
func primaryOf(handle *keyset.Handle) uint32 { return handle.KeysetInfo().GetPrimaryKeyId() }

func keysetPlace(user uuid.UUID) []byte { return place("user keyset", user[:]) }
func indexPlace(user uuid.UUID) []byte  { return place("user index key", user[:]) }
