package doctor

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"turkey/internal/db"
	"turkey/internal/db/dbtest"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		num    int
		status Status
		word   string
	}{
		{130022, Fail, "too old"}, {140018, Warn, "14.19"}, {140019, OK, ""}, {150013, Warn, "15.14"}, {150014, OK, ""}, {160009, Warn, "16.10"}, {160010, OK, ""},
		{170005, Warn, "17.6"}, {170006, OK, ""}, {180000, OK, ""}, {190001, OK, ""},
	} {
		says(t, versionCheck(c.num, "x.y"), c.status, c.word, "x.y")
	}
}

func TestTransport(t *testing.T) {
	t.Parallel()
	far, near := &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 5432}, &net.TCPAddr{IP: net.IPv6loopback, Port: 5432}
	says(t, tlsCheck(far, false, false), Warn, "10.1.2.3", "sslmode")
	says(t, tlsCheck(far, false, true), OK, "ALLOW_INSECURE_DATABASE")
	says(t, tlsCheck(far, true, false), OK, "encrypted")
	says(t, tlsCheck(near, false, false), OK, "this machine")
	says(t, tlsCheck(&net.UnixAddr{Name: "/run/x", Net: "unix"}, false, false), OK, "this machine")
}

// TestTransportOfAConnection goes over TLS to what ends it before PostgreSQL.
func TestTransportOfAConnection(t *testing.T) {
	t.Parallel()
	pg := dbtest.Private(t)
	_, err := db.Migrate(t.Context(), db.MigrateConfig{URL: dbtest.At(pg, "postgres", "postgres")})
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	web := httptest.NewTLSServer(nil) // for its certificate
	defer web.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go endTLS(conn, web.TLS.Certificates, filepath.Join(pg.SocketDir, ".s.PGSQL.5432"))
		}
	}()
	u := url.URL{Scheme: "postgresql", User: url.User("postgres"), Host: l.Addr().String(), Path: "/postgres"}
	for mode, word := range map[string]string{"require": "is encrypted", "disable": "this machine"} {
		u.RawQuery = "sslmode=" + mode
		d := New(well(open(t, u.String())))
		says(t, d.transport(t.Context()), OK, word)
	}
}

// endTLS takes one connection, encrypted if it asks for that (PostgreSQL's SSLRequest), on to a socket.
func endTLS(conn net.Conn, certificates []tls.Certificate, socket string) {
	defer conn.Close()
	head := make([]byte, 8)
	if _, err := io.ReadFull(conn, head); err != nil {
		return
	}
	server, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer server.Close()
	if binary.BigEndian.Uint32(head[4:]) == 80877103 {
		_, _ = conn.Write([]byte("S"))
		conn = tls.Server(conn, &tls.Config{Certificates: certificates, MinVersion: tls.VersionTLS12})
	} else {
		_, _ = server.Write(head)
	}
	go func() { _, _ = io.Copy(server, conn); _ = server.Close() }()
	_, _ = io.Copy(conn, server)
}

func TestClock(t *testing.T) {
	t.Parallel()
	says(t, clockCheck(-5*time.Second), OK)
	says(t, clockCheck(5001*time.Millisecond), Warn, "NTP")
	says(t, clockCheck(-time.Hour), Warn, "1h0m0s")
}

func TestRoomForConnections(t *testing.T) {
	t.Parallel()
	says(t, poolCheck(97, 10), OK, "8 servers")
	says(t, poolCheck(22, 10), OK, "2 servers")
	says(t, poolCheck(21, 10), Warn, "1 servers", "DB_POOL_MAX")
	says(t, spareCheck(97, 87), OK, "10 of 97")
	says(t, spareCheck(97, 88), Warn, "9 of 97")
	says(t, spareCheck(20, 25), Warn, "0 of 20")
}

// TestLogin looks at logins of few rights, as PostgreSQL itself tells of them.
func TestLogin(t *testing.T) {
	t.Parallel()
	pg := dbtest.Private(t)
	must(t, os.WriteFile(filepath.Join(pg.DataDir, "pg", "pg_hba.conf"), []byte("local all all trust\n"), 0o600))
	b := &bundle{t: t, admin: connect(t, dbtest.At(pg, "postgres", "postgres"))}
	b.exec(`SELECT pg_reload_conf()`)
	b.exec(`CREATE USER server CONNECTION LIMIT 12`)
	_, err := db.Migrate(t.Context(), db.MigrateConfig{URL: dbtest.At(pg, "postgres", "postgres"), AppLogin: "server"})
	must(t, err)
	b.cfg = well(open(t, dbtest.At(pg, "server", "postgres")))
	for until, want := range map[string]struct {
		status Status
		word   string
	}{
		"infinity":               {OK, "does not expire"},
		at(31*day + time.Minute): {OK, "ends on"},
		at(30 * day):             {Warn, "ALTER ROLE"},
		at(36 * time.Hour):       {Warn, "in 1 days"},
		at(-time.Hour):           {Fail, "new connections are refused"},
	} {
		b.exec(`ALTER ROLE server VALID UNTIL '` + until + `'`)
		_, by := b.examine()
		says(t, by["database.login_expiry"], want.status, want.word)
		says(t, by["database.login"], OK, `"server" is behind`)
		says(t, by["database.pool"], OK, "4 servers", "12 connections")
		says(t, by["queue"], OK)
	}
	b.exec(`ALTER ROLE server VALID UNTIL 'infinity' BYPASSRLS`)
	b.exec(`ALTER DATABASE postgres CONNECTION LIMIT 5`)
	_, by := b.examine()
	says(t, by["database.login"], Warn, "bypasses")
	says(t, by["database.pool"], Warn, "1 servers", "5 connections")
}

func at(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
