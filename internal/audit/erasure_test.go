package audit_test

import (
	"strings"
	"testing"

	"turkey/internal/audit"
)

func TestAnErasureLeavesTheSealsValid(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, no := b.user(3)
	other, _ := b.user(2)
	b.seal()
	b.forget(id, no)
	if r := b.intact(10); r.Erased != 6 {
		t.Errorf("%d rows are those of nobody", r.Erased)
	}
	b.act(other)
	b.seal()
	b.intact(13) // with the event of the deletion, whose person was gone before it was sealed
	for _, table := range []string{"audit", "audit_logs", "audit_seals", "audit_keys", "audit_erasures"} {
		if n := get[int](b, `SELECT count(*) FROM `+table+` x WHERE x::text LIKE '%'||$1||'%'`, id.String()); n > 0 {
			t.Errorf("%s still names the person", table)
		}
	}
	if n := get[int](b, `SELECT count(*) FROM audit_keys WHERE log = 'audit_logs' AND person = ($1::bigint)::text`, no); n > 0 {
		t.Error("their key is still there")
	}
	// What is left of them is watched as before.
	b.exec(`UPDATE audit SET action = 'x' WHERE erasure IS NOT NULL AND action = 'login'`)
	if r := b.verify(audit.Scope{}); strings.Count(told(r), "changed audit ") != 3 {
		t.Errorf("found %q", told(r))
	}
}

func TestAPersonLeavesByADeletionOnly(t *testing.T) {
	t.Parallel()
	const blank = `UPDATE audit SET user_id = NULL, ip = NULL, user_agent = NULL, actor = 'deleted', meta = audit_parts.kept_text('audit', meta)`
	for name, c := range map[string]struct{ sql, want string }{
		"by hand":               {blank + ` WHERE user_id = $1::uuid`, "changed audit"},
		"with another's number": {blank + `, erasure = (SELECT max(id) FROM audit_erasures) WHERE user_id = $1::uuid`, "changed audit"},
		"with an erasure of one's own": {`WITH e AS (INSERT INTO audit_erasures (pseudonyms) SELECT ARRAY[sha256(key)] FROM audit_keys WHERE log = 'audit' AND person = ($1::uuid)::text RETURNING id)
			` + blank + `, erasure = e.id FROM e WHERE user_id = $1::uuid`, "erased"},
		"with an erasure of one's own and the key gone": {`WITH k AS (DELETE FROM audit_keys WHERE log = 'audit' AND person = ($1::uuid)::text RETURNING key),
			e AS (INSERT INTO audit_erasures (pseudonyms) SELECT ARRAY[sha256(key)] FROM k RETURNING id) ` + blank + `, erasure = e.id FROM e WHERE user_id = $1::uuid`, "erased"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			gone, no := b.user(2)
			victim, _ := b.user(1)
			b.seal()
			b.forget(gone, no)
			b.exec(c.sql, victim)
			if r := b.verify(audit.Scope{}); r.Intact || !strings.Contains(told(r), c.want) {
				t.Errorf("found %q, expected %q", told(r), c.want)
			}
		})
	}
}

// What an import brought may be no JSON, and its person can leave all the same.
func TestFactsThatAreNoJSON(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, no := b.user(0)
	b.exec(`INSERT INTO audit (app_id, user_id, action, meta) SELECT 'shop', $1, 'login', m FROM unnest($2::text[]) m`, id, []*string{new("plain"), new(`[1,"ip"]`), nil,
		new(`{"a":{"ip":1.50},"b":[true,null,-0.0,1e400]}`), new(`{"role":"admin","a":"\u0000"}`), new(`{"role":"admin","sessions":1e99999}`), new(`{"role":"admin"}]`)})
	b.seal()
	b.intact(7)
	b.forget(id, no)
	if r := b.intact(7); r.Erased != 7 {
		t.Errorf("%d rows are those of nobody", r.Erased)
	}
}
