package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"turkey/internal/db"
	"turkey/internal/seal"
	"turkey/internal/vault/vaultdb"
)

const resealBatch = 100 // users at a time

// Resealing is what a reseal did.
type Resealing struct {
	Since      time.Time        `json:"since"` // when it began; earlier than this command if that was cut off before
	Renewed    int64            `json:"usersRenewed"`
	Resealed   map[string]int64 `json:"resealed"` // texts per table
	Ended      int64            `json:"usersEnded"`
	Texts      []TextStatus     `json:"texts"`
	Unreadable []SealedText     `json:"unreadable,omitempty"` // they stay under their keys, which stay too
}

// SealedText names a sealed text.
type SealedText struct {
	Table string    `json:"table"`
	ID    string    `json:"id"`
	User  uuid.UUID `json:"userId"`
}

// member is a user of a batch.
type member struct {
	person uuid.UUID
	keys   userKeys // the new key and the old ones
}

// Reseal gives every user a new data key and seals everything with it that was sealed under older ones, which are then
// dropped. Reads and writes go on: a keyset holds old and new keys while that lasts, key_id keeps servers that remember the
// old one from writing under it, and a text that its user replaces meanwhile stays as the user wrote it.
func (k *Keeper) Reseal(ctx context.Context) (Resealing, error) {
	done := Resealing{Resealed: map[string]int64{}}
	r, err := k.roots(ctx)
	if err != nil {
		return done, err
	}
	done.Since, err = k.q.BeginResealSystem(ctx, k.system(), k.cfg.App, Operator)
	if err != nil {
		return done, err
	}
	if err := k.resealAll(ctx, r, &done); err != nil {
		return done, err
	}
	status, err := k.Status(ctx)
	if err != nil {
		return done, err
	}
	done.Texts = status.Texts
	total := int64(0)
	for _, n := range done.Resealed {
		total += n
	}
	meta := fmt.Sprintf(`{"users":%d,"texts":%d,"unreadable":%d}`, done.Ended, total, len(done.Unreadable))
	if err := k.q.EndResealSystem(ctx, k.system(), vaultdb.EndResealSystemParams{AppID: k.cfg.App, Actor: Operator, Meta: meta}); err != nil {
		return done, err
	}
	if len(done.Unreadable) > 0 {
		return done, fmt.Errorf("%d sealed texts do not open; they and the keys of their users stay as they are", len(done.Unreadable))
	}
	return done, nil
}

// resealAll goes over the users in passes until nobody is left: rows that somebody else holds are skipped, and come again.
func (k *Keeper) resealAll(ctx context.Context, r *roots, done *Resealing) error {
	total, err := k.q.CountToResealSystem(ctx, k.system(), done.Since)
	if err != nil {
		return err
	}
	for since := time.Now(); ; {
		before := done.Ended
		done.Unreadable = nil
		stuck := map[uuid.UUID]bool{} // users with texts that do not open
		for after := int64(0); ; {
			k.cfg.Progress("users resealed", done.Ended, total)
			users, last, err := k.renew(ctx, r, done, after)
			if err != nil {
				return err
			}
			if len(users) == 0 && last == after {
				break
			}
			after = last
			if err := k.resealTexts(ctx, users, done); err != nil {
				return err
			}
			if err := k.dropOldKeys(ctx, r, users, done); err != nil {
				return err
			}
		}
		for _, u := range done.Unreadable {
			stuck[u.User] = true
		}
		left, err := k.q.CountToResealSystem(ctx, k.system(), done.Since)
		if err != nil {
			return err
		}
		k.cfg.Progress("users resealed", done.Ended, max(total, done.Ended))
		if left <= int64(len(stuck)) {
			return nil
		}
		if done.Ended > before {
			since = time.Now()
		}
		if time.Since(since) > settleTime {
			return fmt.Errorf("the keys of %d users are held by somebody else, or their texts change all the time: run this again", left)
		}
		if err := pauseFor(ctx, settlePause); err != nil {
			return err
		}
	}
}

// renew gives the next users a new key each, unless this reseal did already, and returns them with all their keys.
func (k *Keeper) renew(ctx context.Context, r *roots, done *Resealing, after int64) (users map[int64]member, last int64, err error) {
	users, last = map[int64]member{}, after
	err = k.db.Tx(ctx, db.System(), func(tx pgx.Tx) error {
		rows, err := k.q.KeysToResealSystem(ctx, tx, vaultdb.KeysToResealSystemParams{Since: done.Since, After: after, Batch: resealBatch})
		if err != nil || len(rows) == 0 {
			return err
		}
		last = rows[len(rows)-1].UserID
		var arg vaultdb.RenewKeysSystemParams
		for _, row := range rows {
			root, handle, err := k.keysetOf(r, row.RootID, row.Person, row.Keyset)
			if errors.Is(err, errRootUnknown) {
				return err
			}
			if err == nil && row.Due {
				handle, err = withNewKey(handle)
			}
			var m member
			if err == nil {
				m.person = row.Person
				m.keys, err = usable(handle)
			}
			if err != nil {
				done.Unreadable = append(done.Unreadable, SealedText{"vault_keys", fmt.Sprint(row.UserID), row.Person})
				continue
			}
			users[row.UserID] = m
			if !row.Due {
				continue
			}
			wrapped, err := wrapKeyset(root, row.Person, handle)
			if err != nil {
				return err
			}
			arg.UserIds, arg.KeyIds, arg.Keysets = append(arg.UserIds, row.UserID), append(arg.KeyIds, int64(m.keys.id)), append(arg.Keysets, wrapped)
		}
		if len(arg.UserIds) == 0 {
			return nil
		}
		n, err := k.q.RenewKeysSystem(ctx, tx, arg)
		done.Renewed += n
		return err
	})
	return users, last, err
}

func (k *Keeper) keysetOf(r *roots, rootID string, user uuid.UUID, wrapped []byte) (*seal.Box, *keyset.Handle, error) {
	root, ok := r.set.Load().byID[rootID]
	if !ok {
		return nil, nil, errRootUnknown
	}
	handle, err := unwrapKeyset(root.Box, user, wrapped)
	return root.Box, handle, err
}

// withNewKey is a keyset with one more key, which seals.
func withNewKey(handle *keyset.Handle) (*keyset.Handle, error) {
	m := keyset.NewManagerFromHandle(handle)
	id, err := m.Add(keyTemplate())
	if err == nil {
		err = m.SetPrimary(id)
	}
	if err != nil {
		return nil, fmt.Errorf("new key: %w", err)
	}
	return m.Handle()
}

// withoutOldKeys is a keyset with the key that seals alone.
func withoutOldKeys(handle *keyset.Handle) (*keyset.Handle, error) {
	m := keyset.NewManagerFromHandle(handle)
	info := handle.KeysetInfo()
	for _, key := range info.GetKeyInfo() {
		if key.GetKeyId() == info.GetPrimaryKeyId() {
			continue
		}
		if err := m.Delete(key.GetKeyId()); err != nil {
			return nil, fmt.Errorf("drop old key: %w", err)
		}
	}
	return m.Handle()
}

// dropOldKeys takes the old keys from users of whom nothing is sealed under them any more. It waits for writers that saw the
// old key_id, so what they wrote is counted.
func (k *Keeper) dropOldKeys(ctx context.Context, r *roots, users map[int64]member, done *Resealing) error {
	ids := numbersOf(users)
	return k.db.Tx(ctx, db.System(), func(tx pgx.Tx) error {
		rows, err := k.q.LockKeysSystem(ctx, tx, ids)
		if err != nil {
			return err
		}
		under, err := k.q.UsersUnderOldKeysSystem(ctx, tx, ids)
		if err != nil {
			return err
		}
		var free []int64
		var keysets [][]byte
		for _, row := range rows {
			if slices.Contains(under, row.UserID) {
				continue
			}
			root, handle, err := k.keysetOf(r, row.RootID, row.Person, row.Keyset)
			if err == nil {
				handle, err = withoutOldKeys(handle)
			}
			if err != nil {
				return err
			}
			wrapped, err := wrapKeyset(root, row.Person, handle)
			if err != nil {
				return err
			}
			free, keysets = append(free, row.UserID), append(keysets, wrapped)
		}
		n, err := k.q.DropOldKeysSystem(ctx, tx, free, keysets)
		done.Ended += n
		return err
	})
}
