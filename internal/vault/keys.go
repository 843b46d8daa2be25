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

// keystore opens users' keys with the root key and makes them at first use.
type keystore struct {
	db    *db.DB
	q     *vaultdb.Queries
	root  *seal.Box
	cache *expirable.LRU[uuid.UUID, userKeys]
}

const checkText = "turkey vault root key check"

// newKeystore checks the root key against the value stored by the first start. A wrong key is an error before anything
// is read: half a vault is worse than none.
func newKeystore(ctx context.Context, database *db.DB, q *vaultdb.Queries, root *seal.Box) (*keystore, error) {
	system := database.In(db.System())
	roots, err := q.RootsSystem(ctx, system)
	if err != nil {
		return nil, fmt.Errorf("read vault root keys: %w", err)
	}
	known := false
	for _, r := range roots {
		if r.ID != root.ID() {
			continue
		}
		if _, err := root.Decrypt(r.CheckValue, []byte(checkText)); err != nil {
			return nil, errors.New("the stored check value of the vault's root key is damaged: restore table vault_roots from a backup")
		}
		known = true
	}
	if len(roots) > 0 && !known {
		return nil, errors.New("ENCRYPTION_KEY_SALT is not the one this database was made with, so no credential would open: start with the old value")
	}
	if !known {
		check, err := root.Encrypt([]byte(checkText), []byte(checkText))
		if err != nil {
			return nil, err
		}
		if err := q.InsertRootSystem(ctx, system, root.ID(), check); err != nil {
			return nil, fmt.Errorf("store vault root key check: %w", err)
		}
	}
	return &keystore{db: database, q: q, root: root,
		cache: expirable.NewLRU[uuid.UUID, userKeys](keyCacheSize, nil, keyCacheTTL)}, nil
}

// of returns a user's keys, from memory or from the row, making the row at first use.
func (k *keystore) of(ctx context.Context, user uuid.UUID) (userKeys, error) {
	if keys, ok := k.cache.Get(user); ok {
		return keys, nil
	}
	conn := k.db.In(db.User(user))
	row, err := k.q.UserKeys(ctx, conn)
	if errors.Is(err, pgx.ErrNoRows) {
		if err := k.create(ctx, conn, user); err != nil {
			return userKeys{}, err
		}
		row, err = k.q.UserKeys(ctx, conn)
	}
	if err != nil {
		return userKeys{}, err
	}
	keys, err := k.open(user, row)
	if err != nil {
		return userKeys{}, err
	}
	k.cache.Add(user, keys)
	return keys, nil
}

// forget drops a user's keys from memory: the row says something newer.
func (k *keystore) forget(user uuid.UUID) { k.cache.Remove(user) }

func (k *keystore) create(ctx context.Context, conn db.Conn, user uuid.UUID) error {
	handle, err := keyset.NewHandle(aead.XAES256GCM192BitNonceKeyTemplate())
	if err != nil {
		return fmt.Errorf("make user keyset: %w", err)
	}
	var wrapped bytes.Buffer
	if err := handle.WriteWithAssociatedData(keyset.NewBinaryWriter(&wrapped), k.root, keysetPlace(user)); err != nil {
		return fmt.Errorf("wrap user keyset: %w", err)
	}
	index := make([]byte, 32)
	rand.Read(index) // never fails, it ends the program
	sealedIndex, err := k.root.Encrypt(index, indexPlace(user))
	if err != nil {
		return err
	}
	return k.q.CreateUserKeys(ctx, conn, vaultdb.CreateUserKeysParams{RootID: k.root.ID(), KeyID: int64(handle.KeysetInfo().GetPrimaryKeyId()), Keyset: wrapped.Bytes(), IndexKey: sealedIndex})
}

func (k *keystore) open(user uuid.UUID, row vaultdb.UserKeysRow) (userKeys, error) {
	handle, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(row.Keyset)), k.root, keysetPlace(user))
	if err != nil {
		return userKeys{}, errUnreadable.Because(fmt.Errorf("keyset under root %s: %w", row.RootID, err))
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return userKeys{}, errUnreadable.Because(err)
	}
	index, err := k.root.Decrypt(row.IndexKey, indexPlace(user))
	if err != nil {
		return userKeys{}, errUnreadable.Because(err)
	}
	return userKeys{id: handle.KeysetInfo().GetPrimaryKeyId(), seal: primitive, index: index}, nil
}

func keysetPlace(user uuid.UUID) []byte { return place("user keyset", user[:]) }
func indexPlace(user uuid.UUID) []byte  { return place("user index key", user[:]) }
