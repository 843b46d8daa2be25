package audit

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/audit/auditdb"
)

// Restored says what came back from a file.
type Restored struct {
	Log   string `json:"log"`
	Month string `json:"month"`
	Rows  int64  `json:"rows" doc:"Rows that came back; those that were there already are not counted"`
	Blank int64  `json:"blank" doc:"Of these, rows whose person was taken out of the audit since they were archived"`
}

// Restore brings an archived month back into its table. owner is a connection with the rights of turkey_owner. Whoever was
// taken out of the audit since does not come back with it.
func (k *Keeper) Restore(ctx context.Context, owner *pgx.Conn, path string) (Restored, error) {
	var r Restored
	record, err := k.recordOf(ctx, path)
	if err != nil {
		return r, err
	}
	// Once over the whole file before anything is written: its sum, and who is in it.
	seen := map[string]bool{}
	var persons []string
	sum, err := readFile(path, func(h fileHeader, row []byte) error {
		r.Log, r.Month = h.Log, h.Month
		e, err := entryOf(h.Log, row)
		if e.who != "" && !seen[e.who] {
			seen[e.who] = true
			persons = append(persons, e.who)
		}
		return err
	})
	switch {
	case err != nil:
		return r, err
	case !bytes.Equal(sum, record.Sha256):
		return r, fmt.Errorf("%s is not the file that was written: its SHA-256 is another", path)
	}
	blanks, sealed, err := k.blanks(ctx, record, path, persons)
	if err != nil {
		return r, err
	}
	if r.Log == vaultLog {
		if _, err := owner.Exec(ctx, `SELECT public.make_audit_month($1)`, record.Month); err != nil {
			return r, err
		}
	}
	var batch []json.RawMessage
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		tag, err := owner.Exec(ctx, `INSERT INTO public.`+r.Log+` SELECT * FROM jsonb_populate_recordset(NULL::public.`+r.Log+`, $1::jsonb) ON CONFLICT DO NOTHING`, batch)
		r.Rows += tag.RowsAffected()
		batch = batch[:0]
		return err
	}
	_, err = readFile(path, func(h fileHeader, row []byte) error {
		e, err := entryOf(h.Log, row)
		if err != nil {
			return err
		}
		if erasure, ok := blanks[e.who]; ok && e.who != "" {
			r.Blank++
			if m, known := sealed[e.id]; known {
				e = e.under(m.form)
			}
			if row, err = e.blanked(row, erasure); err != nil {
				return err
			}
		}
		if batch = append(batch, row); len(batch) == removeBatch {
			return flush()
		}
		return nil
	})
	if err == nil {
		err = flush()
	}
	if err == nil {
		_, err = owner.Exec(ctx, `UPDATE public.audit_archives SET restored_at = now() WHERE file = $1`, record.File)
	}
	return r, err
}

// recordOf is what the server noted when it wrote the file.
func (k *Keeper) recordOf(ctx context.Context, path string) (auditdb.AuditArchive, error) {
	records, err := k.q.ArchivesSystem(ctx, k.system())
	if err != nil {
		return auditdb.AuditArchive{}, err
	}
	i := slices.IndexFunc(records, func(r auditdb.AuditArchive) bool { return r.File == filepath.Base(path) })
	if i < 0 {
		return auditdb.AuditArchive{}, fmt.Errorf("no file of the name %s was archived from this database", filepath.Base(path))
	}
	if !ed25519.Verify(k.PublicKey(), signedRecord(records[i]), records[i].Signature) {
		return auditdb.AuditArchive{}, fmt.Errorf("the record of the file %s was not made by this server: its signature does not fit", records[i].File)
	}
	return records[i], nil
}

// blanks are the persons of a file who were taken out of the audit, with their erasure. Erasures do not name anybody: which
// one it was is told by a row that was sealed for the person. If there are any, it returns how the file's rows were sealed, too.
func (k *Keeper) blanks(ctx context.Context, record auditdb.AuditArchive, path string, persons []string) (map[string]int64, map[string]missing, error) {
	gone, err := k.q.GoneSystem(ctx, k.system(), persons, record.Log)
	if err != nil || len(gone) == 0 {
		return nil, nil, err
	}
	v := &verification{Keeper: k, erasures: map[int64][][hashSize]byte{}}
	if err := v.readErasures(ctx); err != nil {
		return nil, nil, err
	}
	sealed, err := k.sealedIn(ctx, record)
	if err != nil {
		return nil, nil, err
	}
	blanks := map[string]int64{}
	_, err = readFile(path, func(h fileHeader, row []byte) error {
		e, err := entryOf(h.Log, row)
		m, known := sealed[e.id]
		if _, done := blanks[e.who]; err != nil || !known || done || !slices.Contains(gone, e.who) {
			return err
		}
		for id, pseudonyms := range v.erasures {
			for _, p := range pseudonyms {
				if e.under(m.form).leaf(sealedAs{p, m.person}, false) == m.leaf {
					blanks[e.who] = id
				}
			}
		}
		return nil
	})
	return blanks, sealed, err
}

// sealedIn is how the rows of a month were sealed, by their ids.
func (k *Keeper) sealedIn(ctx context.Context, record auditdb.AuditArchive) (map[string]missing, error) {
	numbers, err := k.q.CoveringSystem(ctx, k.system(), auditdb.CoveringSystemParams{Log: record.Log, Since: record.Month, Until: record.Month.AddDate(0, 1, 0)})
	if err != nil {
		return nil, err
	}
	sealed := map[string]missing{}
	for _, no := range numbers { // each is as large as what it covers
		c, err := k.q.CoveredSystem(ctx, k.system(), no)
		if err != nil {
			return nil, err
		}
		leaves, ok1 := parted(c.Leaves, len(c.Ids))
		persons, ok2 := parted(c.Persons, len(c.Ids))
		if !ok1 || !ok2 {
			return nil, errors.New("seals of this month were changed: look at `gravy audit verify`")
		}
		for i, id := range c.Ids {
			if month(c.Ats[i]) == record.Month.Format("2006-01") {
				sealed[id] = missing{id, no, c.NewestForm, leaves[i], persons[i]}
			}
		}
	}
	return sealed, nil
}

// blanked is a row, as a file has it, as forget_in_audit leaves it.
func (e entry) blanked(row []byte, erasure int64) ([]byte, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(row, &m); err != nil {
		return nil, err
	}
	null := json.RawMessage("null")
	m["user_id"] = null
	if e.own() {
		m["actor"] = json.RawMessage(`"deleted"`)
	}
	m["erasure"] = fmt.Append(nil, erasure)
	if e.form != firstForm && e.message != nil {
		m["error_message"] = null
	}
	facts, err := e.left()
	if err != nil {
		return nil, err
	}
	if e.log == vaultLog {
		m["metadata"] = json.RawMessage(*facts)
		return json.Marshal(m)
	}
	m["ip"], m["user_agent"] = null, null
	if m["meta"], err = json.Marshal(facts); err != nil {
		return nil, err
	}
	return json.Marshal(m)
}

// MonthOf reads a month, 2026-01; its first moment in UTC.
func MonthOf(text string) (time.Time, error) {
	t, err := time.Parse("2006-01", text)
	if err != nil {
		return t, errors.New("expected a month, such as 2026-01")
	}
	return t, nil
}
