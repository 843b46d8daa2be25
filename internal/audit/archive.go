package audit

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/audit/auditdb"
)

// Archived is a month that is in a file now.
type Archived struct {
	File  string `json:"file"`
	Log   string `json:"log"`
	Month string `json:"month"`
	Rows  int32  `json:"rows"`
}

const (
	fileBatch   = 5000 // rows that are read at once
	removeBatch = 1000 // rows that one statement removes
)

// ErrNotIntact refuses to archive what does not verify.
var ErrNotIntact = errors.New("the months to archive are not as they were sealed: look at `gravy audit verify`, or give --force")

// Archive moves all months before a moment into files of dir, each log's by itself. owner is a connection with the rights of
// turkey_owner. A month leaves the database when its file is whole, was read again and is on record.
func (k *Keeper) Archive(ctx context.Context, owner *pgx.Conn, before time.Time, dir string, force bool) ([]Archived, error) {
	var alone bool
	if err := owner.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, int64(archiveLock)).Scan(&alone); err != nil {
		return nil, err
	}
	if !alone {
		return nil, ErrArchiving
	}
	defer owner.Exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, int64(archiveLock)) //nolint:errcheck // it ends with the connection anyway
	if _, err := k.Seal(ctx); err != nil {
		return nil, err
	}
	done := []Archived{}
	report, err := k.Verify(ctx, Scope{Until: before})
	if err != nil {
		return done, err
	}
	if !report.Intact && !force {
		return done, ErrNotIntact
	}
	months, err := k.q.MonthsSystem(ctx, k.system(), before)
	if err != nil {
		return done, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return done, err
	}
	for _, m := range months {
		a, err := k.archiveMonth(ctx, owner, m.Log, m.Month, dir)
		if err != nil {
			return done, fmt.Errorf("%s of %s: %w", month(m.Month), m.Log, err)
		}
		done = append(done, a)
	}
	return done, nil
}

func (k *Keeper) archiveMonth(ctx context.Context, owner *pgx.Conn, log string, first time.Time, dir string) (Archived, error) {
	a := Archived{Log: log, Month: month(first)}
	path, err := k.free(ctx, dir, log+"-"+a.Month)
	if err != nil {
		return a, err
	}
	a.File = filepath.Base(path)
	w, err := newFileWriter(path, fileHeader{fileFormat, log, a.Month})
	if err != nil {
		return a, err
	}
	p := auditdb.MonthSystemParams{Log: log, Since: first, Until: first.AddDate(0, 1, 0), AfterAt: beginning, Most: fileBatch}
	for {
		rows, err := k.q.MonthSystem(ctx, k.system(), p)
		for _, r := range rows {
			if err = w.add(r.Content); err != nil {
				break
			}
			p.AfterAt, p.AfterID = r.CreatedAt, r.ID
		}
		if err != nil {
			w.drop()
			return a, err
		}
		if len(rows) < fileBatch {
			break
		}
	}
	sum, err := w.close(path)
	if err != nil {
		return a, err
	}
	a.Rows = w.rows
	n := int32(0)
	again, err := readFile(path, func(fileHeader, []byte) error { n++; return nil })
	if err != nil || string(again) != string(sum) || n != a.Rows {
		return a, errors.Join(fmt.Errorf("%s does not read as it was written; nothing was removed", path), err)
	}
	at := k.cfg.Now().Truncate(time.Microsecond)
	record := auditdb.AuditArchive{File: a.File, Log: log, Month: first, Rows: a.Rows, Sha256: sum, ArchivedAt: at}
	if err := k.q.RecordArchiveSystem(ctx, k.system(), auditdb.RecordArchiveSystemParams{File: a.File, Log: log, Month: first, Rows: a.Rows, Sha256: sum,
		Signature: ed25519.Sign(k.key, signedRecord(record)), ArchivedAt: at}); err != nil {
		return a, err
	}
	return a, remove(ctx, owner, log, first, path, a.Rows)
}

// free is a name that neither a file nor a record has: rows of a month may come late, and go into a file of their own.
func (k *Keeper) free(ctx context.Context, dir, name string) (string, error) {
	records, err := k.q.ArchivesSystem(ctx, k.system())
	if err != nil {
		return "", err
	}
	taken := map[string]bool{}
	for _, r := range records {
		taken[r.File] = true
	}
	for n := 1; ; n++ {
		file := name + ".ndjson.gz"
		if n > 1 {
			file = fmt.Sprintf("%s-%d.ndjson.gz", name, n)
		}
		_, err := os.Lstat(filepath.Join(dir, file))
		if errors.Is(err, fs.ErrNotExist) && !taken[file] {
			return filepath.Join(dir, file), nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
}

// signedRecord is what the signature of a record is over.
func signedRecord(r auditdb.AuditArchive) []byte {
	var b encoder
	b.text(r.File)
	b.text(r.Log)
	b.text(r.Month.Format(time.DateOnly))
	b.number(int64(r.Rows))
	b.text(string(r.Sha256))
	return signed(archivePurpose, b.Bytes())
}

// remove takes an archived month out of its table: a partition that holds just it is detached and dropped, which needs the
// strong lock for a moment that is waited for patiently; else rows go in small batches, those that are in the file alone.
func remove(ctx context.Context, owner *pgx.Conn, log string, first time.Time, path string, rows int32) error {
	part := pgx.Identifier{"audit_parts", "audit_logs_" + first.Format("2006_01")}.Sanitize()
	var partition bool
	if log == vaultLog {
		if err := owner.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, part).Scan(&partition); err != nil {
			return err
		}
	}
	if partition {
		return pgx.BeginFunc(ctx, owner, func(tx pgx.Tx) error {
			// Only rows of a month that is over would be written here; nobody waits.
			var n int32
			if _, err := tx.Exec(ctx, `SELECT audit_parts.patiently($1)`, `LOCK TABLE `+part+` IN SHARE MODE`); err != nil {
				return err
			}
			if err := tx.QueryRow(ctx, `SELECT count(*) FROM `+part).Scan(&n); err != nil {
				return err
			}
			if n != rows {
				return errors.New("rows were written into this month while it was read; nothing was removed, try again")
			}
			_, err := tx.Exec(ctx, `SELECT audit_parts.patiently($1)`, `ALTER TABLE public.audit_logs DETACH PARTITION `+part+`; DROP TABLE `+part)
			return err
		})
	}
	var ids []string
	flush := func() error {
		id := map[string]string{authLog: "uuid", vaultLog: "bigint"}[log]
		_, err := owner.Exec(ctx, `DELETE FROM public.`+log+` WHERE id = ANY (($1::text[])::`+id+`[]) AND created_at >= $2 AND created_at < $3`,
			ids, first, first.AddDate(0, 1, 0))
		ids = ids[:0]
		return err
	}
	_, err := readFile(path, func(h fileHeader, row []byte) error {
		e, err := entryOf(h.Log, row)
		if err != nil {
			return err
		}
		if ids = append(ids, e.id); len(ids) == removeBatch {
			return flush()
		}
		return nil
	})
	if err != nil || len(ids) == 0 {
		return err
	}
	return flush()
}
