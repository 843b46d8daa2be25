package db_test

import (
	"testing"

	"turkey/internal/db"
	"turkey/internal/db/dbtest"
)

// A new source needs no migration, its name has a form, and going back before that loses nobody's credentials.
func TestServicesAreNotListed(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	who := newTenant(t, open(t, url, 1), "a")
	conn := connect(t, url)
	save := func(service string) error {
		_, err := conn.Exec(t.Context(), `INSERT INTO credentials (uid, user_id, service, name) VALUES (gen_random_uuid(), $1, $2, 'n')`, who.no, service)
		return err
	}
	for _, service := range []string{"google_sheets", "http_json", "x2"} {
		if err := save(service); err != nil {
			t.Error(err)
		}
	}
	for _, service := range []string{"", "HTTP", "http json", "2x", "http-json", "meta\n"} {
		says(t, save(service), "credentials_service_check")
	}
	before := scalar[int](t, conn, `SELECT count(*) FROM credentials`)
	mustExec(t, conn, `UPDATE credentials SET source_columns = '[]' WHERE service = 'http_json'`)
	for version := int64(0); version != 10; {
		undone, err := db.Rollback(t.Context(), db.MigrateConfig{URL: url}, false)
		if err != nil {
			says(t, err, "credentials.source_columns", "--force")
			undone, err = db.Rollback(t.Context(), db.MigrateConfig{URL: url}, true)
		}
		if err != nil {
			t.Fatal(err)
		}
		version = undone.Version
	}
	if n := scalar[int](t, conn, `SELECT count(*) FROM credentials`); n != before {
		t.Errorf("%d of %d credentials are left", n, before)
	}
	migrate(t, url)
	says(t, save("HTTP"), "credentials_service_check")
}
