package chaos_test

import (
	"context"
	native "encoding/binary"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/connector"
	"turkey/internal/db/pgdev"
)

// shift is put before PostgreSQL's C library: what time it is comes from there, and so many seconds are added.
const shift = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static volatile long *off;
__attribute__((constructor)) static void begin(void) {
	int fd = open(getenv("CLOCK_SHIFT"), O_RDONLY);
	void *at = fd < 0 ? MAP_FAILED : mmap(0, 8, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) abort();
	off = at;
}
int clock_gettime(clockid_t id, struct timespec *ts) {
	int r = syscall(SYS_clock_gettime, id, ts);
	if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) ts->tv_sec += *off;
	return r;
}
int gettimeofday(struct timeval *tv, void *tz) {
	struct timespec ts;
	int r = clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return r;
}
time_t time(time_t *t) {
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	if (t) *t = ts.tv_sec;
	return ts.tv_sec;
}
`

// watch is a PostgreSQL whose clock can be set.
type watch struct {
	t    testing.TB
	file string
	dsn  string
}

func newWatch(t testing.TB) *watch {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skipf("PostgreSQL's clock is set by a library, which takes a C compiler: %v", err)
	}
	dir := scratch(t)
	k := &watch{t: t, file: filepath.Join(dir, "shift")}
	must(t, os.WriteFile(k.file, make([]byte, 8), 0o644))
	source, library := filepath.Join(dir, "shift.c"), filepath.Join(dir, "shift.so")
	must(t, os.WriteFile(source, []byte(shift), 0o644))
	if out, err := exec.Command(cc, "-shared", "-fPIC", "-O1", "-o", library, source).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// The files are made as always; then another process serves them.
	made, err := pgdev.Start(t.Context(), pgdev.Config{DataDir: filepath.Join(dir, "data")})
	must(t, err)
	must(t, made.Stop())
	data := filepath.Join(made.DataDir, "pg")
	info, err := os.Stat(data)
	must(t, err)
	owner := info.Sys().(*syscall.Stat_t)
	cmd := exec.Command(filepath.Join(made.BinDir, "postgres"), "-D", data, "-k", made.DataDir, "-c", "listen_addresses=", "-c", "port=5432",
		"-c", "timezone=UTC", "-c", "max_connections=60", "-c", "fsync=off", "-c", "jit=off")
	cmd.Env = []string{"LD_PRELOAD=" + library, "CLOCK_SHIFT=" + k.file, "PATH=" + os.Getenv("PATH"), "LD_LIBRARY_PATH=" + os.Getenv("LD_LIBRARY_PATH")}
	cmd.Dir = made.DataDir
	log := &lines{}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT, Setpgid: true}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}
	}
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGQUIT) // nothing of it is kept
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("PostgreSQL:\n%s", log)
		}
	})
	k.dsn = strings.ReplaceAll(made.DSN("postgres", "postgres"), made.SocketDir, made.DataDir)
	eventually(t, "PostgreSQL is ready", func() bool {
		conn, err := pgx.Connect(t.Context(), k.dsn)
		if err != nil {
			return false
		}
		return conn.Close(context.Background()) == nil
	})
	return k
}

// setClock writes what a shifted clock reads.
func setClock(t testing.TB, file string, by time.Duration) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE, 0o644)
	must(t, err)
	_, err = f.WriteAt(native.NativeEndian.AppendUint64(nil, uint64(int64(by/time.Second))), 0)
	must(t, err)
	must(t, f.Close())
}

// off sets how far PostgreSQL's clock is ahead of everybody else's.
func (k *watch) off(by time.Duration) {
	k.t.Helper()
	setClock(k.t, k.file, by)
	conn, err := pgx.Connect(k.t.Context(), k.dsn)
	must(k.t, err)
	var theirs time.Time
	must(k.t, conn.QueryRow(k.t.Context(), `SELECT clock_timestamp()`).Scan(&theirs))
	must(k.t, conn.Close(context.Background()))
	if got := time.Until(theirs); math.Abs((got - by).Minutes()) > 1 {
		k.t.Fatalf("PostgreSQL's clock is %s off instead of %s", got, by)
	}
}

// TestClocksThatJump sets PostgreSQL's clock an hour ahead and back and an hour behind while people and runs are at work.
func TestClocksThatJump(t *testing.T) {
	t.Parallel()
	k := newWatch(t)
	w := newWorldOn(t, k.dsn, k.dsn)
	w.env = append(w.env, "JWT_ACCESS_EXPIRES_IN=30m")
	number := port(t)
	base := "http://localhost:" + number
	env := append(w.env, "PORT="+number)
	serve := func() *process {
		t.Helper()
		p := start(t, env, "serve")
		p.healthy(base)
		return p
	}
	server := serve()
	c := w.at(base)
	ctx := t.Context()

	// What is there before the first jump.
	var all []*actor
	for n := range 4 {
		all = append(all, newActor(t, base, n, 1))
	}
	worker, idle, forgetful, guessed := all[0], all[1], all[2], all[3]
	status := func(want int, what string, a *actor, method, path, token string, body any) {
		t.Helper()
		got, _ := a.act(ctx, method, path, token, body, nil)
		if got != want {
			t.Errorf("%s: %d instead of %d", what, got, want)
		}
	}
	revoked, _ := worker.signIn(ctx, worker.email)
	status(200, "revoke", worker, "POST", "/v1/auth/revoke", revoked, object{"token": revoked})
	over := func(when string) {
		t.Helper()
		status(401, "a revoked token, "+when, worker, "GET", "/v1/users/me", revoked, nil)
		status(401, "a revoked token under /api, "+when, worker, "GET", "/api/credentials/list", revoked, nil)
		status(200, "one that is not, "+when, worker, "GET", "/v1/users/me", worker.access, nil)
	}
	over("at first")
	w.exec(`UPDATE refresh_tokens s SET expires_at = now() + interval '30 minutes' FROM users u WHERE u.id = s.user_id AND u.email = $1`, idle.email)
	refresh := func(want int, what string, a *actor) {
		t.Helper()
		var answer tokenAnswer
		got, _ := a.act(ctx, "POST", "/v1/auth/refresh", "", object{"refreshToken": a.refresh, "appId": "shop"}, &answer)
		if got != want {
			t.Errorf("%s: %d instead of %d", what, got, want)
		}
		if got == http.StatusOK {
			a.access, a.refresh = answer.Data.AccessToken, answer.Data.RefreshToken
		}
	}
	reset := func(want int, what, token string) {
		t.Helper()
		status(want, what, forgetful, "POST", "/v1/auth/reset-password", "", object{"token": token, "newPassword": actorPassword + "2"})
	}
	early := w.resetToken(forgetful)
	locked := func(when string) {
		t.Helper()
		status(429, "the right password of an account that is locked, "+when, guessed, "POST", "/v1/auth/login", "",
			object{"email": guessed.email, "password": actorPassword, "appId": "shop"})
	}

	var people []*person
	for range 4 {
		p := w.join(c, connector.GA4)
		p.furnishes(connector.GA4)
		people = append(people, p)
		p.asks(c, connector.GA4, 10, 1)
	}
	w.settles()
	taken := people[3] // whose tab somebody else is writing to
	people = people[:3]
	w.exec(`INSERT INTO sheet_leases (spreadsheet_id, sheet_name, holder, lease_until)
		SELECT spreadsheet_id, sheet_id::text, gen_random_uuid(), now() + interval '90 seconds' FROM kpi_undo WHERE spreadsheet_id = $1
		ON CONFLICT (spreadsheet_id, sheet_name) DO UPDATE SET holder = excluded.holder, lease_until = excluded.lease_until`, taken.spreadsheet)
	busy := func() (n int) {
		must(t, w.sql.QueryRow(ctx, `SELECT count(*) FROM sheet_leases WHERE spreadsheet_id = $1`, taken.spreadsheet).Scan(&n))
		return n
	}
	if busy() != 1 {
		t.Fatal("no lease is taken")
	}
	w.gate.slow(700 * time.Millisecond)
	writes := w.gate.written()
	// collects jumps in the middle of runs, and sees that each was worked once.
	orders := 4711
	collects := func(what string, by time.Duration) {
		t.Helper()
		orders++
		for _, p := range people {
			p.corrects(connector.GA4, w.ago(2), orders)
			p.asks(c, connector.GA4, 12, 1)
		}
		eventually(t, "runs are at work", func() bool { return w.number(`SELECT count(*) FROM kpi_runs WHERE status = 'active'`) == len(people) })
		k.off(by)
		w.settlesBut(taken)
		if n := w.number(`SELECT count(*) FROM kpi_runs WHERE attempt > 1 AND spreadsheet_id IS DISTINCT FROM $1`, taken.spreadsheet); n > 0 {
			t.Errorf("%s: %d runs were taken from those who worked on them:\n%s", what, n, w.dump(`SELECT status, attempt, error FROM kpi_runs`))
		}
		now := w.gate.written()
		for i, p := range append(people[:len(people):len(people)], taken) {
			path := "/sheets/v4/spreadsheets/" + p.spreadsheet + "/values:batchUpdate"
			if d := now[path] - writes[path]; d != min(len(people)-i, 1) {
				t.Errorf("%s: %d writes of one run to the tab of person %d", what, d, i)
			}
		}
		writes = now
	}
	before := w.number(`SELECT count(*) FROM mails`) + w.number(`SELECT count(*) FROM refresh_tokens`) + w.number(`SELECT count(*) FROM revoked_jti`)

	collects("an hour ahead", time.Hour)
	over("an hour ahead")
	refresh(401, "a session that is over by PostgreSQL's clock", idle)
	refresh(200, "one that is not", worker)
	reset(400, "a link that is over by PostgreSQL's clock", early)
	fresh := newActor(t, base, 10, 1)
	refresh(200, "a session that was begun an hour ahead", fresh)
	must(t, fresh.join(ctx, "later@example.com"))
	taken.asks(c, connector.GA4, 12, 1)
	eventually(t, "a run finds its tab taken", func() bool {
		return w.number(`SELECT count(*) FROM kpi_runs WHERE status IN ('delayed', 'waiting', 'active') AND error_reason = 'busy'`) == 1
	})
	cleanup := start(t, w.env, "db", "cleanup")
	<-cleanup.exited
	if code := cleanup.cmd.ProcessState.ExitCode(); code != 0 {
		t.Fatalf("cleanup: %d %s", code, cleanup.log)
	}
	if n := w.number(`SELECT count(*) FROM mails`) + w.number(`SELECT count(*) FROM refresh_tokens`) + w.number(`SELECT count(*) FROM revoked_jti`); n < before {
		t.Errorf("the cleanup removed %d rows an hour early", before-n)
	}
	if busy() != 1 || w.gate.written()["/sheets/v4/spreadsheets/"+taken.spreadsheet+"/values:batchUpdate"] != 1 {
		t.Error("a lease was stolen")
	}
	over("after a cleanup")
	w.exec(`DELETE FROM sheet_leases WHERE spreadsheet_id = $1`, taken.spreadsheet)
	w.settles() // before the clock goes back: what waits for a time by then waits for that hour
	writes = w.gate.written()
	server.stop(syscall.SIGKILL)
	serve()
	over("after a start")

	collects("back again", 0)
	over("back again")
	refresh(200, "a session whose end was not there yet", idle)
	refresh(200, "a session that was begun an hour ahead, back again", fresh)
	reset(200, "a link whose end was not there yet", early)
	for range 20 {
		if got, _ := guessed.act(ctx, "POST", "/v1/auth/login", "", object{"email": guessed.email, "password": "Wrong-4711!", "appId": "shop"}, nil); got == http.StatusTooManyRequests {
			break
		}
	}
	locked("at first")

	collects("an hour behind", -time.Hour)
	over("an hour behind")
	locked("an hour behind")
	refresh(200, "an hour behind", worker)
	collects("in step", 0)
	locked("in step")
	refresh(200, "in step", worker)
	w.settles()
	for _, d := range w.differences(connector.GA4) {
		t.Error(d)
	}
	w.leftovers()
	for _, a := range all {
		for _, o := range a.odd {
			t.Error(o)
		}
	}
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	_, err := w.sql.Exec(w.t.Context(), sql, args...)
	must(w.t, err)
}

func (w *world) number(sql string, args ...any) (n int) {
	w.t.Helper()
	must(w.t, w.sql.QueryRow(w.t.Context(), sql, args...).Scan(&n))
	return n
}

// settlesBut waits until the runs of everybody else have ended.
func (w *world) settlesBut(p *person) {
	w.t.Helper()
	eventually(w.t, "the runs of others have ended", func() bool {
		return w.number(`SELECT count(*) FROM kpi_runs r JOIN users u ON u.user_no = r.user_id WHERE u.id <> $1::text::uuid AND r.status NOT IN ('completed', 'failed', 'cancelled')`, p.id) == 0
	})
}

var linkToken = regexp.MustCompile(`token=([0-9a-f]{64})\b`)

// resetToken asks for a link to a new password and takes it out of the mail.
func (w *world) resetToken(a *actor) (token string) {
	w.t.Helper()
	a.act(w.t.Context(), "POST", "/v1/auth/request-password-reset", "", object{"email": a.email, "appId": "shop"}, nil)
	eventually(w.t, "the mail comes", func() bool {
		var text string
		err := w.sql.QueryRow(w.t.Context(), `SELECT body_text FROM mailbox WHERE recipient = $1 AND subject LIKE 'Reset Your Password%' ORDER BY id DESC LIMIT 1`, a.email).Scan(&text)
		found := linkToken.FindStringSubmatch(text)
		if err == nil && found != nil {
			token = found[1]
		}
		return token != ""
	})
	return token
}
