package kpi

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"

	"turkey/internal/audit"
	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/db/dbtest"
	"turkey/internal/fault"
	"turkey/internal/kpi/kpidb"
	"turkey/internal/queue"
)

// unreadable is a vault whose records do not open.
type unreadable struct{ err error }

func (u unreadable) Use(context.Context, uuid.UUID, int64, audit.Use) (string, []byte, error) {
	return "", nil, u.err
}

type runs struct {
	*Service
	t    *testing.T
	user uuid.UUID
}

// setup is a user with ga4 enabled and mapped, whose credentials give err.
func setup(t *testing.T, err error) runs {
	t.Helper()
	d := dbtest.New(t)
	log := slog.New(slog.DiscardHandler)
	s := New(Config{DB: d, Log: log, Now: time.Now, Credentials: unreadable{err}, Connectors: connector.New(connector.Config{}), Zone: "UTC",
		MaxAttempts: 3, Queue: queue.New(d, log, 1)})
	r := runs{Service: s, t: t, user: uuid.New()}
	r.person()
	return r
}

// person makes the user, with credentials 1 (google_sheets) and 2 (ga4).
func (r runs) person() {
	r.t.Helper()
	r.system(`INSERT INTO apps (id) VALUES ('a') ON CONFLICT DO NOTHING`)
	r.system(`INSERT INTO users (id, app_id, email, password_hash) VALUES ($1, 'a', 'ada@example.com', 'x')`, r.user)
	for i, service := range []string{"google_sheets", "ga4"} {
		r.system(`INSERT INTO credentials (id, uid, user_id, service, name, encrypted_data, verified)
			SELECT $1, gen_random_uuid(), user_no, $2, 'n', 'junk', true FROM users WHERE id = $3`, i+1, service, r.user)
		r.system(`INSERT INTO service_configs (user_id, service, credential_id) SELECT user_no, $1, $2 FROM users WHERE id = $3`, service, i+1, r.user)
	}
	r.system(`INSERT INTO sheet_mappings (user_id, service, spreadsheet_id, sheet_name) SELECT user_no, 'ga4', 's', 't' FROM users WHERE id = $1`, r.user)
}

func (r runs) system(sql string, args ...any) {
	r.t.Helper()
	if _, err := r.db.In(db.System()).Exec(r.t.Context(), sql, args...); err != nil {
		r.t.Fatal(err)
	}
}

// run makes a run that was handed to the queue.
func (r runs) run() uuid.UUID {
	id := uuid.New()
	r.system(`INSERT INTO kpi_runs (id, user_id, service, enqueued) SELECT $1, user_no, 'ga4', true FROM users WHERE id = $2`, id, r.user)
	return id
}

func (r runs) state(id uuid.UUID) (status, reason string) {
	r.t.Helper()
	err := r.db.In(db.System()).QueryRow(r.t.Context(), `SELECT status, coalesce(error_reason, '') FROM kpi_runs WHERE id = $1`, id).Scan(&status, &reason)
	if err != nil {
		r.t.Fatal(err)
	}
	return status, reason
}

func TestARunOfSomebodyWhoMayNotActEnds(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	id := r.run()
	r.system(`UPDATE users SET status = 'suspended' WHERE id = $1`, r.user)
	if err := r.execute(t.Context(), r.user, id); err != nil {
		t.Fatal(err)
	}
	if status, reason := r.state(id); status != "failed" || reason != "user_inactive" {
		t.Errorf("%s, %s: it stands in the way of every later run", status, reason)
	}
}

func TestACredentialThatDoesNotOpenEndsTheRun(t *testing.T) {
	t.Parallel()
	r := setup(t, fault.New(fault.Internal, "SERVICE_ERROR", "Failed to decrypt credential"))
	id := r.run()
	if err := r.execute(t.Context(), r.user, id); err != nil {
		t.Fatal(err)
	}
	if status, reason := r.state(id); status != "failed" || reason != "credential_unusable" {
		t.Errorf("%s, %s", status, reason)
	}
}

// Which of its failures pass by themselves, the provider says.
func TestATokenThatCannotBeRenewed(t *testing.T) {
	t.Parallel()
	for reason, want := range map[connector.Reason]string{connector.Rejected: "failed", connector.Unavailable: "delayed"} {
		r := setup(t, &connector.Error{Reason: reason, Message: "m"})
		id := r.run()
		_, again := errors.AsType[*failure](r.execute(t.Context(), r.user, id))
		if status, said := r.state(id); status != want || said != string(reason) || again != (want == "delayed") {
			t.Errorf("%s: %s, %s, again: %t", reason, status, said, again)
		}
	}
}

// Waiting for calls that the account has used up is no failed attempt, and pauses nobody's credential.
func TestARunWaitsForTheAccountsBudget(t *testing.T) {
	t.Parallel()
	r := setup(t, &connector.Error{Reason: connector.Limited, Message: "m", RetryAfter: 20 * time.Second, Held: true})
	id := r.run()
	for range 5 {
		if _, again := errors.AsType[*failure](r.execute(t.Context(), r.user, id)); !again {
			t.Fatal("the run does not come again")
		}
	}
	var paused, attempts int
	err := r.db.In(db.System()).QueryRow(t.Context(), `SELECT (SELECT count(*) FROM credentials WHERE limited_until IS NOT NULL), attempt FROM kpi_runs WHERE id = $1`, id).
		Scan(&paused, &attempts)
	if status, _ := r.state(id); err != nil || status != "delayed" || paused != 0 || attempts != 0 {
		t.Errorf("%s with %d attempts, %d credentials paused, %v", status, attempts, paused, err)
	}
}

func TestAnUnexpectedErrorIsTriedAgainAndThenEnds(t *testing.T) {
	t.Parallel()
	r := setup(t, errors.New("boom"))
	id := r.run()
	for attempt := 1; attempt <= 3; attempt++ {
		err := r.execute(t.Context(), r.user, id)
		_, again := errors.AsType[*failure](err)
		if again != (attempt < 3) {
			t.Fatalf("attempt %d: %v", attempt, err)
		}
	}
	if status, reason := r.state(id); status != "failed" || reason != "internal" {
		t.Errorf("%s, %s", status, reason)
	}
}

func TestAnOutageGivesTheRunBack(t *testing.T) {
	t.Parallel()
	r := setup(t, fault.New(fault.Unavailable, "", "away"))
	id := r.run()
	if err := r.execute(t.Context(), r.user, id); err == nil {
		t.Fatal("the queue was told that the run is over")
	}
	if status, _ := r.state(id); status != "delayed" {
		t.Error(status)
	}
	var attempt int
	if err := r.db.In(db.System()).QueryRow(t.Context(), `SELECT attempt FROM kpi_runs WHERE id = $1`, id).Scan(&attempt); err != nil || attempt != 0 {
		t.Errorf("%d attempts are counted, %v", attempt, err)
	}
}

func TestWaitingForATabIsNoFailedAttempt(t *testing.T) {
	t.Parallel()
	r := setup(t, nil)
	id := r.run()
	conn := r.db.In(db.User(r.user))
	for range 5 {
		run, err := r.q.StartRun(t.Context(), conn, kpidb.StartRunParams{ID: id, Steady: r.db.Steady(), Silent: silent})
		if err != nil {
			t.Fatal(err)
		}
		busy := &failure{reason: "busy", message: "m", retry: true, busy: true, after: time.Second}
		a := &attempt{Service: r.Service, user: r.user, id: id, conn: conn, run: run, started: time.Now()}
		if err := a.fail(t.Context(), busy); !errors.Is(err, busy) {
			t.Fatal(err)
		}
	}
	if status, _ := r.state(id); status != "delayed" {
		t.Error(status)
	}
}
