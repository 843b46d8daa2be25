package db

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// SetupConfig says what a server needs before its first migration: a database, the roles, and a login.
type SetupConfig struct {
	AdminURL string // a superuser's, or of a login with CREATEDB and CREATEROLE; any database of that server
	Database string // the one to make
	Login    string // whom the server logs in as: turkey_app, or another that may become it
	Password string // of the login; "" leaves the one it has
}

// SetupStep is one statement of the set-up. It holds no password.
type SetupStep struct {
	Database string `json:"database,omitempty"` // in which it runs; "": any, it is about the whole server
	SQL      string `json:"sql"`
	needs    string // the verifier that takes the place of the password
}

// secretMark stands for a password in a statement that is shown.
const secretMark = `'<password>'`

// NeedsPassword reports whether the step gives a login its password.
func (s SetupStep) NeedsPassword() bool { return strings.Contains(s.SQL, secretMark) }

// run is the statement as it is sent: with a verifier, so the password itself is in no log of the server.
func (s SetupStep) run() string { return strings.Replace(s.SQL, secretMark, "'"+s.needs+"'", 1) }

var setupName = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,62}$`)

func (c SetupConfig) check() error {
	switch {
	case !setupName.MatchString(c.Database):
		return errors.New("the name of a database is lower-case letters, digits, hyphens and underscores")
	case !setupName.MatchString(c.Login), strings.HasPrefix(c.Login, "pg_"):
		return errors.New("the name of a login is lower-case letters, digits, hyphens and underscores, and does not begin with pg_")
	case c.Login == "turkey_owner", c.Login == "turkey_system", c.Login == "turkey_backup":
		return fmt.Errorf("%s is no login for the server: it would have the rights that the server drops", c.Login)
	}
	return checkPassword(c.Password)
}

// PlanSetup lists what Setup would do, and changes nothing. On a server that is set up it is empty.
func PlanSetup(ctx context.Context, cfg SetupConfig) ([]SetupStep, error) {
	return setup(ctx, cfg, func(context.Context, *pgx.Conn, []SetupStep) error { return nil })
}

// Setup makes what is missing and returns what it did. Password must be given if a step of the plan needs one.
func Setup(ctx context.Context, cfg SetupConfig) ([]SetupStep, error) {
	return setup(ctx, cfg, func(ctx context.Context, conn *pgx.Conn, steps []SetupStep) error {
		for _, s := range steps {
			if s.NeedsPassword() && s.needs == "" {
				return fmt.Errorf("login %s needs a password", cfg.Login)
			}
			if _, err := conn.Exec(ctx, s.run()); err != nil {
				return setupError(err, conn, s)
			}
		}
		return nil
	})
}

func setupError(err error, conn *pgx.Conn, s SetupStep) error {
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		return fmt.Errorf("login %q could not run %q: %s", conn.Config().User, s.SQL, pe.Message)
	}
	return err
}

// setup works out the steps for the server, has them done, and then those inside the database.
func setup(ctx context.Context, cfg SetupConfig, do func(context.Context, *pgx.Conn, []SetupStep) error) ([]SetupStep, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	m, err := newMigrator(ctx, MigrateConfig{URL: cfg.AdminURL})
	if err != nil {
		return nil, err
	}
	defer m.close(ctx)
	unlock, err := m.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	steps, err := serverSteps(ctx, m.conn, cfg)
	if err != nil {
		return nil, err
	}
	if err := do(ctx, m.conn, steps); err != nil {
		return steps, err
	}
	inside, err := connectTo(ctx, m.conn, cfg.Database)
	if err != nil {
		return steps, err
	}
	if inside != nil {
		defer inside.Close(context.WithoutCancel(ctx))
	}
	more, err := databaseSteps(ctx, m.conn, inside, cfg)
	if err == nil {
		err = do(ctx, inside, more)
	}
	return append(steps, more...), err
}

// connectTo opens a database of the same server; nil if there is none.
func connectTo(ctx context.Context, conn *pgx.Conn, database string) (*pgx.Conn, error) {
	var encoding string
	err := conn.QueryRow(ctx, `SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = $1`, database).Scan(&encoding)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil //nolint:nilnil // no database is an answer
	case err != nil:
		return nil, err
	case encoding != "UTF8":
		return nil, fmt.Errorf("database %s has the encoding %s: UTF8 is needed", database, encoding)
	}
	cc := conn.Config()
	cc.Database = database
	inside, err := pgx.ConnectConfig(ctx, cc)
	if err != nil {
		return nil, connectFault(err, cc)
	}
	return inside, nil
}

// ServerURL is the URL that a server logs in with: that of the admin, with another user and database. The password of the
// admin is not in it.
func (c SetupConfig) ServerURL(login, password string) (string, error) {
	cc, err := pgx.ParseConfig(c.AdminURL)
	if err != nil {
		return "", errors.New("the admin URL cannot be parsed")
	}
	u, err := url.Parse(c.AdminURL)
	if err != nil || u.Scheme == "" { // key=value
		u = &url.URL{Scheme: "postgresql", Host: fmt.Sprintf("%s:%d", cc.Host, cc.Port)}
		if strings.HasPrefix(cc.Host, "/") {
			u.Host, u.RawQuery = "", url.Values{"host": {cc.Host}, "port": {fmt.Sprint(cc.Port)}}.Encode()
		}
	}
	if login == "" {
		login = cc.User
	}
	u.User, u.Path = url.User(login), "/"+c.Database
	if password != "" {
		u.User = url.UserPassword(login, password)
	}
	query := u.Query()
	for _, name := range []string{"user", "password", "dbname", "database"} {
		query.Del(name)
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// LetsIn reports why PostgreSQL does not let a login in, nil if it does.
func LetsIn(ctx context.Context, url string) error {
	m, err := newMigrator(ctx, MigrateConfig{URL: url})
	if err == nil {
		m.close(ctx)
	}
	return err
}
