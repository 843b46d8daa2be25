package audit

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"io/fs"
	"path/filepath"

	"turkey/internal/audit/auditdb"
)

// files explains the rows that are in no table any more by the records of archived months, and holds the files against the
// seals where they are at hand.
func (v *verification) files(ctx context.Context) error {
	records, err := v.q.ArchivesSystem(ctx, v.system())
	if err != nil {
		return err
	}
	of := map[place][]auditdb.AuditArchive{}
	for _, r := range records {
		p := place{r.Log, r.Month.Format("2006-01")}
		if !ed25519.Verify(v.PublicKey(), signedRecord(r), r.Signature) {
			v.found(Finding{Kind: "archive", Log: p.log, Month: p.month}, "The record of the file %s was not made by this server: its signature does not fit", r.File)
			continue
		}
		of[p] = append(of[p], r)
	}
	for p, gone := range v.missing {
		left, err := v.inFiles(ctx, of[p], gone)
		if err != nil {
			return err
		}
		for _, m := range left {
			v.found(Finding{Kind: "removed", Log: p.log, ID: m.id, Month: p.month, Seal: m.seal}, "Row %s of %s was removed", m.id, p.log)
		}
	}
	return nil
}

// inFiles returns the rows that no file has. Without the files, their records bound how many rows may be gone.
func (v *verification) inFiles(ctx context.Context, records []auditdb.AuditArchive, gone []missing) (left []missing, err error) {
	byID := make(map[string]missing, len(gone))
	for _, m := range gone {
		byID[m.id] = m
	}
	var unread int
	for _, r := range records {
		if v.scope.Dir == "" {
			unread += int(r.Rows)
			continue
		}
		f := Finding{Kind: "archive", Log: r.Log, Month: r.Month.Format("2006-01")}
		var held []entry
		var failed error // of the database, and no fault of the file
		sum, err := readFile(filepath.Join(v.scope.Dir, r.File), func(h fileHeader, row []byte) error {
			e, err := entryOf(h.Log, row)
			if err != nil {
				return err
			}
			if held = append(held, e); len(held) < fileBatch {
				return nil
			}
			failed = v.judgeFiled(ctx, r.File, held, byID)
			held = held[:0]
			return failed
		})
		if err == nil {
			failed = v.judgeFiled(ctx, r.File, held, byID)
		}
		if failed != nil {
			return nil, failed
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			unread += int(r.Rows)
		case err != nil:
			v.found(f, "%v", err)
		case !bytes.Equal(sum, r.Sha256):
			v.found(f, "The file %s is not the one that was written: its SHA-256 is another", r.File)
		}
	}
	for _, m := range gone {
		if _, ok := byID[m.id]; ok {
			left = append(left, m)
		}
	}
	if len(left) <= unread {
		v.report.Archived += int64(len(left))
		return nil, nil
	}
	if unread > 0 {
		v.found(Finding{Kind: "archive", Log: records[0].Log, Month: records[0].Month.Format("2006-01")},
			"%d rows are gone, and the files of that month that were not read hold %d; which were removed is told with --dir", len(left), unread)
		return nil, nil
	}
	return left, nil
}

// judgeFiled holds rows of a file against their seals, and takes them off the list of those that are gone.
func (v *verification) judgeFiled(ctx context.Context, file string, rows []entry, gone map[string]missing) error {
	var who []string
	for _, e := range rows {
		if e.who != "" {
			who = append(who, e.who)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	keys, err := v.keysOf(ctx, rows[0].log, who)
	if err != nil {
		return err
	}
	for _, e := range rows {
		m, ok := gone[e.id]
		if !ok {
			continue
		}
		delete(gone, e.id)
		e = e.under(m.form)
		v.report.Archived++
		if f, ok := v.judge(e, keys[e.who], m.leaf, m.person, m.seal); !ok && !v.left(e, m) {
			v.found(f, "Row %s of %s was changed in the file %s", e.id, e.log, file)
		}
	}
	return nil
}

// left tells whether the row was sealed for a person who was taken out of the audit after it was archived: what the file says
// of the person cannot be checked any more, the rest can.
func (v *verification) left(e entry, m missing) bool {
	for _, pseudonyms := range v.erasures {
		for _, p := range pseudonyms {
			if e.leaf(sealedAs{p, m.person}, false) == m.leaf {
				return true
			}
		}
	}
	return false
}
