package dbtest_test

import (
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"turkey/internal/db"
	"turkey/internal/db/dbtest"
)

func TestEachTestHasItsOwn(t *testing.T) {
	t.Parallel()
	for range 3 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			if _, err := d.In(db.System()).Exec(t.Context(), `INSERT INTO apps (id) VALUES ('one')`); err != nil {
				t.Fatal(err)
			}
			var n int
			if err := d.In(db.System()).QueryRow(t.Context(), `SELECT count(*) FROM apps`).Scan(&n); err != nil || n != 1 {
				t.Errorf("%d apps, %v", n, err)
			}
		})
	}
}

func TestEmptyIsEmpty(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), dbtest.Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var n int
	if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_tables WHERE schemaname = 'public'`).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d tables, %v", n, err)
	}
}

func TestPrivateLeavesNothing(t *testing.T) {
	t.Parallel()
	var dir string
	t.Run("server", func(t *testing.T) {
		s := dbtest.Private(t)
		dir = s.DataDir
		if _, err := db.Migrate(t.Context(), db.MigrateConfig{URL: dbtest.At(s, "postgres", "postgres")}); err != nil {
			t.Error(err)
		}
	})
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s: %v", dir, err)
	}
}
