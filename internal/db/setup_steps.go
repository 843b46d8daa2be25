package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// role is what a server knows of one of our roles.
type role struct{ login, inherit bool }

func lookUpRole(ctx context.Context, conn *pgx.Conn, name string) (r role, exists bool, err error) {
	err = conn.QueryRow(ctx, `SELECT rolcanlogin, rolinherit FROM pg_roles WHERE rolname = $1`, name).Scan(&r.login, &r.inherit)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, false, nil
	}
	return r, err == nil, err
}

// serverSteps are the roles, who may become whom, and the database.
func serverSteps(ctx context.Context, conn *pgx.Conn, cfg SetupConfig) (steps []SetupStep, err error) {
	add := func(sql string) { steps = append(steps, SetupStep{SQL: sql}) }
	var super bool
	if err := conn.QueryRow(ctx, `SELECT rolsuper FROM pg_roles WHERE rolname = session_user`).Scan(&super); err != nil {
		return nil, err
	}
	for _, name := range []string{"turkey_owner", "turkey_app", "turkey_system"} {
		r, exists, err := lookUpRole(ctx, conn, name)
		switch {
		case err != nil:
			return nil, err
		case name == cfg.Login:
		case !exists:
			add("CREATE ROLE " + name + " NOLOGIN NOINHERIT")
		case name == "turkey_app" && r.inherit:
			add("ALTER ROLE turkey_app NOINHERIT")
		}
	}
	login, err := loginSteps(ctx, conn, cfg, super)
	if err != nil {
		return nil, err
	}
	steps = append(steps, login...)
	if _, exists, err := lookUpRole(ctx, conn, "turkey_backup"); err != nil {
		return nil, err
	} else if !exists && super {
		add("CREATE ROLE turkey_backup NOLOGIN BYPASSRLS")
	}
	for _, g := range [][2]string{{"turkey_system", "turkey_app"}, {"turkey_app", cfg.Login}, {"turkey_system", cfg.Login}} {
		sql, err := grantSQL(ctx, conn, g[0], g[1])
		if err != nil {
			return nil, err
		}
		if sql != "" && (len(steps) == 0 || steps[len(steps)-1].SQL != sql) { // turkey_app may be the login
			add(sql)
		}
	}
	var exists bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, cfg.Database).Scan(&exists); err != nil {
		return nil, err
	}
	if !exists {
		add("CREATE DATABASE " + pgx.Identifier{cfg.Database}.Sanitize() + " TEMPLATE template0 ENCODING 'UTF8'")
	}
	return steps, nil
}

// loginSteps make the login, or what it lacks. A password that it has already is not set again, as far as the admin may see it.
func loginSteps(ctx context.Context, conn *pgx.Conn, cfg SetupConfig, super bool) ([]SetupStep, error) {
	r, exists, err := lookUpRole(ctx, conn, cfg.Login)
	if err != nil {
		return nil, err
	}
	name := pgx.Identifier{cfg.Login}.Sanitize()
	one := func(sql string) ([]SetupStep, error) {
		s := SetupStep{SQL: sql}
		if cfg.Password != "" {
			s.needs, err = scramVerifier(cfg.Password)
		}
		return []SetupStep{s}, err
	}
	switch {
	case !exists:
		return one("CREATE ROLE " + name + " LOGIN NOINHERIT PASSWORD " + secretMark)
	case !r.login:
		return one("ALTER ROLE " + name + " LOGIN NOINHERIT PASSWORD " + secretMark)
	}
	var steps []SetupStep
	if r.inherit && cfg.Login == "turkey_app" {
		steps = append(steps, SetupStep{SQL: "ALTER ROLE turkey_app NOINHERIT"})
	}
	if cfg.Password == "" {
		return steps, nil
	}
	if super {
		var stored *string
		if err := conn.QueryRow(ctx, `SELECT rolpassword FROM pg_authid WHERE rolname = $1`, cfg.Login).Scan(&stored); err != nil {
			return nil, err
		}
		if stored != nil && scramMatches(*stored, cfg.Password) {
			return steps, nil
		}
	}
	set, err := one("ALTER ROLE " + name + " PASSWORD " + secretMark)
	return append(steps, set...), err
}

// databaseSteps are the rights inside the database. Those on TurKey's own tables are not among them: each migration grants
// them by name, since the audit tables can only be appended to and keys are for nobody else. Default privileges are for
// what the admin makes beside them, as in the guide, and for what backups read. inside is nil while there is no database.
func databaseSteps(ctx context.Context, server, inside *pgx.Conn, cfg SetupConfig) (steps []SetupStep, err error) {
	backup, err := roleAfter(ctx, server, "turkey_backup")
	if err != nil {
		return nil, err
	}
	database := pgx.Identifier{cfg.Database}.Sanitize()
	for _, right := range databaseRights(database, cfg.Login, backup) {
		missing := true
		if inside != nil {
			if err := inside.QueryRow(ctx, `SELECT NOT coalesce((`+right.stands+`), false)`).Scan(&missing); err != nil {
				return nil, fmt.Errorf("look up rights: %w", err)
			}
		}
		if missing {
			steps = append(steps, SetupStep{Database: cfg.Database, SQL: right.sql})
		}
	}
	return steps, nil
}

// roleAfter reports whether a role is there, or will be once the steps for the server are done.
func roleAfter(ctx context.Context, conn *pgx.Conn, name string) (bool, error) {
	var there bool
	err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1) OR rolsuper FROM pg_roles WHERE rolname = session_user`, name).Scan(&there)
	return there, err
}

// right is a statement, and the query that tells whether it has been run.
type right struct{ sql, stands string }

func databaseRights(database, login string, backup bool) []right {
	onDatabase := func(role, privilege string) string {
		return `SELECT bool_or(true) FROM pg_database d, aclexplode(d.datacl) a WHERE d.datname = current_database()
			AND a.grantee = (SELECT oid FROM pg_roles WHERE rolname = '` + role + `') AND a.privilege_type = '` + privilege + `'`
	}
	onPublic := func(role, privilege string) string {
		return `SELECT bool_or(true) FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = 'public'
			AND a.grantee = (SELECT oid FROM pg_roles WHERE rolname = '` + role + `') AND a.privilege_type = '` + privilege + `'`
	}
	byDefault := func(maker, schema, kind, role string) string {
		return `SELECT bool_or(true) FROM pg_default_acl d, aclexplode(d.defaclacl) a WHERE d.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = ` + maker + `)
			AND d.defaclnamespace = ` + schema + ` AND d.defaclobjtype = '` + kind + `' AND a.grantee = (SELECT oid FROM pg_roles WHERE rolname = '` + role + `')`
	}
	rights := []right{
		{`GRANT CREATE, CONNECT ON DATABASE ` + database + ` TO turkey_owner`, onDatabase("turkey_owner", "CREATE")},
		{`GRANT CONNECT ON DATABASE ` + database + ` TO turkey_app`, onDatabase("turkey_app", "CONNECT")},
		{`GRANT CONNECT ON DATABASE ` + database + ` TO turkey_system`, onDatabase("turkey_system", "CONNECT")},
	}
	if login != "turkey_app" {
		rights = append(rights, right{`GRANT CONNECT ON DATABASE ` + database + ` TO ` + pgx.Identifier{login}.Sanitize(), onDatabase(login, "CONNECT")})
	}
	rights = append(rights,
		right{`REVOKE CREATE ON SCHEMA public FROM PUBLIC`, `SELECT NOT has_schema_privilege('public', 'public', 'CREATE')`},
		right{`GRANT USAGE, CREATE ON SCHEMA public TO turkey_owner`, onPublic("turkey_owner", "CREATE")},
		right{`GRANT USAGE ON SCHEMA public TO turkey_app`, onPublic("turkey_app", "USAGE")},
		right{`GRANT USAGE ON SCHEMA public TO turkey_system`, onPublic("turkey_system", "USAGE")},
		right{`ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO turkey_app`,
			byDefault("current_user", "'public'::regnamespace", "r", "turkey_app")},
		right{`ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO turkey_app`,
			byDefault("current_user", "'public'::regnamespace", "S", "turkey_app")},
	)
	if !backup {
		return rights
	}
	owner := `(SELECT oid FROM pg_roles WHERE rolname = 'turkey_owner')`
	readable := func(privilege, kinds, schemas string) string { // false for a role that is not there yet
		return `SELECT coalesce(bool_and(coalesce((SELECT ` + privilege + `(r.oid, c.oid, 'SELECT') FROM pg_roles r WHERE r.rolname = 'turkey_backup'), false)), true)
			FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relowner = ` + owner + ` AND c.relkind IN ` + kinds + ` AND ` + schemas
	}
	return append(rights,
		right{`GRANT CONNECT ON DATABASE ` + database + ` TO turkey_backup`, onDatabase("turkey_backup", "CONNECT")},
		right{`GRANT USAGE ON SCHEMA public TO turkey_backup`, onPublic("turkey_backup", "USAGE")},
		right{`ALTER DEFAULT PRIVILEGES FOR ROLE turkey_owner GRANT SELECT ON TABLES TO turkey_backup`, byDefault("'turkey_owner'", "0", "r", "turkey_backup")},
		right{`ALTER DEFAULT PRIVILEGES FOR ROLE turkey_owner GRANT SELECT ON SEQUENCES TO turkey_backup`, byDefault("'turkey_owner'", "0", "S", "turkey_backup")},
		right{`ALTER DEFAULT PRIVILEGES FOR ROLE turkey_owner GRANT USAGE ON SCHEMAS TO turkey_backup`, byDefault("'turkey_owner'", "0", "n", "turkey_backup")},
		// A database that was migrated before:
		right{`GRANT SELECT ON ALL TABLES IN SCHEMA public TO turkey_backup`, readable("has_table_privilege", "('r', 'p')", "n.nspname = 'public'")},
		right{`GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO turkey_backup`,
			readable("has_sequence_privilege", "('S')", "n.nspname = 'public'")},
		right{`DO $$ DECLARE s name; BEGIN FOR s IN SELECT nspname FROM pg_namespace WHERE nspowner = 'turkey_owner'::regrole
	LOOP EXECUTE format(
	'GRANT USAGE ON SCHEMA %1$I TO turkey_backup; GRANT SELECT ON ALL TABLES IN SCHEMA %1$I TO turkey_backup; GRANT SELECT ON ALL SEQUENCES IN SCHEMA %1$I TO turkey_backup', s); END LOOP; END $$`,
			readable("has_table_privilege", "('r', 'p')", "n.nspowner = "+owner)},
	)
}
