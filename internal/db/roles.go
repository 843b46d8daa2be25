package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// createRoles makes the roles of the design where they are missing. turkey_owner owns the tables; turkey_app is every
// request; turkey_system is workers and the command line. Roles belong to the cluster, so another database may be
// making them at this moment.
const createRoles = `
DO $$
DECLARE r text;
BEGIN
	FOREACH r IN ARRAY ARRAY['turkey_owner', 'turkey_app', 'turkey_system'] LOOP
		BEGIN
			IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) THEN
				EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', r);
			END IF;
		EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
		END;
	END LOOP;
	IF (SELECT rolinherit FROM pg_roles WHERE rolname = 'turkey_app') THEN
		ALTER ROLE turkey_app NOINHERIT;
	END IF;
	IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
		AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'turkey_backup') THEN
		BEGIN
			CREATE ROLE turkey_backup NOLOGIN BYPASSRLS;
		EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
		END;
	END IF;
END $$`

// schemaRights hold per database. Whoever may create objects in public could shadow ours.
const schemaRights = `
DO $$
BEGIN
	EXECUTE format('GRANT CREATE, CONNECT ON DATABASE %I TO turkey_owner', current_database());
	EXECUTE format('GRANT CONNECT ON DATABASE %I TO turkey_app, turkey_system', current_database());
	REVOKE CREATE ON SCHEMA public FROM PUBLIC;
	GRANT USAGE, CREATE ON SCHEMA public TO turkey_owner;
	GRANT USAGE ON SCHEMA public TO turkey_app, turkey_system;
END $$`

// Bootstrap makes the roles and rights that tables of ours expect, and no table: what a dump is restored into.
func Bootstrap(ctx context.Context, cfg MigrateConfig) error {
	m, err := newMigrator(ctx, cfg)
	if err != nil {
		return err
	}
	defer m.close(ctx)
	return m.missingRight(m.bootstrapRoles(ctx))
}

func (m *migrator) bootstrapRoles(ctx context.Context) error {
	if _, err := m.conn.Exec(ctx, createRoles); err != nil {
		return fmt.Errorf("create roles: %w", err)
	}
	var login string
	var super bool
	if err := m.conn.QueryRow(ctx, `SELECT session_user, rolsuper FROM pg_roles WHERE rolname = session_user`).Scan(&login, &super); err != nil {
		return err
	}
	members := [][2]string{{"turkey_system", "turkey_app"}}
	if !super {
		members = append(members, [2]string{"turkey_owner", login}, [2]string{"turkey_app", login}, [2]string{"turkey_system", login})
	}
	if a := m.cfg.AppLogin; a != "" && a != login {
		members = append(members, [2]string{"turkey_app", a}, [2]string{"turkey_system", a})
	}
	for _, g := range members {
		if err := m.grantRole(ctx, g[0], g[1]); err != nil {
			return err
		}
	}
	if _, err := m.conn.Exec(ctx, schemaRights); err != nil {
		return fmt.Errorf("grant on schema public: %w", err)
	}
	return nil
}

// admit makes the roles whole where the schema needs nothing: a new AppLogin, or an inheritance that came back.
func (m *migrator) admit(ctx context.Context) error {
	if m.cfg.AppLogin == "" {
		return nil
	}
	var whole bool
	err := m.conn.QueryRow(ctx, `SELECT coalesce(bool_and(pg_has_role($1, r, 'MEMBER')), false)
		AND NOT pg_has_role('turkey_app', 'turkey_system', 'USAGE') FROM unnest('{turkey_app,turkey_system}'::name[]) r`, m.cfg.AppLogin).Scan(&whole)
	if err != nil || whole {
		return err
	}
	return m.missingRight(m.bootstrapRoles(ctx))
}

// grantRole lets member become role with SET ROLE.
func (m *migrator) grantRole(ctx context.Context, role, member string) error {
	sql, err := grantSQL(ctx, m.conn, role, member)
	if err != nil || sql == "" {
		return err
	}
	_, err = m.conn.Exec(ctx, sql)
	inside := m.conn.PgConn().TxStatus() != 'I' // an upgrade in place, which is over now
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok && !inside && (pe.Code == "23505" || pe.Code == "XX000") {
		_, err = m.conn.Exec(ctx, sql) // the migration of another database was faster: now it is a grant that stands already
	}
	if err != nil {
		return fmt.Errorf("grant %s to %s: %w", role, member, err)
	}
	return nil
}

// grantSQL is the grant that lets member become role with SET ROLE; "" where that stands already. Until PostgreSQL 15
// inheriting is a trait of the member (NOINHERIT), from 16 on of the grant.
func grantSQL(ctx context.Context, conn *pgx.Conn, role, member string) (string, error) {
	if role == member {
		return "", nil
	}
	var version int
	if err := conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int`).Scan(&version); err != nil {
		return "", err
	}
	sql, may := fmt.Sprintf("GRANT %s TO %s", pgx.Identifier{role}.Sanitize(), pgx.Identifier{member}.Sanitize()), "MEMBER"
	if version >= 160000 {
		// Who creates a role is a member of it that may only hand it on, and may not become it.
		sql, may = sql+" WITH INHERIT FALSE, SET TRUE", "SET"
	}
	var skip bool
	err := conn.QueryRow(ctx, `SELECT coalesce((SELECT m.rolsuper OR pg_has_role(m.oid, r.oid, $3)
			AND NOT (m.rolname = 'turkey_app' AND pg_has_role(m.oid, r.oid, 'USAGE'))
		FROM pg_roles r, pg_roles m WHERE r.rolname = $1 AND m.rolname = $2), false)`, role, member, may).Scan(&skip)
	if err != nil {
		return "", fmt.Errorf("look up roles %s and %s: %w", role, member, err)
	}
	if skip {
		return "", nil
	}
	return sql, nil
}
