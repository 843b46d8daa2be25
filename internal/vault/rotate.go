package vault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/db"
	"turkey/internal/vault/vaultdb"
)

const (
	rewrapBatch = 500 // users in one transaction; who saves for the first time waits so long at most
	settlePause = 50 * time.Millisecond
	settleTime  = 30 * time.Second // for rows that somebody else holds
)

// Rotation is what a rotation of the root key did.
type Rotation struct {
	Root         string           `json:"root"` // active now
	PreviousRoot string           `json:"previousRoot,omitempty"`
	Source       string           `json:"source"`
	Resumed      bool             `json:"resumed"`   // it ended an earlier one and activated nothing
	Rewrapped    int64            `json:"rewrapped"` // users whose keys are under the active root key now
	Retired      []string         `json:"retired"`
	Users        map[string]int64 `json:"usersPerRoot"`
	Unreadable   []uuid.UUID      `json:"unreadable,omitempty"` // users whose keys do not open; they stay as they are
}

// Prepare makes the next root key without using it, for a keyring file that has to reach other machines first.
func (k *Keeper) Prepare(ctx context.Context) (id string, err error) {
	if !k.cfg.Keyring.MakesInFile() {
		return "", errors.New("only a keyring file can be prepared, and VAULT_KEYRING does not begin with one")
	}
	r, err := k.roots(ctx)
	if err != nil {
		return "", err
	}
	rows, err := r.rows(ctx)
	if err != nil {
		return "", err
	}
	next, waiting, err := k.cfg.Keyring.Waiting(usedRoots(rows))
	if err != nil {
		return "", err
	}
	if !waiting {
		if next, err = k.cfg.Keyring.Make(ctx); err != nil {
			return "", err
		}
		if err := k.record(ctx, "vault_root_prepared", map[string]any{"rootId": next.ID, "source": next.Source}); err != nil {
			return "", err
		}
	}
	return next.ID, nil
}

func usedRoots(rows []vaultdb.RootsSystemRow) map[string]bool {
	used := map[string]bool{}
	for _, row := range rows {
		used[row.ID] = row.ActiveFrom != nil
	}
	return used
}

// Rotate makes another root key the active one, wraps every user's keys with it, and retires those that wrap nothing any
// more. After an earlier rotation that was cut off it ends that one instead. Reads and writes go on meanwhile.
func (k *Keeper) Rotate(ctx context.Context) (Rotation, error) {
	done := Rotation{Retired: []string{}}
	r, err := k.roots(ctx)
	if err != nil {
		return done, err
	}
	rows, err := r.rows(ctx)
	if err != nil {
		return done, err
	}
	next, waiting, err := k.cfg.Keyring.Waiting(usedRoots(rows))
	if err != nil {
		return done, err
	}
	done.Root = activeOf(rows)
	switch {
	case !waiting && unfinished(rows):
		done.Resumed = true
	case !waiting:
		if next, err = k.cfg.Keyring.Make(ctx); err != nil {
			return done, err
		}
		fallthrough
	default:
		if err := r.activate(ctx, next, done.Root, &k.cfg.App); err != nil {
			return done, err
		}
		done.PreviousRoot, done.Root = done.Root, next.ID
		if err := r.overtaken(ctx, done.PreviousRoot); err != nil {
			return done, err
		}
	}
	root, ok := r.set.Load().byID[done.Root]
	if !ok {
		return done, errRootUnknown
	}
	done.Source = root.Source
	if err := k.rewrapAll(ctx, r, &done); err != nil {
		return done, err
	}
	if done.Rewrapped > 0 {
		if err := k.record(ctx, "vault_keys_rewrapped", map[string]any{"rootId": done.Root, "users": done.Rewrapped}); err != nil {
			return done, err
		}
	}
	if done.Retired, err = k.retire(ctx); err != nil {
		return done, err
	}
	done.Users, err = k.usersPerRoot(ctx)
	if err == nil && len(done.Unreadable) > 0 {
		err = fmt.Errorf("the keys of %d users do not open under their root key and stay under it: restore their rows of vault_keys from a backup", len(done.Unreadable))
	}
	return done, err
}

// unfinished reports whether an earlier rotation left something to do.
func unfinished(rows []vaultdb.RootsSystemRow) bool {
	active := activeOf(rows)
	for _, row := range rows {
		if row.ID != active && row.ActiveFrom != nil && (row.InUse || row.RetiredAt == nil) {
			return true
		}
	}
	return false
}

// rewrapAll goes over the users in passes until nobody is left: rows that somebody else holds are skipped, and come again.
func (k *Keeper) rewrapAll(ctx context.Context, r *roots, done *Rotation) error {
	total, err := k.q.CountToRewrapSystem(ctx, k.system(), done.Root)
	if err != nil {
		return err
	}
	for since := time.Now(); ; {
		before := done.Rewrapped
		done.Unreadable = nil
		for after, more := int64(0), true; more; {
			k.cfg.Progress("users rewrapped", done.Rewrapped, total)
			var n int
			if after, n, err = k.rewrapBatch(ctx, r, done, after); err != nil {
				return err
			}
			more = n > 0
		}
		left, err := k.q.CountToRewrapSystem(ctx, k.system(), done.Root)
		if err != nil {
			return err
		}
		k.cfg.Progress("users rewrapped", done.Rewrapped, max(total, done.Rewrapped))
		if left <= int64(len(done.Unreadable)) {
			return nil
		}
		if done.Rewrapped > before {
			since = time.Now()
		}
		if time.Since(since) > settleTime {
			return fmt.Errorf("the keys of %d users are held by somebody else: run this again", left)
		}
		if err := pauseFor(ctx, settlePause); err != nil {
			return err
		}
	}
}

func pauseFor(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// errRootUnknown: a row came under a root key since the keys were read.
var errRootUnknown = errors.New("another root key was activated meanwhile: run this again")

// rewrapBatch wraps the keys of the next users with the active root key.
func (k *Keeper) rewrapBatch(ctx context.Context, r *roots, done *Rotation, after int64) (last int64, n int, err error) {
	set := r.set.Load()
	root := set.byID[done.Root].Box
	err = k.db.Tx(ctx, db.System(), func(tx pgx.Tx) error {
		rows, err := k.q.KeysToRewrapSystem(ctx, tx, vaultdb.KeysToRewrapSystemParams{RootID: done.Root, After: after, Batch: rewrapBatch})
		if err != nil || len(rows) == 0 {
			return err
		}
		n, last = len(rows), rows[len(rows)-1].UserID
		arg := vaultdb.RewrapKeysSystemParams{RootID: done.Root}
		for _, row := range rows {
			old, ok := set.byID[row.RootID]
			if !ok {
				return errRootUnknown
			}
			handle, err := unwrapKeyset(old.Box, row.Person, row.Keyset)
			var index []byte
			if err == nil {
				index, err = old.Box.Decrypt(row.IndexKey, indexPlace(row.Person))
			}
			if err != nil { // its user cannot read anything either; the others must not wait for that
				done.Unreadable = append(done.Unreadable, row.Person)
				continue
			}
			wrapped, err := wrapKeyset(root, row.Person, handle)
			if err != nil {
				return err
			}
			sealedIndex, err := root.Encrypt(index, indexPlace(row.Person))
			clear(index)
			if err != nil {
				return err
			}
			arg.UserIds, arg.OldRoots, arg.KeyIds = append(arg.UserIds, row.UserID), append(arg.OldRoots, row.RootID), append(arg.KeyIds, int64(primaryOf(handle)))
			arg.Keysets, arg.IndexKeys = append(arg.Keysets, wrapped), append(arg.IndexKeys, sealedIndex)
		}
		changed, err := k.q.RewrapKeysSystem(ctx, tx, arg)
		done.Rewrapped += changed
		return err
	})
	return last, n, err
}

// retire ends the root keys that wrap nothing any more. It waits for whoever makes keys under one of them at this moment.
func (k *Keeper) retire(ctx context.Context) (retired []string, err error) {
	err = k.db.Tx(ctx, db.System(), func(tx pgx.Tx) error {
		if err := k.q.LockRootsSystem(ctx, tx); err != nil {
			return err
		}
		active, err := k.q.ActiveRootSystem(ctx, tx)
		if err != nil {
			return err
		}
		if err := k.q.LockOldRootsSystem(ctx, tx, active); err != nil {
			return err
		}
		retired, err = k.q.RetireRootsSystem(ctx, tx, vaultdb.RetireRootsSystemParams{ActiveID: active, AppID: k.cfg.App, Actor: Operator})
		return err
	})
	if retired == nil {
		retired = []string{}
	}
	return retired, err
}
