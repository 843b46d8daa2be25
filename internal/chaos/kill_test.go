package chaos_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/client"
)

var (
	kills  = flag.Int("kills", 8, "how often the worker is killed")
	seed   = flag.Uint64("seed", 0, "of what is left to chance; 0: another each time")
	report = flag.String("report", "", "file that the report is written to")
	commit = flag.String("commit", "", "for the report")
)

// Where a statement of a run stops, by the number of an advisory lock. Its worker is killed there, and then the statement is
// rolled back, or committed with nobody left to hear of it.
const (
	atStart = iota + 1
	atRows
	atUndo
	atNote
	atEnd
)

const stops = `
CREATE FUNCTION chaos_stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_advisory_xact_lock_shared(4711, TG_ARGV[0]::int);
    RETURN NEW;
END $$;
GRANT EXECUTE ON FUNCTION chaos_stop() TO PUBLIC;
CREATE TRIGGER chaos_1 BEFORE UPDATE ON kpi_runs FOR EACH ROW WHEN (NEW.status = 'active' AND OLD.status <> 'active') EXECUTE FUNCTION chaos_stop(1);
CREATE TRIGGER chaos_2 BEFORE INSERT ON kpi_rows FOR EACH ROW EXECUTE FUNCTION chaos_stop(2);
CREATE TRIGGER chaos_3 BEFORE INSERT ON kpi_undo FOR EACH ROW EXECUTE FUNCTION chaos_stop(3);
CREATE TRIGGER chaos_4 BEFORE UPDATE OF written ON kpi_rows FOR EACH ROW WHEN (NEW.written IS DISTINCT FROM OLD.written) EXECUTE FUNCTION chaos_stop(4);
CREATE TRIGGER chaos_5 BEFORE UPDATE ON kpi_runs FOR EACH ROW WHEN (NEW.status = 'completed') EXECUTE FUNCTION chaos_stop(5);`

// step is a point of a load at which the worker dies.
type step struct {
	name         string
	lock         int  // a statement, or
	committed    bool // that is done, and not told
	method, path string
	after        bool // the provider has done its work, and the answer is not heard
	cut          bool // the provider cuts the connection after its work; the worker dies a moment later
}

var steps = []step{
	{name: "the answer of a write is cut off, then killed", cut: true},
	{name: "written, and not told so", method: "POST", path: "/values:batchUpdate", after: true},
	{name: "job fetched, run not begun", lock: atStart},
	{name: "about to write", method: "POST", path: "/values:batchUpdate"},
	{name: "storing the figures, rolled back", lock: atRows},
	{name: "noting what was written, rolled back", lock: atNote},
	{name: "at a random moment"},
	{name: "ending the run, rolled back", lock: atEnd},
	{name: "run begun, and not told so", lock: atStart, committed: true},
	{name: "asking GA4", method: "POST", path: "/analyticsdata"},
	{name: "GA4's answer on its way", method: "POST", path: "/analyticsdata", after: true},
	{name: "Meta's answer on its way", method: "GET", path: "/insights", after: true},
	{name: "Shopify's answer on its way", method: "POST", path: "/graphql.json", after: true},
	{name: "figures stored, and not told so", lock: atRows, committed: true},
	{name: "reading the tab", method: "GET", path: "/values/"},
	{name: "noting what a write replaces, rolled back", lock: atUndo},
	{name: "noted what a write replaces, and not told so", lock: atUndo, committed: true},
	{name: "noted what was written, and not told so", lock: atNote, committed: true},
	{name: "run ended, and not told so", lock: atEnd, committed: true},
	{name: "at a random moment"},
}

// history is how many days each tab has at first; checkEvery how many kills lie between two looks at everything.
const (
	history    = 40
	checkEvery = 20
)

// TestKilledWorkersLeaveNoDuplicateAndNoGap runs a server without workers beside a worker that is killed at each step in turn,
// while sources correct what they said and people type into their sheets. Then everything must be as the sources say.
func TestKilledWorkersLeaveNoDuplicateAndNoGap(t *testing.T) {
	t.Parallel()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	chance := rand.New(rand.NewPCG(*seed, *seed))
	t.Logf("-seed %d", *seed)
	began := time.Now()
	w := newWorld(t)
	_, err := w.sql.Exec(t.Context(), stops)
	must(t, err)
	_, c := w.serve("--no-workers")
	k := &killer{world: w, c: c, chance: chance, worker: start(t, w.env, "worker"), count: map[string]int{}}
	for range 3 {
		p := w.join(c, sources...)
		for _, service := range sources {
			p.furnishes(service)
			p.asks(c, service, history, 1)
			k.asked++
		}
	}
	w.settles()
	k.check("before the first kill")
	for n := range *kills {
		k.kill(steps[n%len(steps)])
		if (n+1)%checkEvery == 0 || n+1 == *kills {
			w.settles()
			k.check(fmt.Sprintf("after %d kills", n+1))
		}
	}
	k.report(began)
}

// killer is what a test of kills counts.
type killer struct {
	*world
	c      *client.Client
	chance *rand.Rand
	worker *process
	asked  int            // runs
	count  map[string]int // kills by step
	found  int            // differences
}

// kill lets somebody's figures change, asks for a run of each source, and kills the worker at the step; another one starts.
func (k *killer) kill(s step) {
	t := k.t
	p := k.people[k.chance.IntN(len(k.people))]
	// Days that are new, and corrections of all others; or the trailing window.
	further := s.cut || s.after || k.chance.IntN(2) == 0
	for i, service := range sources {
		days := []int{3, 28, 28}[i]
		if further {
			days = p.history[service]
		}
		for range 3 {
			p.corrects(service, k.ago(1+k.chance.IntN(days)), 1+k.chance.IntN(9000))
		}
		p.types(service, cell(0, 2+k.chance.IntN(history)), fmt.Sprintf("note %d", k.chance.IntN(1e6)))
	}
	dead := k.lay(s, p)
	for _, service := range sources {
		k.asked++
		if further {
			p.asks(k.c, service, p.history[service]+3, 1)
			continue
		}
		_, err := p.session.Sync(t.Context(), service, "")
		must(t, err)
	}
	dead(func() {
		if code := k.worker.stop(syscall.SIGKILL); code != -1 {
			t.Errorf("%s: the worker had ended by itself with %d:\n%s", s.name, code, k.worker.log)
		}
	})
	k.count[s.name]++
	// The next worker becomes the queue's leader only after the dead one's time; let that pass.
	_, err := k.sql.Exec(t.Context(), `UPDATE river.river_leader SET expires_at = now() - interval '1 second'`)
	must(t, err)
	k.worker = start(t, k.env, "worker")
}

// lay prepares a step. What it returns waits until the worker is there, kills it, and cleans up.
func (k *killer) lay(s step, p *person) func(kill func()) {
	t := k.t
	t.Helper()
	switch {
	case s.lock != 0:
		return k.layLock(s)
	case s.cut:
		before := k.gate.cut()
		k.console("POST", "/faults", object{"path": "/sheets/v4/spreadsheets/" + p.spreadsheet + "/values:batchUpdate", "cut": true}, nil)
		return func(kill func()) {
			eventually(t, s.name, func() bool { return k.gate.cut() > before })
			kill()
		}
	case s.method != "":
		sprung := k.gate.set(s.method, s.path, s.after)
		return func(kill func()) {
			select {
			case <-sprung:
			case <-time.After(patience):
				t.Errorf("%s: the worker does not come there", s.name)
			}
			kill()
		}
	}
	pause := time.Duration(k.chance.IntN(400)) * time.Millisecond
	return func(kill func()) {
		time.Sleep(pause)
		kill()
	}
}

func (k *killer) layLock(s step) func(kill func()) {
	t := k.t
	conn, err := pgx.Connect(t.Context(), k.sql.Config().ConnString())
	must(t, err)
	_, err = conn.Exec(t.Context(), `SELECT pg_advisory_lock(4711, $1)`, s.lock)
	must(t, err)
	return func(kill func()) {
		defer conn.Close(context.Background())
		const waiting = `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = 4711 AND NOT granted
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
		var pid int
		eventually(t, s.name, func() bool { return conn.QueryRow(t.Context(), waiting).Scan(&pid) == nil })
		kill()
		if !s.committed {
			eventually(t, "the statement is rolled back", func() bool { // again and again: one may still be on its way there
				done, err := conn.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM (`+waiting+`) AS w`)
				must(t, err)
				return done.RowsAffected() == 0
			})
		}
		_, err := conn.Exec(t.Context(), `SELECT pg_advisory_unlock_all()`)
		must(t, err)
	}
}

// check looks at everything while nothing happens.
func (k *killer) check(when string) {
	t := k.t
	t.Helper()
	found := k.differences(sources...)
	k.found += len(found)
	for i, d := range found {
		if i == 20 {
			t.Errorf("%s: and %d more", when, len(found)-20)
			break
		}
		t.Errorf("%s: %s", when, d)
	}
	var completed, all int
	must(t, k.sql.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE status = 'completed'), count(*) FROM kpi_runs`).Scan(&completed, &all))
	if completed != k.asked || all != k.asked {
		k.found++
		t.Errorf("%s: %d runs were asked for, there are %d, and %d are completed: %s", when, k.asked, all, completed,
			k.dump(`SELECT status, attempt, error_reason, error FROM kpi_runs WHERE status <> 'completed'`))
	}
}
