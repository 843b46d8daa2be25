package backup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"turkey/internal/db"
)

// Target is a database that is restored into.
type Target struct {
	URL      string // a superuser's login; the database may be missing
	AppLogin string // further login that must be able to act as turkey_app and turkey_system, "" if none
	Database string // another one of the same server; "": that of the URL
	Force    bool   // also where it holds tables, which are then kept in a database of another name
}

// Restored is what a restore did.
type Restored struct {
	File     string   `json:"file"`
	Kind     string   `json:"kind"`
	Database string   `json:"database"`
	Kept     string   `json:"kept,omitempty"` // the name of the database that was there before
	Tables   int      `json:"tables"`
	Rows     int64    `json:"rows"`
	Roles    []string `json:"rolesMade,omitempty"` // without login and password
	Schema   int64    `json:"schema"`
}

// Restore brings a backup back. The backup is read to its end before anything is changed. An empty target is filled in one
// transaction; one with tables is replaced, after a database beside it was filled and compared with the manifest.
func (r Reader) Restore(ctx context.Context, b Backup, to Target) (done Restored, err error) {
	if err := r.check(ctx, b); err != nil {
		return done, err
	}
	if b.Manifest.Schema > db.Latest() {
		return done, fmt.Errorf("the backup was made by a newer version (%s, migration %d; this one knows %d): restore it with that version", b.Manifest.Program, b.Manifest.Schema, db.Latest())
	}
	if to.Database != "" {
		if to.URL, err = inDatabase(to.URL, to.Database); err != nil {
			return done, err
		}
	}
	name := databaseOf(to.URL)
	done = Restored{File: b.Path, Kind: b.Manifest.Kind, Database: name, Tables: len(b.Manifest.Tables), Rows: b.Manifest.Rows(), Schema: b.Manifest.Schema}
	a, err := administer(ctx, to.URL)
	if err != nil {
		return done, err
	}
	defer a.close()
	t, err := r.restoring(ctx, b, a.major)
	if err != nil {
		return done, err
	}
	contents, err := r.contents(ctx, b, t)
	if err != nil {
		return done, err
	}
	there, err := a.exists(ctx, name)
	if err != nil {
		return done, err
	}
	tables := 0
	if there {
		if tables, err = tablesIn(ctx, to.URL); err != nil {
			return done, err
		}
	}
	if tables > 0 && !to.Force {
		return done, fmt.Errorf("the database %s holds %d tables, and nothing was changed: use --force to put the backup in their place (they are kept in a database of another name), or --database for another target", name, tables)
	}
	fill := func(ctx context.Context, name string) (err error) {
		dsn, err := inDatabase(to.URL, name)
		if err == nil {
			done.Roles, err = r.fill(ctx, a, b, t, contents, dsn, to.AppLogin)
		}
		return err
	}
	switch {
	case !there:
		return done, a.made(ctx, name, "", fill)
	case tables == 0:
		return done, fill(ctx, name)
	}
	done.Kept, err = a.replace(ctx, name, fill)
	return done, err
}

// fill restores into an empty database and compares. It says which roles it made.
func (r Reader) fill(ctx context.Context, a *admin, b Backup, t tool, contents []string, dsn, appLogin string) (roles []string, err error) {
	if err := db.Bootstrap(ctx, db.MigrateConfig{URL: dsn, AppLogin: appLogin}); err != nil {
		return nil, err
	}
	if roles, err = a.makeRoles(ctx, b.Manifest.Roles); err != nil {
		return nil, err
	}
	if err := r.pour(ctx, b, t, contents, dsn); err != nil {
		return nil, err
	}
	problems, err := compare(ctx, dsn, b.Manifest)
	if err == nil && len(problems) > 0 {
		err = fmt.Errorf("what was restored is not what the manifest says: %s%s", problems[0], andMore(len(problems)-1))
	}
	return roles, err
}

// admin is a superuser's connection to a server, to none of our databases.
type admin struct {
	conn  *pgx.Conn
	major int
}

var errNotSuper = errors.New("a restore needs a superuser, because a dump belongs to several roles: set DATABASE_ADMIN_URL to one")

func administer(ctx context.Context, dsn string) (*admin, error) {
	maintenance, err := inDatabase(dsn, "postgres")
	if err != nil {
		return nil, err
	}
	a := &admin{}
	if a.conn, err = connect(ctx, maintenance); err != nil {
		return nil, err
	}
	var super bool
	err = a.conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int / 10000, rolsuper FROM pg_roles WHERE rolname = current_user`).Scan(&a.major, &super)
	if err == nil && !super {
		err = errNotSuper
	}
	if err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

func (a *admin) close() { _ = a.conn.Close(context.Background()) } // every statement was waited for

func (a *admin) exists(ctx context.Context, name string) (there bool, err error) {
	err = a.conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, name).Scan(&there)
	return there, err
}

// made makes a database (options as CREATE DATABASE has them) and fills it; if that fails it is dropped again.
func (a *admin) made(ctx context.Context, name, options string, fill func(context.Context, string) error) error {
	if _, err := a.conn.Exec(ctx, `CREATE DATABASE `+quoted(name)+` TEMPLATE template0 `+options); err != nil {
		return fmt.Errorf("make the database %s: %w", name, err)
	}
	err := fill(ctx, name)
	if err != nil {
		err = errors.Join(err, a.drop(name))
	}
	return err
}

// drop also works when the command is being interrupted.
func (a *admin) drop(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := a.conn.Exec(ctx, `DROP DATABASE IF EXISTS `+quoted(name)+` WITH (FORCE)`)
	if err != nil {
		err = fmt.Errorf("the database %s is left over, drop it: %w", name, err)
	}
	return err
}

func (a *admin) makeRoles(ctx context.Context, names []string) (made []string, err error) {
	missing, err := column(ctx, a.conn, `SELECT n FROM unnest($1::text[]) n WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = n) ORDER BY 1`, names)
	for _, name := range missing {
		if _, err := a.conn.Exec(ctx, `CREATE ROLE `+quoted(name)+` NOLOGIN`); err != nil {
			return made, fmt.Errorf("make the role %s: %w", name, err)
		}
		made = append(made, name)
	}
	return made, err
}

// replace fills a database beside name and lets the two change names. The old one stays, under the name that is returned.
func (a *admin) replace(ctx context.Context, name string, fill func(context.Context, string) error) (kept string, err error) {
	if err := a.refuseConnected(ctx, name); err != nil {
		return "", err
	}
	at := strings.ToLower(time.Now().UTC().Format(stamp))
	beside := shortened(name, "_restored_"+at)
	kept = shortened(name, "_before_"+at)
	options, err := a.optionsOf(ctx, name)
	if err != nil {
		return "", err
	}
	err = a.made(ctx, beside, options, func(ctx context.Context, beside string) error {
		if err := fill(ctx, beside); err != nil {
			return err
		}
		if err := a.copyRights(ctx, name, beside); err != nil {
			return err
		}
		err := pgx.BeginFunc(ctx, a.conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `ALTER DATABASE `+quoted(name)+` RENAME TO `+quoted(kept)); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `ALTER DATABASE `+quoted(beside)+` RENAME TO `+quoted(name))
			return err
		})
		if pe, ok := errors.AsType[*pgconn.PgError](err); ok && pe.Code == "55006" {
			return errors.Join(a.refuseConnected(ctx, name), err)
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("%w; the database %s is as it was", err, name)
	}
	return kept, nil
}

// leaving is how long a connection that was just closed, our own among them, may take to be gone.
const leaving = 5 * time.Second

// refuseConnected names who keeps a database from being renamed.
func (a *admin) refuseConnected(ctx context.Context, name string) error {
	for begin := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		who, err := column(ctx, a.conn, `SELECT DISTINCT coalesce(nullif(application_name, ''), usename::text, backend_type) FROM pg_stat_activity WHERE datname = $1 ORDER BY 1`, name)
		switch {
		case err != nil || len(who) == 0:
			return err
		case time.Since(begin) > leaving:
			return fmt.Errorf("the database %s is in use by %s: stop the servers first", name, strings.Join(who, ", "))
		}
	}
}

// optionsOf are what makes a database like another.
func (a *admin) optionsOf(ctx context.Context, name string) (string, error) {
	var d map[string]any
	var owner, encoding string
	err := a.conn.QueryRow(ctx, `SELECT to_jsonb(d), pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding) FROM pg_database d WHERE d.datname = $1`, name).
		Scan(&d, &owner, &encoding)
	if err != nil {
		return "", err
	}
	text := func(names ...string) string { // columns have had several names
		for _, n := range names {
			if s, ok := d[n].(string); ok && s != "" {
				return literal(s)
			}
		}
		return ""
	}
	o := `OWNER ` + quoted(owner) + ` ENCODING ` + literal(encoding)
	for option, value := range map[string]string{"LC_COLLATE": text("datcollate"), "LC_CTYPE": text("datctype")} {
		if value != "" {
			o += " " + option + " " + value
		}
	}
	switch locale := text("datlocale", "daticulocale"); {
	case locale == "":
	case d["datlocprovider"] == "i":
		o += ` LOCALE_PROVIDER icu ICU_LOCALE ` + locale
	case d["datlocprovider"] == "b":
		o += ` LOCALE_PROVIDER builtin BUILTIN_LOCALE ` + locale
	}
	return o, nil
}

// copyRights gives a database what an operator has set on another: who may connect, and settings.
func (a *admin) copyRights(ctx context.Context, from, to string) error {
	statements, err := column(ctx, a.conn, `SELECT s FROM (
			SELECT 1 AS n, format('REVOKE ALL ON DATABASE %I FROM PUBLIC', $2::text) AS s FROM pg_database d WHERE d.datname = $1 AND d.datacl IS NOT NULL
			UNION ALL SELECT 2, format('GRANT %s ON DATABASE %I TO %s', x.privilege_type, $2::text, CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END)
				|| CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
			FROM pg_database d, aclexplode(d.datacl) x WHERE d.datname = $1
			UNION ALL SELECT 3, format('ALTER %s SET %I TO %L', CASE g.setrole WHEN 0 THEN format('DATABASE %I', $2::text)
				ELSE format('ROLE %I IN DATABASE %I', pg_get_userbyid(g.setrole), $2::text) END, split_part(c, '=', 1), substr(c, strpos(c, '=') + 1))
			FROM pg_database d JOIN pg_db_role_setting g ON g.setdatabase = d.oid, unnest(g.setconfig) c WHERE d.datname = $1) a ORDER BY n, s`, from, to)
	if err != nil || len(statements) == 0 {
		return err
	}
	_, err = a.conn.Exec(ctx, strings.Join(statements, "; "))
	return err
}

// shortened makes a name of a database that fits.
func shortened(name, suffix string) string {
	const most = 63
	return name[:min(len(name), most-len(suffix))] + suffix
}

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }

func literal(s string) string { return `'` + strings.ReplaceAll(s, `'`, `''`) + `'` }

// databaseOf is the name of the database in a connection string that pgx understands.
func databaseOf(dsn string) string {
	cc, err := pgx.ParseConfig(dsn)
	if err != nil {
		return ""
	}
	if cc.Database == "" {
		return cc.User
	}
	return cc.Database
}

// tablesIn counts what a restore would meet.
func tablesIn(ctx context.Context, dsn string) (n int, err error) {
	conn, err := connect(ctx, dsn)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = conn.QueryRow(ctx, `SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE `+userSchemas+` AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')`).Scan(&n)
	return n, err
}
