package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/keyring"
	"turkey/internal/seal"
	"turkey/internal/vault/vaultdb"
)

// checkText is what a root key seals in vault_roots, so that another key under its id is noticed before it does harm.
const checkText = "turkey vault root key check"

// Reading the root keys again, because a row names one that is not here or the active one has changed.
const (
	rereadPause   = 3 * time.Second // for the same reason
	rereadTimeout = 15 * time.Second
)

// roots are the root keys of the database that this process can have. Which one is active the database says, not the
// settings: servers that were started with a new one go on with the old until a rotation.
type roots struct {
	db   *db.DB
	q    *vaultdb.Queries
	ring *keyring.Keyring

	set     atomic.Pointer[rootSet]
	reading sync.Mutex
	tried   map[string]time.Time // reasons for the last readings
}

type rootSet struct {
	active string
	byID   map[string]keyring.Root
}

// openRoots has every root key that the database needs, or fails before anything is read: half a vault is worse than none.
// The first start puts the configured one in.
func openRoots(ctx context.Context, database *db.DB, q *vaultdb.Queries, ring *keyring.Keyring) (*roots, error) {
	r := &roots{db: database, q: q, ring: ring, tried: map[string]time.Time{}}
	r.set.Store(&rootSet{})
	rows, err := r.rows(ctx)
	if err == nil && len(rows) == 0 {
		if err = r.first(ctx); err == nil {
			rows, err = r.rows(ctx)
		}
	}
	if err != nil {
		return nil, err
	}
	set, missing := r.resolve(ctx, rows)
	if len(missing) > 0 {
		return nil, errors.Join(missing...)
	}
	r.set.Store(set)
	return r, nil
}

func (r *roots) rows(ctx context.Context) ([]vaultdb.RootsSystemRow, error) {
	rows, err := r.q.RootsSystem(ctx, r.db.In(db.System()))
	if err != nil {
		return nil, fmt.Errorf("read vault root keys: %w", err)
	}
	return rows, nil
}

// first puts the first root key into the database. Of servers that start together one does.
func (r *roots) first(ctx context.Context) error {
	root, ok, err := r.ring.Waiting(nil)
	if err == nil && !ok {
		root, err = r.ring.Make(ctx)
	}
	if err != nil {
		return fmt.Errorf("the vault's first root key: %w", err)
	}
	if err := r.activate(ctx, root, "", nil); !errors.Is(err, errRootChanged) {
		return err
	}
	return nil
}

// errRootChanged: another process activated a root key meanwhile.
var errRootChanged = errors.New("another process changed the active root key at this moment: see `gravy vault status`, and run this again if it is still needed")

// activate makes a root key the one that wraps from now on, if the active one is still the expected one.
func (r *roots) activate(ctx context.Context, root keyring.Root, expected string, app *string) error {
	check, err := root.Box.Encrypt([]byte(checkText), []byte(checkText))
	if err != nil {
		return err
	}
	meta, err := json.Marshal(map[string]any{"rootId": root.ID, "source": root.Source, "previousRootId": expected})
	if err != nil {
		return err
	}
	return r.db.Tx(ctx, db.System(), func(tx pgx.Tx) error {
		if err := r.q.LockRootsSystem(ctx, tx); err != nil {
			return err
		}
		active, err := r.q.ActiveRootSystem(ctx, tx)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if active != expected {
			return errRootChanged
		}
		return r.q.ActivateRootSystem(ctx, tx, vaultdb.ActivateRootSystemParams{ID: root.ID, Source: root.Source, CheckValue: check,
			Wrapped: root.Wrapped, WrappedBy: optional(root.WrappedBy), AppID: app, Actor: Operator, Meta: string(meta)})
	})
}

// activeOf is the root key that wraps now: the newest that is in use and not retired.
func activeOf(rows []vaultdb.RootsSystemRow) string {
	for _, row := range rows { // the newest first
		if row.ActiveFrom != nil && row.RetiredAt == nil {
			return row.ID
		}
	}
	return ""
}

// resolve finds the keys of the rows and lists what cannot be had though it is needed: for the active one, and for each that
// wraps anybody's keys.
func (r *roots) resolve(ctx context.Context, rows []vaultdb.RootsSystemRow) (set *rootSet, missing []error) {
	have := r.set.Load().byID
	set = &rootSet{active: activeOf(rows), byID: map[string]keyring.Root{}}
	known, err := r.ring.Known()
	if err != nil {
		return set, []error{err}
	}
	for _, row := range rows {
		needed := row.InUse || row.ID == set.active
		if row.RetiredAt != nil && !needed {
			continue
		}
		root, ok := have[row.ID]
		if !ok {
			root, ok = known[row.ID]
		}
		var cause error
		if !ok && row.Wrapped != nil {
			root, cause = r.ring.Unwrap(ctx, row.ID, row.Wrapped, text(row.WrappedBy))
			ok = cause == nil
		}
		if ok {
			cause = checkRoot(row, root)
		}
		switch {
		case ok && cause == nil:
			set.byID[row.ID] = root
		case needed:
			missing = append(missing, unavailable(row, cause))
		}
	}
	return set, missing
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

var errCheckValue = errors.New("it does not open its check value")

func checkRoot(row vaultdb.RootsSystemRow, root keyring.Root) error {
	if _, err := root.Box.Decrypt(row.CheckValue, []byte(checkText)); err != nil {
		return errCheckValue
	}
	return nil
}

// unavailable says how to come by a root key that is needed.
func unavailable(row vaultdb.RootsSystemRow, cause error) error {
	switch {
	case errors.Is(cause, errCheckValue) && row.Source == keyring.FromSalt:
		return errors.New("the stored check value of the vault's root key is damaged: restore table vault_roots from a backup")
	case errors.Is(cause, errCheckValue):
		return fmt.Errorf("the vault's root key %s is not the one that this database was made with: put the right key back under that id, or restore table vault_roots from a backup", row.ID)
	case cause != nil:
		return fmt.Errorf("the vault's root key %s cannot be had, so its credentials would not open: %w", row.ID, cause)
	case row.Source == keyring.FromSalt:
		return fmt.Errorf("ENCRYPTION_KEY_SALT is not the one this database was made with (root key %s), so no credential would open: "+
			"start with the old value, as ENCRYPTION_KEY_SALT or, besides a new one, as ENCRYPTION_KEY_SALT_PREVIOUS", row.ID)
	}
	return fmt.Errorf("the vault's root key %s is in no keyring file, so its credentials would not open: name the file that holds it in VAULT_KEYRING "+
		"(file:/path/keyring.json), or make one of a recovery bundle with `gravy vault recovery keyring`", row.ID)
}

// errNoRoot says nothing of what is sealed: another server, or this one with the right settings, opens it.
var errNoRoot = fault.New(fault.Unavailable, "SERVICE_ERROR", "The keys of this account are not available on this server at the moment").WithRetryAfter(5 * time.Second)

// box is a root key that a row names.
func (r *roots) box(ctx context.Context, id string) (*seal.Box, error) {
	if root, ok := r.set.Load().byID[id]; ok {
		return root.Box, nil
	}
	err := r.reread(ctx, id, func(s *rootSet) bool { return s.byID[id].Box != nil })
	if root, ok := r.set.Load().byID[id]; ok {
		return root.Box, nil
	}
	if err == nil {
		err = fmt.Errorf("root key %s was looked for a moment ago", id)
	}
	return nil, errNoRoot.Because(err)
}

// active is the root key that wraps what is made now, as far as this process knows.
func (r *roots) active() *seal.Box {
	set := r.set.Load()
	return set.byID[set.active].Box
}

// overtaken learns which root key is active now: the one of that id is not any more.
func (r *roots) overtaken(ctx context.Context, id string) error {
	return r.reread(ctx, "active:"+id, func(s *rootSet) bool { return s.active != id })
}

// reread reads the root keys of the database again unless that was done for this reason a moment ago, or another caller did
// it while this one waited. What is here stays when it fails.
func (r *roots) reread(ctx context.Context, reason string, done func(*rootSet) bool) error {
	r.reading.Lock()
	defer r.reading.Unlock()
	if done(r.set.Load()) || time.Since(r.tried[reason]) < rereadPause {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rereadTimeout) // others wait for it too
	defer cancel()
	rows, err := r.rows(ctx)
	if err != nil {
		return err
	}
	set, missing := r.resolve(ctx, rows)
	if set.byID[set.active].Box == nil { // nothing could be made; what it says of the others holds
		set.active = r.set.Load().active
		set.byID[set.active] = r.set.Load().byID[set.active]
	}
	r.set.Store(set)
	if len(r.tried) > 100 {
		clear(r.tried)
	}
	r.tried[reason] = time.Now()
	if !done(set) {
		return errors.Join(missing...)
	}
	return nil
}
