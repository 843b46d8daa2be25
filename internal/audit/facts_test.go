package audit

import (
	"context"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"turkey/internal/db/dbtest"
)

// What Go seals as the person's is what SQL takes out.
func TestTheDatabaseKeepsTheSameFacts(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), dbtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	for _, log := range logs {
		var keys []string
		if err := conn.QueryRow(t.Context(), `SELECT audit_parts.kept_keys($1)`, log).Scan(&keys); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(keys, keptKeys[log]) || !slices.IsSorted(keys) {
			t.Errorf("of %s the database keeps\n%v, the program\n%v", log, keys, keptKeys[log])
		}
	}
	values := []string{`1`, `-1.50`, `1e3`, `1e9999`, `-1e-9999`, `1e999999`, `true`, `null`, `"a"`, `""`, `"Ada's sheet"`, `"a\n"`, `"2026-01-02T03:04:05.000Z"`, `"a@b"`, `"é"`, `"a\u0062"`,
		`"\u0000"`, `"\\u0000"`, `"\ud83d\ude00"`, `"\ud83d"`, `"x1e12345"`, `"0b0f0c0e-6b7a-4b52-9d5e-1e1234567890"`, `" 1e12345"`, `{"a":1}`, `[1]`, `[]`}
	texts := []string{``, `x`, `1`, `null`, `"a"`, `[1,2]`, `{}`, `{}]`, `{} x`, ` {"requestId" : "r"} `, `{"requestId":"a","requestId":"b"}`, `{"requestId":"a","requestId":{}}`, "{\"requestId\":\t\"a\"}"}
	for _, v := range values {
		texts = append(texts, `{"requestId":`+v+`,"from":"x","name":`+v+`}`, `{"name":`+v+`,"to":7}`, `{"from": `+v+`}`)
	}
	for _, log := range logs {
		for _, text := range texts {
			e := entry{log: log, facts: &text, form: newestForm}
			var kept string
			var err error
			if log == authLog {
				err = conn.QueryRow(t.Context(), `SELECT audit_parts.kept_text('audit', $1)`, text).Scan(&kept)
			} else if conn.QueryRow(t.Context(), `SELECT $1::jsonb::text`, text).Scan(&text) == nil { // else the table cannot hold it
				err = conn.QueryRow(t.Context(), `SELECT audit_parts.kept_facts('audit_logs', $1::jsonb)`, text).Scan(&kept)
			} else {
				continue
			}
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			rest, _ := e.split()
			there := entry{log: log, facts: &kept, form: newestForm}
			if after, personal := there.split(); *after != *rest || personal != nil {
				t.Errorf("%s: of %s the database keeps %s, sealed is %s", log, text, kept, *rest)
			}
			left, err := e.left()
			if err != nil {
				t.Fatal(err)
			}
			if after, personal := (entry{log: log, facts: left, form: newestForm}).split(); *after != *rest || personal != nil {
				t.Errorf("%s: of %s a restore keeps %s, sealed is %s", log, text, *left, *rest)
			}
		}
	}
}
