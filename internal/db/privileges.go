package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// checkPrivileges enters both scopes as every request will and looks at what is left of the login's rights.
func (d *DB) checkPrivileges(ctx context.Context) error {
	for _, role := range []string{"turkey_app", "turkey_system"} {
		if err := d.checkRole(ctx, role); err != nil {
			return err
		}
	}
	return nil
}

func (d *DB) checkRole(ctx context.Context, role string) error {
	conn, err := d.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var login string
		if err := tx.QueryRow(ctx, `SELECT session_user`).Scan(&login); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `SELECT set_config('role', $1, true)`, role); err != nil {
			return dropError(err, login, role)
		}
		var bypass, owns, inherits bool
		err := tx.QueryRow(ctx, `SELECT r.rolsuper OR r.rolbypassrls,
				EXISTS (SELECT FROM pg_class c WHERE c.relname = 'users' AND c.relnamespace = 'public'::regnamespace
					AND pg_has_role(c.relowner, 'USAGE')),
				pg_has_role('turkey_app', 'turkey_system', 'USAGE')
			FROM pg_roles r WHERE r.rolname = current_user`).Scan(&bypass, &owns, &inherits)
		switch {
		case err != nil:
			return err
		case bypass:
			return fmt.Errorf("role %s is a superuser or bypasses row-level security: run ALTER ROLE %[1]s NOSUPERUSER NOBYPASSRLS as a superuser", role)
		case owns:
			return fmt.Errorf("role %s has the rights of the tables' owner: run REVOKE turkey_owner FROM %[1]s as a superuser", role)
		case inherits:
			return errors.New("role turkey_app inherits turkey_system, so every app would see all tenants: run `gravy db migrate` with DATABASE_ADMIN_URL, or ALTER ROLE turkey_app NOINHERIT and grant turkey_system to it again (PostgreSQL 16+: WITH INHERIT FALSE)")
		}
		return nil
	})
}

func dropError(err error, login, role string) error {
	pe, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case ok && pe.Code == "42501":
		return fmt.Errorf("login %q may not become %s, so its privileges cannot be dropped: run GRANT %[2]s TO %[1]q as a superuser, or `gravy db migrate` with DATABASE_ADMIN_URL", login, role)
	case ok && pe.Code == "22023":
		return fmt.Errorf("role %s does not exist: run `gravy db migrate` with DATABASE_ADMIN_URL", role)
	}
	return err
}
