package cli_test

import (
	"strings"
	"syscall"
	"testing"

	"turkey/internal/db/dbtest"
)

func TestHealthcheck(t *testing.T) {
	t.Parallel()
	env := []string{"DATABASE_URL=" + dbtest.URL(t), "TURKEY_DATA_DIR=" + dataDir(t), "PORT=" + freePort(t), "WORKER_HEALTH_ADDR=:" + freePort(t)}
	check := func(code int, says string, args ...string) {
		t.Helper()
		if o := run(t, env, append([]string{"healthcheck"}, args...)...); o.code != code || !strings.Contains(o.out+o.err, says) {
			t.Errorf("%v: exit %d: %s%s, want %d, %q", args, o.code, o.out, o.err, code, says)
		}
	}
	check(1, "nothing answers")
	check(1, "nothing answers", "--worker")
	s := serve(t, env, "serve")
	check(0, "ok")
	check(0, s.base+"/readyz", "--json")
	check(1, "404", "--url", s.base+"/no-such-page")
	s.stop(syscall.SIGTERM)
	check(1, "nothing answers")
	env[3] = "WORKER_HEALTH_ADDR="
	check(1, "WORKER_HEALTH_ADDR", "--worker")
}
