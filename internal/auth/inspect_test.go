package auth

import (
	"strings"
	"testing"

	"turkey/internal/db"
)

// TestInspectOnlyLooks: it tells what New would find, and leaves everything as it is.
func TestInspectOnlyLooks(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	inspect := func(change ...func(*Config)) Inspection {
		t.Helper()
		found, err := Inspect(t.Context(), c.config(change...))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	state := func() (text string) {
		t.Helper()
		err := c.db.In(db.System()).QueryRow(t.Context(), `SELECT coalesce((SELECT string_agg(k::text, '|' ORDER BY kid) FROM keys k), '') ||
			coalesce((SELECT string_agg(s::text, '|' ORDER BY name) FROM server_secrets s), '') || (SELECT count(*) FROM apps)::text || (SELECT count(*) FROM audit)::text`).Scan(&text)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	empty := state()
	if found := inspect(); len(found.Keys) != 0 || found.Problem != nil || state() != empty {
		t.Errorf("an empty database: %+v, %q", found, state())
	}
	s := c.start()
	c.key(s.RotateKeys(t.Context(), false))
	before := state()
	listed, err := s.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := inspect()
	if len(found.Keys) != 2 || found.Problem != nil {
		t.Errorf("%+v", found)
	}
	for i, k := range found.Keys {
		if k.ID != listed[i].ID || k.State != listed[i].State {
			t.Errorf("%+v, listed as %+v", k, listed[i])
		}
	}
	with := func(secret, previous string) func(*Config) {
		return func(c *Config) { c.Secret, c.PreviousSecret = []byte(secret), []byte(previous) }
	}
	if found := inspect(with(secretB, secretA)); found.Problem != nil || len(found.Keys) != 2 {
		t.Errorf("with the previous secret: %+v", found)
	}
	if found := inspect(with("", "")); found.Problem != nil || len(found.Keys) != 2 {
		t.Errorf("without a secret: %+v", found)
	}
	found = inspect(with(secretB, ""))
	if found.Problem == nil || len(found.Keys) != 2 {
		t.Fatalf("with another secret: %+v", found)
	}
	for _, what := range []string{found.Keys[0].ID, found.Keys[1].ID, refreshMACName, deviceMACName, "JWT_SECRET_PREVIOUS"} {
		if !strings.Contains(found.Problem.Error(), what) {
			t.Errorf("%v does not name %s", found.Problem, what)
		}
	}
	for _, secret := range []string{secretA, secretB} {
		if strings.Contains(found.Problem.Error(), secret) {
			t.Errorf("%v tells a secret", found.Problem)
		}
	}
	if after := state(); after != before {
		t.Errorf("it changed\n%s to\n%s", before, after)
	}
}
