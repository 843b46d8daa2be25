package audit_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"turkey/internal/audit"
)

// Whoever may do anything in PostgreSQL still does not hold the key that signs.
func TestTamperingIsFound(t *testing.T) {
	t.Parallel()
	const first, second = `(SELECT id FROM %[1]s ORDER BY created_at, id LIMIT 1)`, `(SELECT id FROM %[1]s ORDER BY created_at, id OFFSET 1 LIMIT 1)`
	for _, log := range []string{"audit", "audit_logs"} {
		facts := map[string]string{"audit": "meta", "audit_logs": "metadata"}[log]
		changes := map[string]string{
			"action": "UPDATE %[1]s SET action = 'nothing' WHERE id = " + first,
			"time":   "UPDATE %[1]s SET created_at = created_at + interval '1 microsecond' WHERE id = " + first,
			"person": "UPDATE %[1]s SET user_id = NULL WHERE id = " + first,
			"facts":  "UPDATE %[1]s SET " + facts + " = '{\"ip\":\"192.0.2.7\",\"requestId\":\"r2\",\"n\":1e2}' WHERE id = " + first,
			"ip":     "UPDATE %[1]s SET " + facts + " = '{\"ip\":\"192.0.2.8\",\"requestId\":\"r1\",\"n\":1e2,\"credentialId\":1}' WHERE id = " + first,
		}
		if log == "audit" {
			changes["address"] = "UPDATE %[1]s SET ip = '192.0.2.9' WHERE id = " + first
			changes["program"] = "UPDATE %[1]s SET user_agent = NULL WHERE id = " + first
			changes["actor"] = "UPDATE %[1]s SET actor = 'gravy' WHERE id = " + first
		} else {
			changes["service"] = "UPDATE %[1]s SET service = NULL WHERE id = " + first
			changes["status"] = "UPDATE %[1]s SET status = 'failure' WHERE id = " + first
		}
		t.Run(log+" changed", func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.user(5)
			b.seal()
			b.intact(10)
			b.exec(`CREATE TEMP TABLE kept AS SELECT * FROM ` + log)
			id := get[string](b, fmt.Sprintf(`SELECT id::text FROM %[1]s WHERE id = `+first, log))
			for name, sql := range changes {
				b.exec(fmt.Sprintf(sql, log))
				r := b.verify(audit.Scope{})
				if r.Intact || told(r) != "changed "+log+" "+id || r.Findings[0].Month != time.Now().UTC().Format("2006-01") {
					t.Errorf("%s: found %q", name, told(r))
				}
				b.exec(`DELETE FROM ` + log)
				b.exec(`INSERT INTO ` + log + ` SELECT * FROM kept`)
			}
			b.intact(10)
		})
		t.Run(log+" swapped", func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.user(1)
			b.user(1)
			b.seal()
			b.exec(fmt.Sprintf(`WITH two AS (SELECT (array_agg(id))[1] AS x, (array_agg(user_id))[1] AS xu, (array_agg(id))[2] AS y, (array_agg(user_id))[2] AS yu FROM %[1]s)
				UPDATE %[1]s SET user_id = CASE id WHEN x THEN yu ELSE xu END FROM two`, log))
			if r := b.verify(audit.Scope{}); strings.Count(told(r), "changed "+log) != 2 {
				t.Errorf("found %q", told(r))
			}
		})
		t.Run(log+" removed", func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.user(5)
			b.seal()
			id := get[string](b, fmt.Sprintf(`DELETE FROM %[1]s WHERE id = `+second+` RETURNING id::text`, log))
			if r := b.verify(audit.Scope{}); told(r) != "removed "+log+" "+id {
				t.Errorf("found %q", told(r))
			}
		})
		t.Run(log+" inserted", func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			_, no := b.user(5)
			b.seal()
			b.user(1)
			b.seal()
			columns, values := "app_id, action", "'shop', 'login'"
			if log == "audit_logs" {
				columns, values = "user_id, action, status", fmt.Sprint(no)+", 'workflow_run', 'success'"
			}
			// Into the past of the transactions, of none, and with a number that is to come, which makes it new.
			past := get[string](b, fmt.Sprintf(`INSERT INTO %[1]s (%[2]s, seal_xid) SELECT %[3]s, (SELECT min(seal_xid) FROM %[1]s) RETURNING id::text`, log, columns, values))
			none := get[string](b, fmt.Sprintf(`INSERT INTO %[1]s (%[2]s, seal_xid) SELECT %[3]s, NULL RETURNING id::text`, log, columns, values))
			// Into the past of the calendar, as the server would write it: sealed with the next ones.
			old := get[string](b, fmt.Sprintf(`INSERT INTO %[1]s (%[2]s, created_at) SELECT %[3]s, now() - interval '40 days' RETURNING id::text`, log, columns, values))
			b.seal()
			r := b.verify(audit.Scope{})
			for _, want := range []string{"inserted " + log + " " + past, "inserted " + log + " " + none, "backdated " + log + " " + old} {
				if !strings.Contains(told(r), want) {
					t.Errorf("found %q, expected %q", told(r), want)
				}
			}
			if len(r.Findings) != 3 {
				t.Errorf("found %q", told(r))
			}
		})
	}
}

func TestTheChainIsWatched(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ sql, want string }{
		"replaced":        {`UPDATE audit_seals SET root = sha256('x') WHERE no = 2`, "seal"},
		"another's":       {`UPDATE audit_seals SET signature = substr(signature, 2) || '\x00' WHERE no = 2`, "seal"},
		"leaves":          {`UPDATE audit_seals SET leaves = sha256('x') || substr(leaves, 33) WHERE no = 2`, "seal"},
		"list":            {`UPDATE audit_seals SET ids = ids[2:], ats = ats[2:] WHERE no = 2`, "seal"},
		"taken out":       {`DELETE FROM audit_seals WHERE no = 2`, "seal"},
		"another version": {`UPDATE audit_seals SET prev = sha256('x') WHERE no = 3`, "seal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.user(3)
			b.seal()
			b.intact(6)
			b.exec(c.sql)
			if r := b.verify(audit.Scope{}); r.Intact || !strings.Contains(told(r), c.want) {
				t.Errorf("found %q", told(r))
			}
		})
	}
}

// Cut off with its seals, the log is a shorter one that is well: only who kept a checkpoint elsewhere can tell.
func TestACheckpointTellsWhatWasCutOff(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.user(3)
	b.seal()
	early, err := b.keeper.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.user(2)
	b.seal()
	late, err := b.keeper.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	both := audit.Scope{Checkpoints: []audit.Checkpoint{early, late}}
	if r := b.verify(both); !r.Intact || r.Newest.Hash != late.Hash {
		t.Errorf("as it is: %s", told(r))
	}
	for _, log := range []string{"audit", "audit_logs"} {
		b.exec(`DELETE FROM ` + log + ` WHERE id::text IN (SELECT unnest(ids) FROM audit_seals WHERE no > ` + fmt.Sprint(early.No) + `)`)
	}
	if r := b.verify(audit.Scope{}); strings.Count(told(r), "removed") != 4 {
		t.Errorf("rows alone: %s", told(r))
	}
	b.exec(`DELETE FROM audit_seals WHERE no > $1`, early.No)
	if r := b.verify(audit.Scope{}); !r.Intact {
		t.Errorf("with their seals: %s", told(r))
	}
	if r := b.verify(both); told(r) != "truncated" || r.Findings[0].Seal != late.No {
		t.Errorf("with a checkpoint: %s", told(r))
	}
	// Who has the key writes the chain anew, and it is another.
	b.user(2)
	b.seal()
	if r := b.verify(audit.Scope{}); !r.Intact {
		t.Errorf("written anew: %s", told(r))
	}
	if r := b.verify(both); told(r) != "truncated" {
		t.Errorf("written anew, with a checkpoint: %s", told(r))
	}
	forged := late
	forged.Hash = hex.EncodeToString(make([]byte, 32))
	if r := b.verify(audit.Scope{Checkpoints: []audit.Checkpoint{forged}}); r.Intact || !strings.Contains(r.Findings[0].Message, "signature") {
		t.Errorf("a checkpoint that nobody signed: %+v", r.Findings)
	}
}
