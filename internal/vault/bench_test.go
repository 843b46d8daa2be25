package vault

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// BenchmarkOpenForUse is a credential opened for a use with its user's keys in memory. The bar is 50 µs.
func BenchmarkOpenForUse(b *testing.B) {
	s := newSafe(b)
	v := s.server(salts(saltOne))
	user := s.user()
	s.save(v, user)
	uid := value[uuid.UUID](s, `SELECT uid FROM credentials`)
	text := value[string](s, `SELECT encrypted_data FROM credentials`)
	at := record{user: user, uid: uid, service: "meta", version: 1}
	b.ReportAllocs()
	for b.Loop() {
		content, err := v.open(b.Context(), user, at, text)
		if err != nil {
			b.Fatal(err)
		}
		clear(content)
	}
}

// BenchmarkEnvelope is a credential of a real one's size sealed, opened, and known again, with its user's keys at hand.
func BenchmarkEnvelope(b *testing.B) {
	handle, err := keyset.NewHandle(keyTemplate())
	if err != nil {
		b.Fatal(err)
	}
	keys, err := usable(handle)
	if err != nil {
		b.Fatal(err)
	}
	keys.index = uuidBytes()
	at := record{user: uuid.New(), uid: uuid.New(), service: "google_sheets", version: 1}
	content := []byte(`{"type":"service_account","project_id":"p","client_email":"robot@p.iam.gserviceaccount.com","private_key":"` + strings.Repeat("MIIEvQIBADANBgkq", 110) + `"}`)
	text, err := keys.sealRecord(at, content)
	if err != nil {
		b.Fatal(err)
	}
	for name, run := range map[string]func() error{
		"seal":        func() error { _, err := keys.sealRecord(at, content); return err },
		"open":        func() error { _, err := keys.openRecord(at, text); return err },
		"fingerprint": func() error { _, err := keys.fingerprint("google_sheets", content); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// many makes users with keys, past the server: making them one by one would take most of the time.
func (s *safe) many(v *Service, n int) {
	s.t.Helper()
	root := v.keys.roots.active()
	ids, users := make([]uuid.UUID, n), make([][]any, n)
	for i := range ids {
		ids[i] = uuid.New()
		users[i] = []any{ids[i], "a", ids[i].String() + "@example.com", "x"}
	}
	ctx := context.Background()
	if _, err := s.sql.CopyFrom(ctx, pgx.Identifier{"users"}, []string{"id", "app_id", "email", "password_hash"}, pgx.CopyFromRows(users)); err != nil {
		s.t.Fatal(err)
	}
	numbers := map[uuid.UUID]int64{}
	rows, err := s.sql.Query(ctx, `SELECT id, user_no FROM users`)
	if err != nil {
		s.t.Fatal(err)
	}
	for rows.Next() {
		var id uuid.UUID
		var no int64
		if err := rows.Scan(&id, &no); err != nil {
			s.t.Fatal(err)
		}
		numbers[id] = no
	}
	keys := make([][]any, n)
	for i, id := range ids {
		handle, err := keyset.NewHandle(keyTemplate())
		if err != nil {
			s.t.Fatal(err)
		}
		wrapped, err := wrapKeyset(root, id, handle)
		if err != nil {
			s.t.Fatal(err)
		}
		index, err := root.Encrypt(uuidBytes(), indexPlace(id))
		if err != nil {
			s.t.Fatal(err)
		}
		keys[i] = []any{numbers[id], root.ID(), int64(primaryOf(handle)), wrapped, index}
	}
	if _, err := s.sql.CopyFrom(ctx, pgx.Identifier{"vault_keys"}, []string{"user_id", "root_id", "key_id", "keyset", "index_key"}, pgx.CopyFromRows(keys)); err != nil {
		s.t.Fatal(err)
	}
	s.users = append(s.users, ids...)
}

// BenchmarkRotate is a rotation for 10,000 users while credentials are read. The bar is 5 s without a failed read.
func BenchmarkRotate(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		s := newSafe(b)
		s.server(salts(saltOne))
		v := s.server(salts(saltTwo, saltOne))
		s.fill(v, 50)
		s.many(v, 10_000)
		reads, failed, stop := s.readers(v, 2)
		began := reads.Load()
		b.StartTimer()
		start := time.Now()
		done := s.rotate(salts(saltTwo, saltOne))
		took := time.Since(start)
		b.StopTimer()
		stop()
		if done.Rewrapped != 10_050 || failed.Load() > 0 {
			b.Fatalf("%d rewrapped, %d reads failed", done.Rewrapped, failed.Load())
		}
		b.ReportMetric(took.Seconds(), "s/10k-users")
		b.ReportMetric(float64(reads.Load()-began)/took.Seconds(), "reads/s")
		b.StartTimer()
	}
}

// readers read all credentials again and again, with keys from the database, until they are stopped.
func (s *safe) readers(v *Service, n int) (reads, failed *atomic.Int64, stop func()) {
	reads, failed = &atomic.Int64{}, &atomic.Int64{}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for ctx.Err() == nil {
				for user, k := range s.texts {
					v.keys.forget(user)
					if err := read(v, user, k); err != nil {
						s.t.Errorf("a read fails: %v", err)
						failed.Add(1)
					}
					if reads.Add(1); ctx.Err() != nil {
						return
					}
				}
			}
		})
	}
	return reads, failed, func() { cancel(); all.Wait() }
}
