package backup

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"
	"golang.org/x/sync/errgroup"
)

// Config is what backups are made of and with.
type Config struct {
	Dir        string                 // of the backups
	URL        string                 // login that sees every row
	Recipients []string               // age public keys; none: not encrypted
	Programs   []string               // directories of PostgreSQL's programs, before the usual ones
	Version    string                 // of this program
	Now        func() time.Time       // nil: time.Now
	Progress   func(done, most int64) // bytes; most is 0 where it is not known. nil: nobody looks
}

// Store makes and prunes the backups of a directory.
type Store struct {
	cfg        Config
	recipients []age.Recipient
}

// New checks the settings. It makes no directory yet.
func New(cfg Config) (*Store, error) {
	if cfg.Dir == "" {
		return nil, errors.New("BACKUP_DIR is not set: name the directory of backups with it")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Progress == nil {
		cfg.Progress = func(int64, int64) {}
	}
	s := &Store{cfg: cfg}
	if len(cfg.Recipients) == 0 {
		return s, nil
	}
	var err error
	if s.recipients, err = age.ParseRecipients(strings.NewReader(strings.Join(cfg.Recipients, "\n"))); err != nil { // its words quote the line
		return nil, errors.New("BACKUP_AGE_RECIPIENTS: expected age public keys (age1…), as age-keygen prints them, separated by commas")
	}
	return s, nil
}

// credentialTables are what a credentials-only backup holds: what is sealed under users' keys, and what it needs
// to open.
var credentialTables = []string{"apps", "users", "vault_roots", "vault_keys", "credentials", "credential_versions", "credential_tokens", "service_configs", "webhooks"}

// copyBuffer is large enough that pg_dump seldom waits, and small beside the promise of 64 MiB in all.
const copyBuffer = 256 << 10

// Create makes a backup of a kind. On any error nothing is left of it.
func (s *Store) Create(ctx context.Context, kind string) (b Backup, err error) {
	unlock, err := lock(s.cfg.Dir)
	if err != nil {
		return b, err
	}
	defer unlock()
	snap, err := takeSnapshot(ctx, s.cfg.URL)
	if err != nil {
		return b, err
	}
	defer snap.close()
	dump, err := findTool(ctx, "pg_dump", snap.major, s.cfg.Programs)
	if err != nil {
		return b, err
	}
	b = s.name(kind)
	b.Manifest.PgDump = dump.major
	defer func() {
		if err != nil {
			_ = os.Remove(b.Path + partial) // it may not be there
			_ = os.Remove(b.Path)
			_ = os.Remove(manifestOf(b.Path))
			if ctx.Err() != nil {
				err = fmt.Errorf("interrupted: no backup was made (%w)", context.Cause(ctx))
			}
		}
	}()
	if err := s.write(ctx, snap, dump, &b.Manifest, b.Path+partial); err != nil {
		return b, explain(s.cfg.Dir, err)
	}
	// The manifest comes first: a file under its final name has one.
	if err := writeJSON(manifestOf(b.Path), b.Manifest); err != nil {
		return b, explain(s.cfg.Dir, err)
	}
	if err := os.Rename(b.Path+partial, b.Path); err != nil {
		return b, explain(s.cfg.Dir, err)
	}
	return b, syncDir(s.cfg.Dir)
}

// name makes a new backup's.
func (s *Store) name(kind string) Backup {
	id := make([]byte, 4)
	rand.Read(id) // never fails, it ends the program
	now := s.cfg.Now().UTC().Truncate(time.Second)
	file := "turkey-" + now.Format(stamp) + "-" + hex.EncodeToString(id)
	if kind == Credentials {
		file += ".credentials"
	}
	file += ".dump"
	if len(s.recipients) > 0 {
		file += ".age"
	}
	return Backup{Path: filepath.Join(s.cfg.Dir, file), Manifest: Manifest{Format: manifestFormat, File: file, CreatedAt: now, Kind: kind,
		Recipients: s.cfg.Recipients, Program: s.cfg.Version}}
}

// write dumps into a new file and fills in the manifest. Rows are counted while pg_dump reads.
func (s *Store) write(ctx context.Context, snap *snapshot, dump tool, m *Manifest, path string) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var only []string
	args := []string{"--format=custom", "--snapshot=" + snap.id, "--lock-wait-timeout=60s"}
	if m.Kind == Credentials {
		only = credentialTables
		for _, t := range only {
			args = append(args, "--table=public."+t)
		}
	}
	if snap.role != "" {
		args = append(args, "--role="+snap.role)
	}
	out := &measured{to: f, sum: sha256.New(), progress: s.cfg.Progress}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.pour(gctx, dump, args, out) })
	g.Go(func() error { return snap.describe(gctx, m, only) })
	if err := g.Wait(); err != nil {
		return err
	}
	s.cfg.Progress(out.n, out.n)
	m.Size, m.SHA256 = out.n, hex.EncodeToString(out.sum.Sum(nil))
	return f.Sync()
}

// pour runs pg_dump into out, through age where there are recipients.
func (s *Store) pour(ctx context.Context, dump tool, args []string, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd, said, err := dump.command(ctx, s.cfg.URL, args...)
	if err != nil {
		return err
	}
	archive, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", dump.path, err)
	}
	copied := s.encrypt(out, struct{ io.Reader }{archive}) // a file would copy itself, in smaller pieces
	interrupted := ctx.Err() != nil
	if copied != nil {
		cancel() // nobody reads what it has to say
	}
	err = cmd.Wait()
	if copied != nil && !interrupted {
		return copied
	}
	return dump.failed(ctx, err, said)
}

func (s *Store) encrypt(out io.Writer, archive io.Reader) error {
	buf := make([]byte, copyBuffer)
	if len(s.recipients) == 0 {
		_, err := io.CopyBuffer(out, archive, buf)
		return err
	}
	w, err := age.Encrypt(out, s.recipients...)
	if err != nil {
		return fmt.Errorf("encrypt: %w", err)
	}
	if _, err := io.CopyBuffer(w, archive, buf); err != nil {
		return err
	}
	return w.Close() // its last piece says that it is the last
}

// measured counts and hashes what passes.
type measured struct {
	to       io.Writer
	sum      hash.Hash
	n        int64
	progress func(done, most int64)
}

func (m *measured) Write(p []byte) (int, error) {
	n, err := m.to.Write(p)
	m.sum.Write(p[:n])
	m.n += int64(n)
	m.progress(m.n, 0)
	return n, err
}
