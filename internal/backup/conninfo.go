package backup

import (
	"errors"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// passed are the variables of our environment that PostgreSQL's programs get, besides PG….
var passed = []string{"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ"}

// variables are how libpq takes the settings of a connection string from the environment.
var variables = map[string]string{
	"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY", "sslcrl": "PGSSLCRL",
	"sslnegotiation": "PGSSLNEGOTIATION", "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION", "channel_binding": "PGCHANNELBINDING",
	"requirepeer": "PGREQUIREPEER", "gssencmode": "PGGSSENCMODE", "krbsrvname": "PGKRBSRVNAME", "connect_timeout": "PGCONNECT_TIMEOUT",
	"target_session_attrs": "PGTARGETSESSIONATTRS",
}

// environment gives a program of PostgreSQL the connection, and of ours nothing but what it needs to run: the command line
// is for everybody to read, and our other variables hold secrets.
func environment(cc *pgx.ConnConfig, dsn string) []string {
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if slices.Contains(passed, name) || strings.HasPrefix(name, "PG") && name != "PGOPTIONS" {
			env = append(env, v)
		}
	}
	hosts, ports := []string{cc.Host}, []string{strconv.Itoa(int(cc.Port))}
	for _, f := range cc.Fallbacks {
		if port := strconv.Itoa(int(f.Port)); f.Host != hosts[len(hosts)-1] || port != ports[len(ports)-1] {
			hosts, ports = append(hosts, f.Host), append(ports, port)
		}
	}
	env = append(env, "PGHOST="+strings.Join(hosts, ","), "PGPORT="+strings.Join(ports, ","), "PGUSER="+cc.User, "PGDATABASE="+cc.Database,
		"PGAPPNAME=turkey-backup")
	if cc.Password != "" {
		env = append(env, "PGPASSWORD="+cc.Password)
	}
	for name, value := range settings(dsn) {
		if v := variables[name]; v != "" {
			env = append(env, v+"="+value)
		}
	}
	return env
}

var pair = regexp.MustCompile(`([a-z_]+)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s']*)`)

// settings are the parameters of a connection string in either form. pgx has understood it already.
func settings(dsn string) map[string]string {
	all := map[string]string{}
	if isURL(dsn) {
		if u, err := url.Parse(dsn); err == nil {
			for name, values := range u.Query() {
				all[name] = values[0]
			}
		}
		return all
	}
	for _, m := range pair.FindAllStringSubmatch(dsn, -1) {
		value := strings.TrimSuffix(strings.TrimPrefix(m[2], "'"), "'")
		all[m[1]] = strings.NewReplacer(`\\`, `\`, `\'`, `'`).Replace(value)
	}
	return all
}

func isURL(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// inDatabase is a connection string for another database of the same server.
func inDatabase(dsn, name string) (string, error) {
	if !isURL(dsn) {
		return dsn + " dbname='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(name) + "'", nil // the last one counts
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "", errors.New("the database URL cannot be parsed") // its words hold the URL
	}
	q := u.Query()
	q.Del("dbname")
	q.Del("database")
	u.Path, u.RawPath, u.RawQuery = "/"+name, "", q.Encode()
	return u.String(), nil
}
