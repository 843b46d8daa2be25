package idempotency_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"turkey/internal/db"
	"turkey/internal/db/dbtest"
	"turkey/internal/idempotency"
	"turkey/internal/idempotency/idempotencydb"
)

func TestReplay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.post("/api/write?name=a", "key-1", `{"text":"a"}`).want(t, 201, "")
	second := b.post("/api/write?name=a", "key-1", `{"text":"a"}`)
	b.again(first, second, 1)
	if second.header.Get("Location") != "/things/1" || second.header.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", second.header)
	}
	if first.header.Get("Set-Cookie") == "" || second.header.Get("Set-Cookie") != "" {
		t.Error("a cookie is for the first answer alone")
	}
	if first.header.Get("X-Request-Id") == second.header.Get("X-Request-Id") {
		t.Error("two requests share an id")
	}
	for i, method := range []string{"PUT", "PATCH", "DELETE"} {
		key := "of " + method
		b.send(method, "/v1/write", key, `{}`, b.user).want(t, 400, "validation_error") // a space is not visible
		key = "of-" + method
		first := b.send(method, "/v1/write", key, `{}`, b.user).want(t, 201, "")
		b.again(first, b.send(method, "/v1/write", key, `{}`, b.user), int64(i+2))
	}
	first = b.send("DELETE", "/api/nothing", "nothing", "", b.user).want(t, 204, "")
	b.again(first, b.send("DELETE", "/api/nothing", "nothing", "", b.user), 5)
	first = b.post("/api/write?status=404", "missing", "").want(t, 404, "THING_NOT_FOUND")
	b.again(first, b.post("/api/write?status=404", "missing", ""), 6)
}

// TestAnotherRequest under the same key is a conflict, and does not run.
func TestAnotherRequest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.post("/api/write", "key", `{"text":"a"}`).want(t, 201, "")
	b.post("/v1/write", "key-v1", `{"text":"a"}`).want(t, 201, "")
	b.post("/api/write", "key", `{"text":"b"}`).want(t, 409, "IDEMPOTENCY_CONFLICT")
	b.post("/api/write", "key", `{"text": "a"}`).want(t, 409, "IDEMPOTENCY_CONFLICT")
	b.post("/api/write2", "key", `{"text":"a"}`).want(t, 409, "IDEMPOTENCY_CONFLICT")
	b.post("/api/write?name=x", "key", `{"text":"a"}`).want(t, 409, "IDEMPOTENCY_CONFLICT")
	b.send("PUT", "/api/write", "key", `{"text":"a"}`, b.user).want(t, 409, "IDEMPOTENCY_CONFLICT")
	b.post("/v1/write", "key-v1", `{"text":"b"}`).want(t, 409, "idempotency_conflict")
	if b.ran.Load() != 2 {
		t.Errorf("ran %d times", b.ran.Load())
	}
	other := b.person()
	if a := b.send("POST", "/api/write", "key", `{"text":"a"}`, other).want(t, 201, ""); a.n() != 3 || a.header.Get("Idempotency-Replayed") != "" {
		t.Errorf("another user's key: %s", a.raw)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, bad := range []string{"", "a b", "ä", strings.Repeat("x", 256), "a\tb"} {
		b.post("/api/write", bad, `{}`).want(t, 400, "VALIDATION_ERROR")
		b.post("/v1/write", bad, `{}`).want(t, 400, "validation_error")
	}
	if b.ran.Load() != 0 {
		t.Error("it ran")
	}
	for _, good := range []string{"x", strings.Repeat("~", 255), uuid.NewString(), `"quoted"`, "!"} {
		b.post("/api/write", good, `{}`).want(t, 201, "")
	}
	before := b.rows()
	b.post("/api/write", "-", `{}`).want(t, 201, "")
	b.send("GET", "/api/write", "reading", "", b.user).want(t, 201, "")
	b.send("POST", "/api/write", "nobody", `{}`, uuid.Nil).want(t, 403, "") // names a user who is none
	if b.rows() != before {
		t.Error("rows of requests without a key, or that write nothing")
	}
	b.post("/api/write", "large", `{"text":"`+strings.Repeat("x", 1<<20)+`"}`).want(t, 413, "")
	if b.rows() != before {
		t.Error("a body that is too large took a key")
	}
}

// TestNotKept: what asks for another try leaves the key free, and so does what is too large to keep.
func TestNotKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i, c := range []struct {
		query  string
		status int
	}{{"status=500", 500}, {"status=503", 503}, {"status=429", 429}, {"status=408", 408}, {"panic=true", 500}, {"size=1100000", 201}} {
		for try := range 2 {
			a := b.post("/api/write?"+c.query, "key", `{}`).want(t, c.status, "")
			if a.header.Get("Idempotency-Replayed") != "" || b.ran.Load() != int64(2*i+try+1) {
				t.Errorf("%s: try %d ran %d times", c.query, try, b.ran.Load())
			}
			if c.status == 201 && len(a.body["filler"].(string)) != 1100000 {
				t.Error("a large answer is cut")
			}
		}
		if b.rows() != 0 {
			t.Errorf("%s: the key is taken", c.query)
		}
	}
	first := b.post("/api/write?size=1000000", "key", `{}`)
	b.again(first, b.post("/api/write?size=1000000", "key", `{}`), 13)
}

// TestAtOnce: of requests that come together one runs, and all get its answer.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if a := b.post("/api/write", "key", `{"text":"a"}`).want(t, 201, ""); a.n() != 1 {
				t.Errorf("%s", a.raw)
			}
		})
	}
	all.Wait()
	if b.ran.Load() != 1 {
		t.Errorf("ran %d times", b.ran.Load())
	}
}

func TestInProgress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := make(chan answer)
	go func() { first <- b.post("/api/write?wait=true", "key", `{}`) }()
	b.until(1)
	start := time.Now()
	a := b.post("/api/write?wait=true", "key", `{}`).want(t, 409, "IDEMPOTENCY_IN_PROGRESS")
	if waited := time.Since(start); a.header.Get("Retry-After") != "1" || waited < 1500*time.Millisecond || waited > patience {
		t.Errorf("Retry-After %q after %s", a.header.Get("Retry-After"), waited)
	}
	b.post("/api/write?wait=true&name=other", "key", `{}`).want(t, 409, "IDEMPOTENCY_CONFLICT")
	close(b.hold)
	b.again((<-first).want(t, 201, ""), b.post("/api/write?wait=true", "key", `{}`), 1)
}

// TestAbandonedClaim: a server that died in the middle leaves a claim. The same request may take it over later, no other may.
func TestAbandonedClaim(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.post("/api/write", "key", `{}`).want(t, 201, "")
	b.exec(`UPDATE idempotency_keys SET status = NULL, answer = NULL`)
	b.post("/api/write", "key", `{}`).want(t, 409, "IDEMPOTENCY_IN_PROGRESS")
	b.exec(`UPDATE idempotency_keys SET locked_until = now() - interval '1 second'`)
	b.post("/api/write", "key", `{"text":"b"}`).want(t, 409, "IDEMPOTENCY_CONFLICT")
	if a := b.post("/api/write", "key", `{}`).want(t, 201, ""); a.n() != 2 {
		t.Errorf("%s", a.raw)
	}
}

// TestAClockSetAheadEndsNoClaim: the time of a claim has to be over by the clock as it was, too.
func TestAClockSetAheadEndsNoClaim(t *testing.T) {
	t.Parallel()
	b := setup(t)
	q, conn := idempotencydb.New(), b.db.In(db.User(b.user))
	claim := func(id uuid.UUID, steady time.Time) uuid.UUID {
		t.Helper()
		row, err := q.Claim(t.Context(), conn, idempotencydb.ClaimParams{Key: "key", RequestHash: []byte("hash"), Claim: id, Steady: steady})
		if err != nil {
			t.Fatal(err)
		}
		return row.Claim
	}
	first, second := uuid.New(), uuid.New()
	now := time.Now()
	claim(first, now)
	b.exec(`UPDATE idempotency_keys SET locked_until = now() - interval '59 minutes'`) // as if now() had gone an hour ahead
	if claim(second, now.Add(-time.Hour)) != first {
		t.Error("the claim was taken over")
	}
	if claim(second, now.Add(time.Hour)) != second {
		t.Error("a claim whose time is over stays")
	}
	if claim(first, now.Add(time.Hour)) != second { // the clock was set back since it was read
		t.Error("a claim was taken over whose time by now() has just begun")
	}
}

// TestOverrun: an answer that comes when its claim was taken over is not stored over the other's.
func TestOverrun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	slow := make(chan answer)
	go func() { slow <- b.post("/api/write?wait=true", "key", `{}`) }()
	b.until(1)
	b.exec(`UPDATE idempotency_keys SET locked_until = now() - interval '1 second'`)
	second := make(chan answer)
	go func() { second <- b.post("/api/write?wait=true", "key", `{}`) }()
	b.until(2)
	b.hold <- struct{}{}
	b.hold <- struct{}{}
	one, two := <-slow, <-second
	if one.n()+two.n() != 3 {
		t.Fatalf("%s %s", one.raw, two.raw)
	}
	if a := b.post("/api/write?wait=true", "key", `{}`).want(t, 201, ""); a.raw != two.raw {
		t.Errorf("stored %s, of the claim's holder %s", a.raw, two.raw)
	}
}

func TestADay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.post("/api/write", "key", `{}`).want(t, 201, "")
	b.post("/api/write", "fresh", `{}`).want(t, 201, "")
	b.exec(`UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE key = 'key'`)
	if a := b.post("/api/write", "key", `{"text":"b"}`).want(t, 201, ""); a.n() != 3 {
		t.Errorf("%s", a.raw)
	}
	if b.rows() != 2 {
		t.Errorf("%d rows", b.rows())
	}
	b.exec(`UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE key = 'key'`)
	purge := idempotency.Purge(b.db)
	for _, want := range []int{1, 0} {
		if n, err := purge(t.Context(), 10); n != want || err != nil {
			t.Error(n, err)
		}
	}
	if b.rows() != 1 {
		t.Errorf("%d rows after the cleanup", b.rows())
	}
}

// TestSealed: PostgreSQL does not see the answers, and one that is copied elsewhere does not open there.
func TestSealed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.post("/api/write", "one", `{"text":"a"}`).want(t, 201, "")
	b.post("/api/write", "two", `{"text":"a"}`).want(t, 201, "")
	var stored string
	must(t, b.db.In(db.System()).QueryRow(t.Context(), `SELECT string_agg(encode(answer, 'escape') || k::text, '') FROM idempotency_keys k`).Scan(&stored))
	if strings.Contains(stored, once) || strings.Contains(stored, "things") {
		t.Error("an answer is stored as it is")
	}
	b.exec(`UPDATE idempotency_keys SET answer = (SELECT answer FROM idempotency_keys WHERE key = 'one') WHERE key = 'two'`)
	if a := b.post("/api/write", "two", `{"text":"a"}`).want(t, 201, ""); a.n() != 3 {
		t.Errorf("another's answer was given: %s", a.raw)
	}
	b.log.mu.Lock()
	defer b.log.mu.Unlock()
	if strings.Contains(b.log.buf.String(), once) {
		t.Error("an answer is in the log")
	}
}

// TestSecretChanged: with the previous secret answers open, without it they are as good as gone.
func TestSecretChanged(t *testing.T) {
	t.Parallel()
	a := setup(t)
	a.post("/api/write", "key", `{}`).want(t, 201, "")
	next := "another-secret-0123456789abcdefghi"
	b := setupOn(t, a.db, next, secret)
	b.user = a.user
	if got := b.post("/api/write", "key", `{}`).want(t, 201, ""); got.n() != 1 || b.ran.Load() != 0 {
		t.Errorf("%s", got.raw)
	}
	c := setupOn(t, a.db, next, "")
	c.user = a.user
	if got := c.post("/api/write", "key", `{}`).want(t, 201, ""); got.header.Get("Idempotency-Replayed") != "" || c.ran.Load() != 1 {
		t.Errorf("%s", got.raw)
	}
	if got := c.post("/api/write", "key", `{}`).want(t, 201, ""); got.header.Get("Idempotency-Replayed") != "true" {
		t.Error("the new answer is not kept")
	}
	if _, err := idempotency.New(idempotency.Config{}); err == nil {
		t.Error("no secret, no error")
	}
}

// TestOutage: without PostgreSQL a key protects from nothing, so the write is refused. A write without a key asks nothing here.
func TestOutage(t *testing.T) {
	t.Parallel()
	pg := dbtest.Private(t)
	_, err := db.Migrate(t.Context(), db.MigrateConfig{URL: dbtest.At(pg, "postgres", "postgres")})
	must(t, err)
	database, err := db.Open(t.Context(), db.Config{URL: dbtest.At(pg, "postgres", "postgres"), MaxConns: 4, ConnectTimeout: patience})
	must(t, err)
	t.Cleanup(database.Close)
	b := setupOn(t, database, secret, "")
	b.post("/api/write", "key", `{}`).want(t, 201, "")

	answered := make(chan answer)
	go func() { answered <- b.post("/api/write?wait=true", "cut", `{}`) }()
	b.until(2)
	must(t, pg.Stop())
	close(b.hold)
	(<-answered).want(t, 201, "") // it was done: whoever did it hears so

	for range 5 { // the pool holds connections that have not noticed
		b.post("/api/write", "key", `{}`).want(t, 503, "DATABASE_ERROR")
		b.post("/v1/write", "other", `{}`).want(t, 503, "service_unavailable")
	}
	if b.ran.Load() != 2 {
		t.Errorf("ran %d times", b.ran.Load())
	}
	b.post("/api/write", "-", `{}`).want(t, 201, "")
}
