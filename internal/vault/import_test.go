package vault

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/db"
)

// TestImportHoldsTheKeys: a reseal that runs while an import is not committed must not drop the key it sealed under.
func TestImportHoldsTheKeys(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	v, user := s.server(salts(saltOne)), s.user()
	s.save(v, user)
	no := value[int64](s, `SELECT user_no FROM users WHERE id = $1`, user)
	in := Imported{Service: "meta", Name: "from before", Content: []byte(`{"access_token":"imported-secret","account_id":"77"}`), CreatedAt: time.Now(), UpdatedAt: time.Now()}
	sealed, goOn, imported, resealed := make(chan struct{}), make(chan struct{}), make(chan error, 1), make(chan struct{})
	var id int64
	go func() {
		imported <- v.db.Tx(t.Context(), db.System(), func(tx pgx.Tx) (err error) {
			id, _, err = v.Import(t.Context(), tx, user, no, in)
			close(sealed)
			<-goOn
			return err
		})
	}()
	<-sealed
	go func() { defer close(resealed); s.reseal(salts(saltOne)) }()
	select {
	case <-resealed: // it may leave the user to another run
	case <-time.After(500 * time.Millisecond): // or wait
	}
	close(goOn)
	if err := <-imported; err != nil {
		t.Fatal(err)
	}
	<-resealed
	if err := read(s.server(salts(saltOne)), user, kept{id, "imported-secret"}); err != nil {
		t.Error(err)
	}

	again := func() (fresh bool, err error) {
		err = v.db.Tx(t.Context(), db.System(), func(tx pgx.Tx) (err error) { _, fresh, err = v.Import(t.Context(), tx, user, no, in); return err })
		return fresh, err
	}
	if fresh, err := again(); fresh || err != nil {
		t.Errorf("the same content: %v, %v", fresh, err)
	}
	in.Content = []byte(`{"access_token":"x"}`)
	if _, err := again(); err == nil {
		t.Error("content without account_id was taken")
	} else if _, ok := errors.AsType[*UnusableError](err); !ok {
		t.Error(err)
	}
}
