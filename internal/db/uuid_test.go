package db_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	"turkey/internal/db"
)

// A UUID comes back as it went, in every form in which statements use one.
func TestUUIDsPass(t *testing.T) {
	t.Parallel()
	d, _, _ := migrated(t, 1)
	id, other := uuid.New(), uuid.New()
	all := []uuid.UUID{id, uuid.Nil, other}
	for range 3 { // described, prepared, from the cache
		var plain, highest uuid.UUID
		var some, none *uuid.UUID
		var list []uuid.UUID
		var text string
		kept := other
		err := d.In(db.System()).QueryRow(t.Context(), `SELECT $1::uuid, $2::uuid, $3::uuid, $4::uuid[], $5::text, $6::uuid, NULL::uuid`,
			id, &id, (*uuid.UUID)(nil), all, id, uuid.Max).Scan(&plain, &some, &none, &list, &text, &highest, &kept)
		if err != nil {
			t.Fatal(err)
		}
		if plain != id || some == nil || *some != id || none != nil || !slices.Equal(list, all) || text != id.String() || highest != uuid.Max || kept != other {
			t.Fatal(plain, some, none, list, text, highest, kept)
		}
	}
}

// What a UUID costs to send and to read: one by way of its text makes and drops an error.
func BenchmarkUUID(b *testing.B) {
	d, _, _ := migrated(b, 1)
	id := uuid.New()
	b.ReportAllocs()
	for b.Loop() {
		var back uuid.UUID
		if err := d.In(db.System()).QueryRow(b.Context(), `SELECT $1::uuid`, id).Scan(&back); err != nil || back != id {
			b.Fatal(back, err)
		}
	}
}

// BenchmarkScope is the shortest statement in each scope: the trip, the scope, the statement.
func BenchmarkScope(b *testing.B) {
	d, a, _ := migrated(b, 1)
	for name, scope := range map[string]db.Scope{"App": db.App(a.app), "AppOfSession": db.AppOfSession(a.session), "User": db.User(a.user), "System": db.System()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var one int
				if err := d.In(scope).QueryRow(b.Context(), `SELECT 1`).Scan(&one); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
