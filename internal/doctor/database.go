package doctor

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"turkey/internal/db"
	"turkey/internal/doctor/doctordb"
)

const (
	mostSkew   = 5 * time.Second // tokens, leases and limits compare times of the server's clock with PostgreSQL's
	soonVoid   = 30 * day        // how early the end of a login is told
	leastRoom  = 2               // servers that must fit: an update has the old and the new one at once
	leastSpare = 10              // percent of the connections that should be free
)

// databaseChecks are those that need a connection.
var databaseChecks = []string{"database.version", "database.schema", "database.login", "database.login_expiry", "database.tls", "database.clock",
	"database.pool", "database.connections"}

// database judges PostgreSQL. usable: the other checks can ask it.
func (d *Doctor) database(ctx context.Context) (checks []Check, usable bool) {
	const name = "database"
	const remedy = "Start PostgreSQL, or correct DATABASE_URL (or DB_HOST, DB_PORT, DB_USER, DB_PASSWORD, DB_NAME); the message says which."
	if d.cfg.Settings == nil {
		return append([]Check{warn(name, "Mend the configuration first.", "Not checked: the configuration does not load")}, unseen(databaseChecks...)...), false
	}
	if d.cfg.DB == nil {
		return append([]Check{fail(name, remedy, "%v", d.cfg.NoDB)}, unseen(databaseChecks...)...), false
	}
	before := d.cfg.Now()
	s, err := d.q.ServerSystem(ctx, d.cfg.DB.In(db.System()))
	if err != nil {
		return append([]Check{fail(name, remedy, "%v", err)}, unseen(databaseChecks...)...), false
	}
	after := d.cfg.Now()
	schema, usable := d.schema(ctx)
	return []Check{ok(name, "It answers"), versionCheck(int(s.Version), s.VersionText), schema, d.login(s), d.loginExpiry(s), d.transport(ctx),
		clockCheck(s.Clock.Sub(before.Add(after.Sub(before) / 2))), poolCheck(s.Usable, d.cfg.Settings.PoolMax), spareCheck(s.Usable, s.Taken)}, usable
}

// fixed are the minor releases that closed CVE-2025-8713 (statistics of the optimizer told rows that policies hide).
var fixed = map[int]int{14: 19, 15: 14, 16: 10, 17: 6}

func versionCheck(num int, text string) Check {
	const name = "database.version"
	major, minor := num/10000, num%10000
	if major < db.MinVersion {
		return fail(name, fmt.Sprintf("Upgrade to PostgreSQL %d or newer.", db.MinVersion), "PostgreSQL %s is too old", text)
	}
	if least, affected := fixed[major]; affected && minor < least {
		return warn(name, fmt.Sprintf("Upgrade PostgreSQL to %d.%d or newer; a minor upgrade needs a restart and nothing else.", major, least),
			"PostgreSQL %s has CVE-2025-8713: its planner's statistics can tell rows that row-level security hides", text)
	}
	return ok(name, "PostgreSQL %s", text)
}

func (d *Doctor) schema(ctx context.Context) (c Check, current bool) {
	const name = "database.schema"
	pending, err := d.cfg.Pending(ctx)
	switch {
	case err != nil:
		return fail(name, "Mend what the message names.", "%v", err), false
	case pending && d.cfg.Settings.AutoMigrate:
		return warn(name, "Run gravy db migrate, or start the server, which does it.", "Migrations are pending"), false
	case pending:
		return fail(name, "Run gravy db migrate.", "Migrations are pending and AUTO_MIGRATE is false: the server does not start"), false
	}
	return ok(name, "Every migration is applied"), true
}

func (d *Doctor) login(s doctordb.ServerSystemRow) Check {
	const name = "database.login"
	switch {
	case !s.Bypasses:
		return ok(name, "The login %q is behind row-level security", s.Login)
	case d.cfg.Settings.Production():
		return warn(name, "Log in with a role of few rights, and give this one as DATABASE_ADMIN_URL for migrations.",
			"The login %q is a superuser or bypasses row-level security. Each statement drops that; SQL from elsewhere would not", s.Login)
	}
	return ok(name, "The login %q is a superuser or bypasses row-level security, which each statement drops", s.Login)
}

func (d *Doctor) loginExpiry(s doctordb.ServerSystemRow) Check {
	const name = "database.login_expiry"
	remedy := fmt.Sprintf("As a superuser: ALTER ROLE %q VALID UNTIL 'infinity' (or a later day).", s.Login)
	switch now := d.cfg.Now(); {
	case s.Expires == nil:
		return ok(name, "The login does not expire")
	case !s.Expires.After(now):
		return fail(name, remedy, "The password of the login %q ended on %s: new connections are refused", s.Login, s.Expires.UTC().Format(time.DateOnly))
	case s.Expires.Sub(now) <= soonVoid:
		return warn(name, remedy, "The password of the login %q ends on %s, in %d days", s.Login, s.Expires.UTC().Format(time.DateOnly), age(now, *s.Expires))
	}
	return ok(name, "The login ends on %s", s.Expires.UTC().Format(time.DateOnly))
}

// transport looks at a connection as it is, not at what the settings ask for.
func (d *Doctor) transport(ctx context.Context) Check {
	conn, err := d.cfg.DB.Pool().Acquire(ctx)
	if err != nil {
		return unread(err, "database.tls")[0]
	}
	defer conn.Release()
	raw := conn.Conn().PgConn().Conn()
	_, encrypted := raw.(*tls.Conn)
	return tlsCheck(raw.RemoteAddr(), encrypted, d.cfg.Settings.InsecureDatabase)
}

func tlsCheck(server net.Addr, encrypted, accepted bool) Check {
	const name = "database.tls"
	tcp, overNetwork := server.(*net.TCPAddr)
	switch {
	case encrypted:
		return ok(name, "The connection is encrypted")
	case !overNetwork || tcp.IP.IsLoopback():
		return ok(name, "The connection does not leave this machine")
	case accepted:
		return ok(name, "The connection to %s is not encrypted, and ALLOW_INSECURE_DATABASE accepts that", tcp.IP)
	}
	return warn(name, "Add sslmode=verify-full (or require) to DATABASE_URL; set ALLOW_INSECURE_DATABASE=true where the network is closed by other means.",
		"The connection to %s is not encrypted: whoever is between reads and changes what passes", tcp.IP)
}

func clockCheck(ahead time.Duration) Check {
	const name = "database.clock"
	if ahead.Abs() > mostSkew {
		return warn(name, "Let both machines keep time by NTP.", "PostgreSQL's clock and this machine's differ by %s", ahead.Abs().Round(100*time.Millisecond))
	}
	return ok(name, "PostgreSQL's clock and this machine's agree")
}

// poolCheck counts how many servers of this configuration find room. Besides its pool a server holds one connection for
// notifications.
func poolCheck(usable, poolMax int32) Check {
	const name = "database.pool"
	room := usable / (poolMax + 1)
	if room < leastRoom {
		return warn(name, "Lower DB_POOL_MAX, raise max_connections, or put a pooler in between.",
			"There is room for %d servers with DB_POOL_MAX %d (%d connections may be open); an update has the old and the new one at once", room, poolMax, usable)
	}
	return ok(name, "There is room for %d servers with DB_POOL_MAX %d (%d connections may be open)", room, poolMax, usable)
}

func spareCheck(usable, taken int32) Check {
	const name = "database.connections"
	free := max(usable-taken, 0)
	if free*100 < usable*leastSpare {
		return warn(name, "See who holds them (pg_stat_activity), lower DB_POOL_MAX, or raise max_connections.", "Only %d of %d connections are free", free, usable)
	}
	return ok(name, "%d of %d connections are free", free, usable)
}
