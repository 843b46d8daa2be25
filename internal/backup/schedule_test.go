package backup_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"turkey/internal/backup"
	"turkey/internal/db"
	"turkey/internal/queue"
)

func TestRetention(t *testing.T) {
	t.Parallel()
	b := setup(t)
	now := time.Now()
	at := func(days int) func(*backup.Config) {
		return func(c *backup.Config) { c.Now = func() time.Time { return now.AddDate(0, 0, -days) } }
	}
	const month = 30 * 24 * time.Hour
	old := b.create(at(40))
	if gone, err := b.store().Prune(t.Context(), month); err != nil || len(gone) != 0 {
		t.Errorf("the only one: %v %v", gone, err)
	}
	older, newer := b.create(at(50)), b.create(at(31))
	creds, err := b.store(at(60)).Create(t.Context(), backup.Credentials)
	if err != nil {
		t.Fatal(err)
	}
	// The newest is damaged, without that showing: it does not count as good.
	raw, err := os.ReadFile(newer.Path)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	b.write(newer.Path, raw)
	gone, err := b.store().Prune(t.Context(), month)
	if err != nil || len(gone) != 2 || gone[0].Manifest.File != newer.Manifest.File || gone[1].Manifest.File != older.Manifest.File {
		t.Fatalf("%+v %v", gone, err)
	}
	want := []string{creds.Manifest.File, creds.Manifest.File + ".json", old.Manifest.File, old.Manifest.File + ".json"}
	slices.Sort(want)
	if names := b.files(); !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
	b.create(at(3))
	if gone, err = b.store().Prune(t.Context(), month); err != nil || len(gone) != 1 || gone[0].Manifest.File != old.Manifest.File {
		t.Errorf("%+v %v", gone, err)
	}
}

func TestKeysNearby(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := &bundle{t: t, dir: dir}
	if err := os.Mkdir(filepath.Join(dir, "conf"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"conf/.env": "A=1\nJWT_SECRET=abc\n", "ENCRYPTION_KEY_SALT": "x", "own.txt": "# key\nAGE-SECRET-KEY-1QQ",
		"copied": "the-secret-in-use", "notes.txt": "JWT secrets are elsewhere", "turkey-20260101T000000Z-00000000.dump": "JWT_SECRET="} {
		b.write(filepath.Join(dir, name), []byte(content))
	}
	found := backup.KeysNearby(dir, "the-secret-in-use", "")
	for i := range found {
		found[i], _ = filepath.Rel(dir, found[i])
	}
	if want := []string{"ENCRYPTION_KEY_SALT", "conf/.env", "copied", "own.txt"}; !slices.Equal(found, want) {
		t.Errorf("%q, want %q", found, want)
	}
}

// lines is a log that a test reads.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Tell and Over are what an operator is told.
func (l *lines) Tell(_ context.Context, event, subject, message string) error {
	_, err := fmt.Fprintf(l, "told %s|%s|%s\n", event, subject, message)
	return err
}

func (l *lines) Over(_ context.Context, event, subject, message string) error {
	_, err := fmt.Fprintf(l, "over %s|%s|%s\n", event, subject, message)
	return err
}

// replica is a server as far as backups go. Its clock shows the start time at first.
func (b *bundle) replica(log *lines, next func(time.Time) time.Time, change ...func(*backup.Config)) {
	b.t.Helper()
	d, err := db.Open(b.t.Context(), db.Config{URL: b.url, MaxConns: 4})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(d.Close)
	logger := slog.New(slog.NewTextHandler(log, nil))
	q := queue.New(d, logger, 1)
	s := backup.NewSchedule(backup.ScheduleConfig{Store: b.store(change...), Next: next, Keep: 30 * 24 * time.Hour, DB: d, Queue: q, Log: logger, Operator: log})
	if err := q.Open(); err != nil {
		b.t.Fatal(err)
	}
	if err := q.Start(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	s.Start(b.t.Context())
	b.t.Cleanup(func() {
		s.Stop()
		if err := q.Stop(b.t.Context()); err != nil {
			b.t.Error(err)
		}
	})
}

// once is a schedule with one time.
func once(at time.Time) func(time.Time) time.Time {
	return func(t time.Time) time.Time {
		if t.Before(at) {
			return at
		}
		return at.AddDate(1, 0, 0)
	}
}

func TestTwoReplicasMakeOneBackup(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old := b.create(func(c *backup.Config) { c.Now = func() time.Time { return time.Now().AddDate(0, 0, -40) } })
	log, at := &lines{}, time.Now().Add(time.Second)
	// The old one is older than a time that has passed: that would be made up for at the start, if this were that schedule.
	next := func(t time.Time) time.Time {
		if t.Before(at.AddDate(0, 0, -30)) {
			return at
		}
		return once(at)(t)
	}
	b.replica(log, next)
	b.replica(log, next)
	until(t, "a backup", func() bool { return strings.Contains(log.String(), "Old backups removed: 1") })
	all, err := backup.List(b.dir)
	if err != nil || len(all) != 1 || all[0].Manifest.File == old.Manifest.File || all[0].Problem != "" {
		t.Errorf("%+v %v", all, err)
	}
	if n := scalar[int](t, b.url, `SELECT count(*) FROM river.river_job WHERE kind = 'backup'`); n != 1 {
		t.Errorf("%d jobs", n)
	}
}

func TestMissedTimeIsMadeUpFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.create(func(c *backup.Config) { c.Now = func() time.Time { return time.Now().Add(-25 * time.Hour) } })
	log := &lines{}
	b.replica(log, func(t time.Time) time.Time { return t.Add(24 * time.Hour) })
	until(t, "a backup", func() bool { return strings.Contains(log.String(), "Backup made") })
	if all, err := backup.List(b.dir); err != nil || len(all) != 2 {
		t.Errorf("%+v %v", all, err)
	}
}

func TestFailureIsKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	log := &lines{}
	mended := filepath.Join(t.TempDir(), "mended")
	dies := b.script("[ -e " + mended + " ] && exec pg_dump \"$@\"; echo 'pg_dump: error: it broke' >&2; exit 1")
	b.replica(log, func(t time.Time) time.Time { return t.Truncate(2 * time.Second).Add(2 * time.Second) },
		func(c *backup.Config) { c.Programs = []string{dies} })
	until(t, "a failure", func() bool {
		st, err := backup.Look(b.dir)
		return err == nil && st.Failure != nil && strings.Contains(st.Failure.Error, "it broke")
	})
	until(t, "the operator is told", func() bool { return strings.Contains(log.String(), "told backup.failed||The backup of ") })
	if strings.Contains(log.String(), "over backup.failed") || !strings.Contains(log.String(), "it broke") {
		t.Error(log.String())
	}
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "Backup failed") {
		t.Error(log.String())
	}
	until(t, "the next attempt, later", func() bool {
		return scalar[bool](t, b.url, `SELECT EXISTS (SELECT FROM river.river_job WHERE kind = 'backup' AND state = 'retryable' AND scheduled_at > now() + interval '5 minutes')`)
	})
	b.write(mended, nil)
	until(t, "the end of it", func() bool {
		st, err := backup.Look(b.dir)
		return err == nil && st.Failure == nil && st.Newest != nil
	})
	until(t, "the operator is told of that", func() bool { return strings.Contains(log.String(), "over backup.failed||") })
}
