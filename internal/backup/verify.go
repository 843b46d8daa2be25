package backup

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"turkey/internal/db"
	"turkey/internal/db/pgdev"
)

// Proof is what of the sealed texts of a restored database opens.
type Proof struct {
	Opened   int64
	Missing  []string // root keys that cannot be had
	Problems []string // what does not open though its key is there
}

// Scratch is where a backup is restored to be looked at.
type Scratch struct {
	URL   string                                                                 // a superuser's login; "" or another: a private PostgreSQL for this time
	Prove func(ctx context.Context, dsn string, m Manifest) (p Proof, err error) // opens what is sealed; nil: not asked
}

// ErrKeyMissing is the error of a verification that could not open what is sealed. The backup itself is sound.
var ErrKeyMissing = errors.New("key missing")

// Verify proves a backup: it is unchanged, an archive of ours, restores into an empty database, and holds what its manifest
// says, under policies that are enforced, in credentials that open. The outcome stands beside the backup afterwards.
func (r Reader) Verify(ctx context.Context, b Backup, on Scratch) (v Verification, err error) {
	began := time.Now()
	v = Verification{File: b.Manifest.File, At: began.UTC().Truncate(time.Second), Tables: len(b.Manifest.Tables), Rows: b.Manifest.Rows(), WithKeys: on.Prove != nil}
	err = r.verify(ctx, b, on, &v)
	if d, ok := errors.AsType[damage](err); ok {
		v.Problems = append(v.Problems, d.text)
	} else if err != nil && !errors.Is(err, ErrKeyMissing) {
		return v, err // nothing is known of the backup that was not known before
	}
	v.Seconds = time.Since(began).Round(time.Millisecond).Seconds()
	v.OK = err == nil && len(v.Problems) == 0
	if b.Manifest.File == filepath.Base(b.Path) {
		if werr := writeJSON(verificationOf(b.Path), v); werr != nil {
			return v, errors.Join(err, fmt.Errorf("the outcome was not kept: %w", explain(filepath.Dir(b.Path), werr)))
		}
	}
	switch {
	case err != nil:
		return v, err
	case !v.OK:
		return v, fmt.Errorf("%s does not hold what it should: %s%s", b.Path, v.Problems[0], andMore(len(v.Problems)-1))
	}
	return v, nil
}

func (r Reader) verify(ctx context.Context, b Backup, on Scratch, v *Verification) error {
	if err := r.check(ctx, b); err != nil {
		return err
	}
	a, dsn, done, err := r.scratch(ctx, on.URL)
	if err != nil {
		return err
	}
	defer done()
	v.RestoredBy = fmt.Sprintf("PostgreSQL %d", a.major)
	t, err := r.restoring(ctx, b, a.major)
	if err != nil {
		return err
	}
	contents, err := r.contents(ctx, b, t)
	if err != nil {
		return err
	}
	name := scratchName(time.Now())
	if dsn, err = inDatabase(dsn, name); err != nil {
		return err
	}
	return a.made(ctx, name, "", func(ctx context.Context, _ string) (err error) {
		defer func() { err = errors.Join(err, a.drop(name)) }()
		if err := db.Bootstrap(ctx, db.MigrateConfig{URL: dsn}); err != nil {
			return err
		}
		if _, err := a.makeRoles(ctx, b.Manifest.Roles); err != nil {
			return err
		}
		if err := r.pour(ctx, b, t, contents, dsn); err != nil {
			return err
		}
		if v.Problems, err = compare(ctx, dsn, b.Manifest); err != nil || on.Prove == nil {
			return err
		}
		p, err := on.Prove(ctx, dsn, b.Manifest)
		if err != nil {
			return fmt.Errorf("open what is sealed: %w", err)
		}
		v.Opened, v.Problems = p.Opened, append(v.Problems, p.Problems...)
		if len(p.Missing) > 0 {
			return fmt.Errorf("%w: %s", ErrKeyMissing, strings.Join(p.Missing, "; "))
		}
		return nil
	})
}

// scratch finds a server: that of a superuser's login, else one of its own.
func (r Reader) scratch(ctx context.Context, dsn string) (a *admin, at string, done func(), err error) {
	if dsn != "" {
		a, err = administer(ctx, dsn)
		if err == nil {
			return a, dsn, a.close, a.sweepScratch(ctx)
		}
		if !errors.Is(err, errNotSuper) {
			return nil, "", nil, err
		}
	}
	dir, err := os.MkdirTemp("", "turkey-verify-")
	if err != nil {
		return nil, "", nil, err
	}
	remove := func() { _ = os.RemoveAll(dir) }   // in the temporary directory
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // G302: PostgreSQL's own account has to pass
		remove()
		return nil, "", nil, err
	}
	pg, err := pgdev.Start(ctx, pgdev.Config{DataDir: filepath.Join(dir, "data"), Volatile: true})
	if err != nil {
		remove()
		return nil, "", nil, fmt.Errorf("verify needs a PostgreSQL to restore into, a superuser's DATABASE_ADMIN_URL or one of its own: %w", err)
	}
	stop := func() { _ = pg.Stop(); remove() } // it is thrown away
	at = pg.DSN("postgres", "postgres")
	if a, err = administer(ctx, at); err != nil {
		stop()
		return nil, "", nil, err
	}
	return a, at, func() { a.close(); stop() }, nil
}

const scratchPrefix = "turkey_verify_"

// scratchName tells when the database was made, so that what a killed process left can be told from what is in use.
func scratchName(now time.Time) string {
	id := make([]byte, 4)
	rand.Read(id) // never fails, it ends the program
	return scratchPrefix + strings.ToLower(now.UTC().Format(stamp)) + "_" + hex.EncodeToString(id)
}

// sweepScratch drops databases of verifications that were killed a day ago or earlier.
func (a *admin) sweepScratch(ctx context.Context) error {
	old := scratchPrefix + strings.ToLower(time.Now().UTC().Add(-24*time.Hour).Format(stamp))
	left, err := column(ctx, a.conn, `SELECT d.datname::text FROM pg_database d WHERE d.datname ~ '^turkey_verify_[0-9]{8}t[0-9]{6}z_[0-9a-f]{8}$'
		AND d.datname::text COLLATE "C" < $1 AND NOT EXISTS (SELECT FROM pg_stat_activity s WHERE s.datid = d.oid)`, old)
	for _, name := range left {
		err = errors.Join(err, a.drop(name))
	}
	return err
}

// compare holds a restored database against its manifest and its own rules.
func compare(ctx context.Context, dsn string, m Manifest) (problems []string, err error) {
	conn, err := connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	tables, err := countTables(ctx, conn, nil)
	if err != nil {
		return nil, err
	}
	found := map[string]Table{}
	for _, t := range tables {
		found[t.Name] = t
	}
	for _, want := range m.Tables {
		got, ok := found[want.Name]
		delete(found, want.Name)
		switch {
		case !ok:
			problems = append(problems, "table "+want.Name+" is missing")
		case got.Rows != want.Rows:
			problems = append(problems, fmt.Sprintf("table %s has %d rows, and %d were backed up", want.Name, got.Rows, want.Rows))
		case got.Protected != want.Protected:
			problems = append(problems, fmt.Sprintf("row-level security of table %s differs from the one that was backed up", want.Name))
		}
	}
	for name := range found {
		problems = append(problems, "table "+name+" is not in the manifest")
	}
	rules, err := column(ctx, conn, `SELECT format('constraint %I of table %s is not valid', c.conname, c.conrelid::regclass) FROM pg_constraint c WHERE NOT c.convalidated
		UNION ALL SELECT format('index %s is not valid', i.indexrelid::regclass) FROM pg_index i WHERE NOT i.indisvalid
		UNION ALL SELECT format('row-level security of table %s is not enabled and forced, though it has policies', c.oid::regclass) FROM pg_class c
			WHERE NOT (c.relrowsecurity AND c.relforcerowsecurity) AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)
		ORDER BY 1`)
	return append(problems, rules...), err
}
