package deploy_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/db/dbtest"
	"turkey/internal/db/pgdev"
)

var (
	interpolated = regexp.MustCompile(`\$\{([A-Z_]+)\}`)
	imageEnv     = regexp.MustCompile(`(?m)^ENV (.+)$`)
)

// guideEnvironment is what the compose file of the credential guide gives its container, over what the image has.
func guideEnvironment(t *testing.T, from map[string]string) (env map[string]string, port string) {
	t.Helper()
	content, err := os.ReadFile("testdata/guide-compose.yml")
	must(t, err)
	env = map[string]string{}
	dockerfile, err := os.ReadFile("../Dockerfile")
	must(t, err)
	stages := strings.Split(string(dockerfile), "\nFROM ")
	for _, m := range imageEnv.FindAllStringSubmatch(stages[len(stages)-1], -1) {
		for pair := range strings.FieldsSeq(m[1]) {
			name, value, _ := strings.Cut(pair, "=")
			env[name] = value
		}
	}
	// The file is the guide's and does not change, so its indentation says what is what; deploy/lint reads it with Compose's own loader.
	_, app, _ := strings.Cut(string(content), "\n  app:\n")
	_, settings, _ := strings.Cut(app, "    environment:\n")
	settings, rest, _ := strings.Cut(settings, "    ports:\n")
	for line := range strings.Lines(settings) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		env[name] = interpolated.ReplaceAllStringFunc(value, func(v string) string { return from[v[2:len(v)-1]] })
	}
	port = regexp.MustCompile(`- "(\d+):(\d+)"`).FindStringSubmatch(rest)[2]
	return env, port
}

// TestTheGuidesComposeEnvironmentStartsTheServer: its database, made as its container makes it (the files of ./migrations, into an
// empty database), its environment, on the port that it maps; and the program comes first, as depends_on lets it.
func TestTheGuidesComposeEnvironmentStartsTheServer(t *testing.T) {
	t.Parallel()
	env, port := guideEnvironment(t, map[string]string{"CLERK_PUBLIC_KEY": "pk_test_Y2xlcmsuZXhhbXBsZS5jb20k", "ENCRYPTION_KEY_SALT": "kW3nq0oFq1yqUo8pPqJm2mY0t5rJYb8h2g5j7V0Qx1c="})
	want := map[string]string{"DB_HOST": "postgres", "DB_USER": "postgres", "DB_PASSWORD": "postgres", "DB_NAME": "kpi_etl", "REDIS_URL": "redis://redis:6379"}
	for name, value := range want {
		if env[name] != value {
			t.Fatalf("%s is %q: the guide's file was not read", name, env[name])
		}
	}
	if env["PORT"] != "" || port != "3001" || env["DB_RETRY_ATTEMPTS"] == "" {
		t.Fatalf("%v, port %s", env, port)
	}

	// What a container engine would do: names of the other containers, an account that may write its directory, the port.
	database := freePort(t) // nobody is there yet
	env["DB_HOST"], env["DB_PORT"] = "127.0.0.1", database
	redis := freePort(t)
	env["REDIS_URL"] = "redis://127.0.0.1:" + redis
	env["TURKEY_DATA_DIR"] = t.TempDir()
	host := freePort(t)
	env["PORT"] = host // the one that 3001 is mapped to; that 3001 is the default here is looked at below
	list := make([]string, 0, len(env))
	for name, value := range env {
		if name != "PATH" {
			list = append(list, name+"="+value)
		}
	}
	s := turkey(t, list, "serve")
	start(t, exec.Command(needs(t, "redis-server"), "--port", redis, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"))
	time.Sleep(6 * time.Second) // longer than a start without the image's settings waits; PostgreSQL's image makes its cluster meanwhile
	select {
	case <-s.exited:
		t.Fatalf("the server did not wait for PostgreSQL:\n%s", s.log)
	default:
	}
	startPostgres(t, database)
	body := s.await(t, http.DefaultClient, "http://127.0.0.1:"+host+"/api/health")
	var health struct {
		Status          string
		Database, Redis struct{ Connected bool }
		Auth            struct{ Clerk string }
	}
	must(t, json.Unmarshal([]byte(body), &health))
	if health.Status != "healthy" || !health.Database.Connected || !health.Redis.Connected || health.Auth.Clerk == "off" {
		t.Errorf("%s", body)
	}
	if strings.Contains(s.log.String(), "ERROR") && !strings.Contains(s.log.String(), "clerk") {
		t.Errorf("%s", s.log)
	}

	// The same without PORT is on the port that the guide maps.
	self, err := os.Executable()
	must(t, err)
	check := exec.Command(self, "healthcheck", "--json")
	check.Dir = t.TempDir()
	check.Env = []string{"TURKEY_TEST_MAIN=1"}
	for _, e := range list {
		if !strings.HasPrefix(e, "PORT=") {
			check.Env = append(check.Env, e)
		}
	}
	if out, _ := check.CombinedOutput(); !strings.Contains(string(out), "localhost:"+port+"/readyz") {
		t.Errorf("%s", out)
	}
}

// startPostgres makes a cluster as the guide's container does, its password, its database, the file in ./migrations, and lets it
// listen at a port.
func startPostgres(t *testing.T, port string) {
	t.Helper()
	pg := dbtest.Private(t)
	admin, err := pgx.Connect(t.Context(), dbtest.At(pg, "postgres", "postgres"))
	must(t, err)
	defer admin.Close(t.Context())
	for _, sql := range []string{`ALTER ROLE postgres PASSWORD 'postgres'`, `CREATE DATABASE kpi_etl`} {
		_, err = admin.Exec(t.Context(), sql)
		must(t, err)
	}
	psql := exec.Command(needs(t, "psql"), "--set", "ON_ERROR_STOP=1", "--quiet", "--file", "../migrations/credential-system-v2.sql", dbtest.At(pg, "postgres", "kpi_etl"))
	if out, err := psql.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	relay(t, pg, port)
}

// relay lets a PostgreSQL that has only a socket listen at a port.
func relay(t *testing.T, pg *pgdev.Server, port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:"+port)
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go pipe(c, pg.SocketDir+"/.s.PGSQL.5432")
		}
	}()
}

// pipe joins a connection to a socket until both ends are done.
func pipe(c net.Conn, socket string) {
	defer c.Close()
	to, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer to.Close()
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{c, to}, {to, c}} {
		go func() {
			_, _ = io.Copy(way[0], way[1]) // either end may leave
			done <- struct{}{}
		}()
	}
	<-done
}
