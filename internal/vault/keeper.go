package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"turkey/internal/db"
	"turkey/internal/keyring"
	"turkey/internal/vault/vaultdb"
)

// Operator is how audit rows name whoever runs commands on the machine.
const Operator = "gravy"

// KeeperConfig is what a Keeper needs.
type KeeperConfig struct {
	DB       *db.DB
	Keyring  *keyring.Keyring
	App      string                               // in whose audit the operator's acts are: the default app
	Progress func(what string, done, total int64) // nil: nobody looks
}

// Keeper acts on the vault's keys for the operator, beside running servers. Each act can be cut off at any point and
// started again.
type Keeper struct {
	cfg KeeperConfig
	db  *db.DB
	q   *vaultdb.Queries

	everything bool // pages of sealed texts have all of them, not only those under old keys
}

// NewKeeper asks nothing yet.
func NewKeeper(cfg KeeperConfig) *Keeper {
	if cfg.Progress == nil {
		cfg.Progress = func(string, int64, int64) {}
	}
	return &Keeper{cfg: cfg, db: cfg.DB, q: vaultdb.New()}
}

func (k *Keeper) system() db.Conn { return k.db.In(db.System()) }

func (k *Keeper) roots(ctx context.Context) (*roots, error) {
	return openRoots(ctx, k.db, k.q, k.cfg.Keyring)
}

// record writes an act into the audit; facts are ids and numbers.
func (k *Keeper) record(ctx context.Context, action string, facts map[string]any) error {
	meta, err := json.Marshal(facts)
	if err != nil {
		return err
	}
	return k.q.RecordActSystem(ctx, k.system(), vaultdb.RecordActSystemParams{AppID: k.cfg.App, Actor: Operator, Action: action, Meta: string(meta)})
}

// RootStatus is what is told about a root key.
type RootStatus struct {
	ID         string     `json:"id"`
	Source     string     `json:"source"`              // salt, file or kms
	WrappedBy  string     `json:"wrappedBy,omitempty"` // the key service
	Active     bool       `json:"active"`
	Available  bool       `json:"available"` // with the settings at hand
	Problem    string     `json:"problem,omitempty"`
	Users      int64      `json:"users"` // whose keys it wraps
	CreatedAt  time.Time  `json:"createdAt"`
	ActiveFrom *time.Time `json:"activeFrom"`
	RetiredAt  *time.Time `json:"retiredAt"`
	BundledAt  *time.Time `json:"bundledAt"` // the last recovery bundle that holds it
}

// TextStatus counts the sealed texts of a table.
type TextStatus struct {
	Table   string `json:"table"`
	Current int64  `json:"current"` // under the key that seals for their user now
	Older   int64  `json:"older"`   // under one that a reseal replaces
	Lost    int64  `json:"lost"`    // of users without keys: they open never again
}

// Status is the state of the vault's keys. It holds nothing secret.
type Status struct {
	Source        string       `json:"source"` // of new root keys, by the settings at hand
	ActiveRoot    string       `json:"activeRoot"`
	Roots         []RootStatus `json:"roots"`
	Users         int64        `json:"users"` // with keys
	Resealing     int64        `json:"usersInReseal"`
	Texts         []TextStatus `json:"texts"`
	OldestRootAge float64      `json:"oldestRootAgeDays"` // of those that wrap anything
	Recoverable   bool         `json:"recoverable"`       // every root key in use is in some recovery bundle
}

// Status looks at the keys, also where the server would not start.
func (k *Keeper) Status(ctx context.Context) (Status, error) {
	st := Status{Source: k.cfg.Keyring.Describe(), Roots: []RootStatus{}, Recoverable: true}
	r := &roots{db: k.db, q: k.q, ring: k.cfg.Keyring}
	r.set.Store(&rootSet{})
	rows, err := r.rows(ctx)
	if err != nil {
		return st, err
	}
	users, err := k.usersPerRoot(ctx)
	if err != nil {
		return st, err
	}
	texts, err := k.q.SealedTextsSystem(ctx, k.system())
	if err != nil {
		return st, err
	}
	for _, t := range texts {
		st.Texts = append(st.Texts, TextStatus{Table: t.Name, Current: t.Current, Older: t.Older, Lost: t.Lost})
	}
	if st.Resealing, err = k.q.CountResealingSystem(ctx, k.system()); err != nil {
		return st, err
	}
	st.ActiveRoot = activeOf(rows)
	for _, row := range rows {
		set, missing := r.resolve(ctx, []vaultdb.RootsSystemRow{row})
		_, available := set.byID[row.ID]
		one := RootStatus{ID: row.ID, Source: row.Source, WrappedBy: text(row.WrappedBy), Active: row.ID == st.ActiveRoot, Available: available,
			Users: users[row.ID], CreatedAt: row.CreatedAt, ActiveFrom: row.ActiveFrom, RetiredAt: row.RetiredAt, BundledAt: row.BundledAt}
		if len(missing) > 0 {
			one.Problem = errors.Join(missing...).Error()
		}
		st.Roots = append(st.Roots, one)
		st.Users += one.Users
		if one.Users > 0 || one.Active {
			st.Recoverable = st.Recoverable && row.BundledAt != nil
			st.OldestRootAge = max(st.OldestRootAge, time.Since(row.CreatedAt).Hours()/24)
		}
	}
	st.Recoverable = st.Recoverable && len(rows) > 0
	return st, nil
}

// usersPerRoot counts whose keys each root key wraps: what proves a rotation.
func (k *Keeper) usersPerRoot(ctx context.Context) (map[string]int64, error) {
	rows, err := k.q.UsersPerRootSystem(ctx, k.system())
	if err != nil {
		return nil, fmt.Errorf("count keys per root key: %w", err)
	}
	users := map[string]int64{}
	for _, row := range rows {
		users[row.ID] = row.Users
	}
	return users, nil
}
