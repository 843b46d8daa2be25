package vault

import (
	"context"
	"fmt"
)

// Proof is what of a vault opens with the keyring at hand, and what does not.
type Proof struct {
	Users      int64        `json:"users"`  // whose keys open
	Opened     int64        `json:"opened"` // sealed texts
	Missing    []string     `json:"missing,omitempty"`
	Unreadable []SealedText `json:"unreadable,omitempty"`
	Lost       int64        `json:"lost"` // texts of users without keys
}

// Whole reports whether everything opens.
func (p Proof) Whole() bool { return len(p.Missing) == 0 && len(p.Unreadable) == 0 && p.Lost == 0 }

const proveBatch = 100 // users at a time

// Prove opens every sealed text of every user and changes nothing. Missing says for each root key that cannot be had how to
// come by it; what is under it counts as neither opened nor unreadable.
func (k *Keeper) Prove(ctx context.Context) (p Proof, err error) {
	r := &roots{db: k.db, q: k.q, ring: k.cfg.Keyring}
	r.set.Store(&rootSet{})
	rows, err := r.rows(ctx)
	if err != nil {
		return p, err
	}
	set, missing := r.resolve(ctx, rows)
	for _, m := range missing {
		p.Missing = append(p.Missing, m.Error())
	}
	r.set.Store(set)
	texts, err := k.q.SealedTextsSystem(ctx, k.system())
	if err != nil {
		return p, err
	}
	for _, t := range texts {
		p.Lost += t.Lost
	}
	all := *k
	all.everything = true
	for after := int64(0); ; {
		rows, err := k.q.KeysToProveSystem(ctx, k.system(), after, proveBatch)
		if err != nil {
			return p, err
		}
		users := map[int64]member{}
		for _, row := range rows {
			after = row.UserID
			root, ok := set.byID[row.RootID]
			if !ok {
				continue
			}
			keys, err := openKeys(root.Box, row.Person, row.Keyset, row.IndexKey)
			if err != nil {
				p.Unreadable = append(p.Unreadable, SealedText{"vault_keys", fmt.Sprint(row.UserID), row.Person})
				continue
			}
			users[row.UserID] = member{row.Person, keys}
		}
		p.Users += int64(len(users))
		if err := all.proveTexts(ctx, users, &p); err != nil {
			return p, err
		}
		k.cfg.Progress("texts opened", p.Opened, p.Opened)
		if len(rows) < proveBatch {
			return p, nil
		}
	}
}

// proveTexts opens what these users have.
func (k *Keeper) proveTexts(ctx context.Context, users map[int64]member, p *Proof) error {
	if len(users) == 0 {
		return nil
	}
	for _, table := range sealedTables {
		pages := table.open(k, users)
		for {
			page, err := pages.next(ctx)
			if err != nil {
				return fmt.Errorf("prove %s: %w", table.name, err)
			}
			if len(page) == 0 {
				break
			}
			for _, t := range page {
				m := users[t.user]
				content, err := m.keys.openRecord(t.at, t.old)
				clear(content)
				if err != nil {
					p.Unreadable = append(p.Unreadable, SealedText{table.name, t.id, m.person})
					continue
				}
				p.Opened++
			}
		}
	}
	return nil
}
