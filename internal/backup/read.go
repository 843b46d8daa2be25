package backup

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"

	"filippo.io/age"
)

// Reader is how backups are read.
type Reader struct {
	IdentityFile string   // of age; "": none
	Programs     []string // directories of PostgreSQL's programs, before the usual ones
	Progress     func(what string, done, most int64)
}

func (r Reader) progress(what string, done, most int64) {
	if r.Progress != nil {
		r.Progress(what, done, most)
	}
}

// damage is what is wrong with a backup itself, and not with what it is held against.
type damage struct{ text string }

func (d damage) Error() string { return d.text }

func damaged(format string, args ...any) error { return damage{fmt.Sprintf(format, args...)} }

// Begin of the files: pg_dump's custom format, and age's.
const (
	magicDump = "PGDMP"
	magicAge  = "age-encryption.org/v1\n"
)

// check reads a backup to its end and compares it with its manifest.
func (r Reader) check(ctx context.Context, b Backup) error {
	if _, err := readManifest(b.Path); err != nil {
		return err
	}
	f, err := os.Open(b.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, copyBuffer)
	magic := magicDump
	if b.Manifest.Encrypted() {
		magic = magicAge
	}
	begin, _ := in.Peek(len(magic)) // what is missing, the size shows
	if string(begin) != magic {
		return damaged("%s is not a backup of TurKey: it does not begin as one", b.Path)
	}
	w := &hashing{ctx: ctx, sum: sha256.New(), seen: func(n int64) { r.progress("Read", n, b.Manifest.Size) }}
	if _, err := io.CopyBuffer(w, struct{ io.Reader }{in}, make([]byte, copyBuffer)); err != nil {
		return err
	}
	switch {
	case w.n != b.Manifest.Size:
		return damaged("%s has %d bytes, and %d were written: it was cut or changed", b.Path, w.n, b.Manifest.Size)
	case hex.EncodeToString(w.sum.Sum(nil)) != b.Manifest.SHA256:
		return damaged("%s was changed after it was written: its SHA-256 is not the one in its manifest", b.Path)
	}
	return nil
}

type hashing struct {
	ctx  context.Context
	sum  hash.Hash
	n    int64
	seen func(int64)
}

func (h *hashing) Write(p []byte) (int, error) {
	h.n += int64(len(p))
	h.seen(h.n)
	h.sum.Write(p)
	return len(p), h.ctx.Err()
}

// open gives the archive of a backup, decrypted where it must be.
func (r Reader) open(b Backup) (io.ReadCloser, error) {
	f, err := os.Open(b.Path)
	if err != nil {
		return nil, err
	}
	if !b.Manifest.Encrypted() {
		return f, nil
	}
	archive, err := r.decrypt(b, f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{archive, f}, nil
}

func (r Reader) decrypt(b Backup, f io.Reader) (io.Reader, error) {
	if r.IdentityFile == "" {
		return nil, fmt.Errorf("%s is encrypted to %s: name the file with the identity of one of them (--identity or BACKUP_AGE_IDENTITY_FILE)",
			b.Path, strings.Join(b.Manifest.Recipients, ", "))
	}
	raw, err := os.ReadFile(r.IdentityFile)
	if err != nil {
		return nil, fmt.Errorf("identity file: %w", err)
	}
	defer clear(raw)
	who, err := age.ParseIdentities(bytes.NewReader(raw))
	if err != nil { // its words quote the line
		return nil, errors.New("the identity file holds no age identity: expected a line AGE-SECRET-KEY-1…, as age-keygen writes it")
	}
	archive, err := age.Decrypt(f, who...)
	if _, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
		return nil, fmt.Errorf("%s is encrypted to somebody else than this identity: it needs that of %s", b.Path, strings.Join(b.Manifest.Recipients, ", "))
	}
	if err != nil {
		return nil, damaged("%s does not decrypt: %v", b.Path, err)
	}
	return archive, nil
}

// restoring finds the program that reads a backup.
func (r Reader) restoring(ctx context.Context, b Backup, server int) (tool, error) {
	t, err := findTool(ctx, "pg_restore", b.Manifest.PgDump, r.Programs)
	if err == nil && server != 0 && server < 17 && t.major >= 17 { // it sets transaction_timeout, which they do not know
		err = fmt.Errorf("%s is version %d and cannot restore into PostgreSQL %d: install the client programs of PostgreSQL %[3]d, or name their directory in TURKEY_POSTGRES_BIN",
			t.path, t.major, server)
	}
	return t, err
}

// contents lists the archive, and refuses one that is not ours.
func (r Reader) contents(ctx context.Context, b Backup, t tool) ([]string, error) {
	archive, err := r.open(b)
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	cmd, said, err := t.command(ctx, "", "--list")
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout = archive, &out
	if err := t.failed(ctx, cmd.Run(), said); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, damaged("%s is not an archive that can be read: %v", b.Path, err)
	}
	lines := strings.Split(out.String(), "\n")
	needed := " TABLE public goose_db_version "
	if b.Manifest.Kind == Credentials {
		needed = " TABLE public vault_keys "
	}
	for _, line := range lines {
		if strings.Contains(line, needed) {
			return lines, nil
		}
	}
	return nil, damaged("%s holds a database that is not TurKey's", b.Path)
}

// pour restores into a database, as one transaction.
func (r Reader) pour(ctx context.Context, b Backup, t tool, contents []string, dsn string) error {
	args := []string{"--exit-on-error", "--single-transaction"}
	if b.Manifest.Kind == Credentials {
		list, err := withoutTriggers(contents)
		if err != nil {
			return err
		}
		defer os.Remove(list)
		args = append(args, "--use-list="+list)
	}
	cmd, said, err := t.command(ctx, dsn, append(args, "--dbname="+databaseOf(dsn))...)
	if err != nil {
		return err
	}
	archive, err := r.open(b)
	if err != nil {
		return err
	}
	defer archive.Close()
	cmd.Stdin = &counting{from: archive, seen: func(n int64) { r.progress("Restored", n, b.Manifest.Size) }}
	err = t.failed(ctx, cmd.Run(), said)
	if err == nil {
		r.progress("Restored", b.Manifest.Size, b.Manifest.Size)
	}
	return err
}

// counting hands on in large pieces what it reads.
type counting struct {
	from io.Reader
	n    int64
	seen func(int64)
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += int64(n)
	c.seen(c.n)
	return n, err
}

// withoutTriggers writes a list for pg_restore: triggers call functions, which a dump of tables does not hold.
func withoutTriggers(contents []string) (path string, err error) {
	f, err := os.CreateTemp("", "turkey-contents-")
	if err != nil {
		return "", err
	}
	for _, line := range contents {
		if !strings.Contains(line, " TRIGGER public ") {
			fmt.Fprintln(f, line)
		}
	}
	return f.Name(), f.Close()
}
