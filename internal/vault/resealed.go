package vault

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"turkey/internal/vault/vaultdb"
)

const (
	textBatch = 200 // texts at a time, of 88 KB at most
	textTries = 5   // over a table whose texts are written meanwhile
)

// sealedText is a text under an old key.
type sealedText struct {
	user int64
	id   string // for people
	at   placed
	old  string
}

// sealedTable is a table with sealed texts. read returns the next ones under old keys after the one it stopped at, and
// write puts new texts in place of the old ones of the same page, where they are still there.
type sealedTable struct {
	name string
	open func(k *Keeper, users map[int64]member) sealedPages
}

type sealedPages struct {
	next  func(ctx context.Context) ([]sealedText, error)
	write func(ctx context.Context, picked []int, texts []string) (int64, error) // picked: positions in the last page
}

// sealedTables are all that is sealed under users' keys. Contents come before their history: a write may move one there.
var sealedTables = []sealedTable{
	{"credentials", (*Keeper).credentialPages},
	{"credential_versions", (*Keeper).versionPages},
	{"credential_tokens", (*Keeper).tokenPages},
	{"webhooks", (*Keeper).webhookPages},
}

// resealTexts seals what these users have under old keys with their new one.
func (k *Keeper) resealTexts(ctx context.Context, users map[int64]member, done *Resealing) error {
	for _, table := range sealedTables {
		for range textTries {
			unreadable := []SealedText{}
			missed, err := k.resealTable(ctx, table, users, done, &unreadable)
			if err != nil {
				return fmt.Errorf("reseal %s: %w", table.name, err)
			}
			if missed == 0 {
				done.Unreadable = append(done.Unreadable, unreadable...)
				break
			}
		}
	}
	return nil
}

// resealTable goes once over the texts of a table. missed are those that were written meanwhile.
func (k *Keeper) resealTable(ctx context.Context, table sealedTable, users map[int64]member, done *Resealing, unreadable *[]SealedText) (missed int64, err error) {
	pages := table.open(k, users)
	for {
		page, err := pages.next(ctx)
		if err != nil || len(page) == 0 {
			return missed, err
		}
		var picked []int
		var texts []string
		for i, t := range page {
			m := users[t.user]
			content, err := m.keys.openRecord(t.at, t.old)
			if err != nil {
				*unreadable = append(*unreadable, SealedText{table.name, t.id, m.person})
				continue
			}
			anew, err := m.keys.sealRecord(t.at, content)
			clear(content)
			if err != nil {
				return missed, err
			}
			picked, texts = append(picked, i), append(texts, anew)
		}
		n, err := pages.write(ctx, picked, texts)
		if err != nil {
			return missed, err
		}
		done.Resealed[table.name] += n
		missed += int64(len(picked)) - n
	}
}

func numbersOf(users map[int64]member) []int64 { return slices.Collect(maps.Keys(users)) }

// pick takes some elements of a page, mapped.
func pick[R, V any](rows []R, picked []int, of func(R) V) []V {
	out := make([]V, len(picked))
	for i, p := range picked {
		out[i] = of(rows[p])
	}
	return out
}

func (k *Keeper) credentialPages(users map[int64]member) sealedPages {
	arg := vaultdb.OldCredentialsSystemParams{UserIds: numbersOf(users), Everything: k.everything, Batch: textBatch}
	var rows []vaultdb.OldCredentialsSystemRow
	return sealedPages{
		next: func(ctx context.Context) (page []sealedText, err error) {
			rows, err = k.q.OldCredentialsSystem(ctx, k.system(), arg)
			for _, r := range rows {
				arg.After = r.ID
				page = append(page, sealedText{r.UserID, fmt.Sprint(r.ID),
					record{user: users[r.UserID].person, uid: r.Uid, service: r.Service, version: r.Version}, r.Sealed})
			}
			return page, err
		},
		write: func(ctx context.Context, picked []int, texts []string) (int64, error) {
			return k.q.ResealCredentialsSystem(ctx, k.system(), vaultdb.ResealCredentialsSystemParams{
				Ids: pick(rows, picked, func(r vaultdb.OldCredentialsSystemRow) int64 { return r.ID }),
				Old: pick(rows, picked, func(r vaultdb.OldCredentialsSystemRow) string { return r.Sealed }), New: texts})
		},
	}
}

func (k *Keeper) versionPages(users map[int64]member) sealedPages {
	arg := vaultdb.OldVersionsSystemParams{UserIds: numbersOf(users), Everything: k.everything, Batch: textBatch}
	var rows []vaultdb.OldVersionsSystemRow
	return sealedPages{
		next: func(ctx context.Context) (page []sealedText, err error) {
			rows, err = k.q.OldVersionsSystem(ctx, k.system(), arg)
			for _, r := range rows {
				arg.After, arg.AfterVersion = r.CredentialID, r.Version
				page = append(page, sealedText{r.UserID, fmt.Sprintf("%d/%d", r.CredentialID, r.Version),
					record{user: users[r.UserID].person, uid: r.Uid, service: r.Service, version: r.Version}, r.Sealed})
			}
			return page, err
		},
		write: func(ctx context.Context, picked []int, texts []string) (int64, error) {
			return k.q.ResealVersionsSystem(ctx, k.system(), vaultdb.ResealVersionsSystemParams{
				Ids:      pick(rows, picked, func(r vaultdb.OldVersionsSystemRow) int64 { return r.CredentialID }),
				Versions: pick(rows, picked, func(r vaultdb.OldVersionsSystemRow) int32 { return r.Version }),
				Old:      pick(rows, picked, func(r vaultdb.OldVersionsSystemRow) string { return r.Sealed }), New: texts})
		},
	}
}

func (k *Keeper) tokenPages(users map[int64]member) sealedPages {
	arg := vaultdb.OldTokensSystemParams{UserIds: numbersOf(users), Everything: k.everything, Batch: textBatch}
	var rows []vaultdb.OldTokensSystemRow
	return sealedPages{
		next: func(ctx context.Context) (page []sealedText, err error) {
			rows, err = k.q.OldTokensSystem(ctx, k.system(), arg)
			for _, r := range rows {
				arg.After = r.CredentialID
				page = append(page, sealedText{r.UserID, fmt.Sprint(r.CredentialID),
					pairPlace{user: users[r.UserID].person, uid: r.Uid, version: r.Version, generation: r.Generation}, r.Sealed})
			}
			return page, err
		},
		write: func(ctx context.Context, picked []int, texts []string) (int64, error) {
			return k.q.ResealTokensSystem(ctx, k.system(), vaultdb.ResealTokensSystemParams{
				Ids: pick(rows, picked, func(r vaultdb.OldTokensSystemRow) int64 { return r.CredentialID }),
				Old: pick(rows, picked, func(r vaultdb.OldTokensSystemRow) string { return r.Sealed }), New: texts})
		},
	}
}

func (k *Keeper) webhookPages(users map[int64]member) sealedPages {
	arg := vaultdb.OldWebhooksSystemParams{UserIds: numbersOf(users), Everything: k.everything, Batch: textBatch}
	var rows []vaultdb.OldWebhooksSystemRow
	return sealedPages{
		next: func(ctx context.Context) (page []sealedText, err error) {
			rows, err = k.q.OldWebhooksSystem(ctx, k.system(), arg)
			for _, r := range rows {
				arg.After = r.ID
				page = append(page, sealedText{r.UserID, r.ID.String(), purposePlace{users[r.UserID].person, webhookPurpose, r.ID.String()}, r.Sealed})
			}
			return page, err
		},
		write: func(ctx context.Context, picked []int, texts []string) (int64, error) {
			return k.q.ResealWebhooksSystem(ctx, k.system(), vaultdb.ResealWebhooksSystemParams{
				Ids: pick(rows, picked, func(r vaultdb.OldWebhooksSystemRow) uuid.UUID { return r.ID }),
				Old: pick(rows, picked, func(r vaultdb.OldWebhooksSystemRow) string { return r.Sealed }), New: texts})
		},
	}
}
