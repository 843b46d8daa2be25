// Package db is PostgreSQL: the pool, the row-level-security scopes every statement runs in, and the migrations.
//
// Invariants:
//   - A statement runs in a Scope, or it does not run. The scope sets role AND tenant, transaction-local, in the same
//     round trip as the statement; nothing about a tenant ever lives in a session, so pools and poolers cannot leak it.
//   - In every scope the role is turkey_app or turkey_system. Neither owns a table, bypasses policies or is a superuser,
//     whatever the login is; Open refuses a login that could not drop to them.
//   - Outages of PostgreSQL leave this package as fault.Unavailable, never as "not found" or "not allowed".
package db
