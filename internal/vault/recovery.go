package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/google/uuid"

	"turkey/internal/keyring"
	"turkey/internal/vault/vaultdb"
)

// Bundle is a copy of the root keys for the day on which their source is lost. Outside this process it exists only encrypted
// to age recipients, whose identities belong somewhere else than the server.
type Bundle struct {
	Version   int           `json:"version"`
	CreatedAt time.Time     `json:"createdAt"`
	Roots     []BundledRoot `json:"roots"`
}

// BundledRoot is a root key with what recognises it.
type BundledRoot struct {
	ID         string    `json:"id"`
	Source     string    `json:"source"`
	Key        []byte    `json:"key"`
	CheckValue []byte    `json:"checkValue"`
	CreatedAt  time.Time `json:"createdAt"`
}

// CreateBundle encrypts every live root key to age recipients (age1…), any of whom can open it, and returns the bundle as
// text and the ids of the root keys in it.
func (k *Keeper) CreateBundle(ctx context.Context, recipients []string) (sealed []byte, ids []string, err error) {
	to, err := age.ParseRecipients(strings.NewReader(strings.Join(recipients, "\n")))
	if err != nil {
		return nil, nil, errors.New("the recipient of a recovery bundle is an age public key (age1…), as age-keygen prints it")
	}
	r, err := k.roots(ctx)
	if err != nil {
		return nil, nil, err
	}
	rows, err := r.rows(ctx)
	if err != nil {
		return nil, nil, err
	}
	set := r.set.Load()
	b := Bundle{Version: 1, CreatedAt: time.Now().UTC().Truncate(time.Second)}
	for _, row := range rows {
		if root, ok := set.byID[row.ID]; ok {
			b.Roots = append(b.Roots, BundledRoot{ID: row.ID, Source: row.Source, Key: root.Key, CheckValue: row.CheckValue, CreatedAt: row.CreatedAt})
			ids = append(ids, row.ID)
		}
	}
	if sealed, err = b.seal(to); err != nil {
		return nil, nil, err
	}
	meta, err := json.Marshal(map[string]any{"rootIds": ids, "recipients": recipients})
	if err != nil {
		return nil, nil, err
	}
	return sealed, ids, k.q.RecordBundleSystem(ctx, k.system(), vaultdb.RecordBundleSystemParams{AppID: k.cfg.App, Actor: Operator, Meta: string(meta), Ids: ids})
}

func (b Bundle) seal(to []age.Recipient) ([]byte, error) {
	plain, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	var out bytes.Buffer
	armored := armor.NewWriter(&out)
	w, err := age.Encrypt(armored, to...)
	if err != nil {
		return nil, fmt.Errorf("encrypt the recovery bundle: %w", err)
	}
	_, err = w.Write(plain)
	err = errors.Join(err, w.Close(), armored.Close())
	return out.Bytes(), err
}

// OpenBundle decrypts a recovery bundle with the identities (AGE-SECRET-KEY-1…) in a file.
func OpenBundle(identities io.Reader, sealed io.Reader) (Bundle, error) {
	who, err := age.ParseIdentities(identities)
	if err != nil { // its words quote the line
		return Bundle{}, errors.New("the identity file holds no age identity: expected a line AGE-SECRET-KEY-1…, as age-keygen writes it")
	}
	plain, err := age.Decrypt(armor.NewReader(sealed), who...)
	if err != nil {
		if _, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
			return Bundle{}, errors.New("the recovery bundle is encrypted to somebody else than this identity")
		}
		return Bundle{}, fmt.Errorf("the recovery bundle does not open: %w", err)
	}
	raw, err := io.ReadAll(plain)
	defer clear(raw)
	var b Bundle
	if err != nil || json.Unmarshal(raw, &b) != nil || len(b.Roots) == 0 {
		return Bundle{}, errors.New("the recovery bundle is damaged")
	}
	if b.Version != 1 {
		return Bundle{}, fmt.Errorf("the recovery bundle is of version %d, which this program does not know", b.Version)
	}
	return b, nil
}

// Keys are the root keys of the bundle.
func (b Bundle) Keys() ([]keyring.Root, error) {
	all := make([]keyring.Root, len(b.Roots))
	for i, r := range b.Roots {
		root, err := keyring.NewRoot(r.ID, r.Source, r.Key, r.CreatedAt)
		if err != nil {
			return nil, fmt.Errorf("the recovery bundle is damaged: %w", err)
		}
		if _, err := root.Box.Decrypt(r.CheckValue, []byte(checkText)); err != nil {
			return nil, fmt.Errorf("the recovery bundle is damaged: root key %s does not open its check value", r.ID)
		}
		all[i] = root
	}
	return all, nil
}

// RecoveryTest is what a bundle would bring back.
type RecoveryTest struct {
	MadeAt          time.Time      `json:"madeAt"`
	Roots           []RecoveryRoot `json:"roots"` // those that wrap anything, and the active one
	UsersChecked    int64          `json:"usersChecked"`
	CredentialsRead int64          `json:"credentialsRead"`
	LostUsers       int64          `json:"lostUsers"` // whose credentials would be lost, as far as was looked
	Unreadable      []uuid.UUID    `json:"unreadable,omitempty"`
}

// RecoveryRoot says whether a root key of the database is in a bundle.
type RecoveryRoot struct {
	ID     string `json:"id"`
	Users  int64  `json:"users"`
	Active bool   `json:"active"`
	Opens  bool   `json:"opens"`
}

const (
	recoverySample = 25  // users per root key
	recoveryBatch  = 500 // users at a time, of a full test
)

// TestBundle opens keys and one credential each of a sample of users per root key, or of all, with nothing but the bundle.
// It is an error that anything would be lost.
func (k *Keeper) TestBundle(ctx context.Context, b Bundle, all bool) (RecoveryTest, error) {
	t := RecoveryTest{MadeAt: b.CreatedAt, Roots: []RecoveryRoot{}}
	keys, err := b.Keys()
	if err != nil {
		return t, err
	}
	rows, err := k.q.RootsSystem(ctx, k.system())
	if err != nil {
		return t, err
	}
	users, err := k.usersPerRoot(ctx)
	if err != nil {
		return t, err
	}
	lost, active := 0, activeOf(rows)
	for _, row := range rows {
		if users[row.ID] == 0 && row.ID != active {
			continue
		}
		one := RecoveryRoot{ID: row.ID, Users: users[row.ID], Active: row.ID == active}
		for _, root := range keys {
			if root.ID == row.ID && checkRoot(row, root) == nil {
				one.Opens = true
				if err := k.tryRoot(ctx, root, all, &t); err != nil {
					return t, err
				}
			}
		}
		if !one.Opens {
			t.LostUsers += one.Users
			lost++
		}
		t.Roots = append(t.Roots, one)
	}
	if err := k.record(ctx, "vault_recovery_tested", map[string]any{"users": t.UsersChecked, "credentials": t.CredentialsRead, "lostUsers": t.LostUsers}); err != nil {
		return t, err
	}
	switch {
	case lost > 0:
		return t, fmt.Errorf("%d root keys in use are not in this bundle: make a new one", lost)
	case t.LostUsers > 0:
		return t, fmt.Errorf("the keys or credentials of %d users do not open, with or without the bundle", t.LostUsers)
	}
	return t, nil
}

// tryRoot opens what is under a root key.
func (k *Keeper) tryRoot(ctx context.Context, root keyring.Root, all bool, t *RecoveryTest) error {
	arg := vaultdb.KeysUnderRootSystemParams{RootID: root.ID, AtRandom: !all, Batch: recoverySample}
	if all {
		arg.Batch = recoveryBatch
	}
	for {
		rows, err := k.q.KeysUnderRootSystem(ctx, k.system(), arg)
		if err != nil {
			return err
		}
		for _, row := range rows {
			arg.After = row.UserID
			t.UsersChecked++
			keys, err := openKeys(root.Box, row.Person, row.Keyset, row.IndexKey)
			if err == nil && row.Sealed != "" {
				var content []byte
				if content, err = keys.openRecord(record{user: row.Person, uid: row.Uid, service: row.Service, version: row.Version}, row.Sealed); err == nil {
					t.CredentialsRead++
				}
				clear(content)
			}
			if err != nil {
				t.LostUsers++
				t.Unreadable = append(t.Unreadable, row.Person)
			}
		}
		k.cfg.Progress("users checked", t.UsersChecked, t.UsersChecked)
		if !all || len(rows) < recoveryBatch {
			return nil
		}
	}
}
