// Package cluster holds tests of the whole program among real neighbours: replicas behind nginx, PgBouncer in transaction mode,
// a PostgreSQL that fails over, a Redis that goes away, clients that mean no good. They build the program and run every part as
// a process of its own, and so take minutes: they run with -cluster alone, one after the other, as `make test-cluster` does.
package cluster
