package legacy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"turkey/internal/db"
)

var (
	errOurs    = errors.New("the source is a database of this TurKey already: use a backup and restore instead")
	errUnknown = errors.New("the source is no database of a predecessor: its table users is missing or has unknown columns")
	errHidden  = errors.New("row-level security hides rows of the source from this login: connect as the owner of its tables or as a superuser")
)

// source is a predecessor's database, read in one snapshot, or, where it is upgraded in place, its tables set aside.
type source struct {
	conn   *pgx.Conn // nil: it is the target's own
	tx     pgx.Tx
	schema string // that its tables are in
	gen    db.Origin
	zone   string // of the columns that were written by now()
	name   string // tells this source from others in import_map
}

// openSource connects and recognises the schema. zone "" means the source database's own TimeZone.
func openSource(ctx context.Context, url, zone string) (*source, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		if _, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
			return nil, errors.New("--from cannot be parsed; expected postgresql://user:password@host:5432/name")
		}
		return nil, fmt.Errorf("the source cannot be reached: %w", err)
	}
	s := &source{conn: conn, schema: "public", zone: zone}
	if err := s.begin(ctx); err != nil {
		s.close(ctx)
		return nil, err
	}
	return s, nil
}

func (s *source) close(ctx context.Context) { _ = s.conn.Close(context.WithoutCancel(ctx)) }

func (s *source) begin(ctx context.Context) (err error) {
	if s.tx, err = s.conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}); err != nil {
		return err
	}
	s.gen, err = db.OriginOf(ctx, s.tx)
	switch {
	case err != nil:
		return err
	case s.gen == db.OriginOurs:
		return errOurs
	case s.gen == db.OriginNone || s.gen == db.OriginUnknown:
		return errUnknown
	}
	return s.settle(ctx)
}

// settle finds out what else has to be known before rows are read.
func (s *source) settle(ctx context.Context) error {
	if s.zone == "" {
		if err := s.tx.QueryRow(ctx, `SELECT current_setting('TimeZone')`).Scan(&s.zone); err != nil {
			return err
		}
	}
	var known bool
	if err := s.tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_timezone_names WHERE name = $1)`, s.zone).Scan(&known); err != nil {
		return err
	}
	if !known {
		return fmt.Errorf("--source-tz: %q is no IANA time zone", s.zone)
	}
	return s.identify(ctx)
}

// columns of a table of the source; none if there is no such table.
func (s *source) columns(ctx context.Context, table string) ([]string, error) {
	return db.ColumnsOf(ctx, s.tx, s.schema, table)
}

// identify names the source by its first user, by what never changes of one: the same however the source is reached and
// wherever it is restored.
func (s *source) identify(ctx context.Context) error {
	who := "u.id::text"
	if s.gen == db.OriginKPIETL {
		who = "u.clerk_id"
	}
	var first string
	err := s.tx.QueryRow(ctx, `SELECT coalesce((SELECT `+who+` FROM `+s.schema+`.users u ORDER BY u.id LIMIT 1), '')`).Scan(&first)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(first))
	s.name = string(s.gen) + " " + hex.EncodeToString(sum[:12])
	return nil
}

// read collects the rows of a query on the source. $1 is always the zone of its local times.
func read[T any](ctx context.Context, s *source, sql string, args ...any) ([]T, error) {
	rows, err := s.tx.Query(ctx, sql, append([]any{s.zone}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("read the source: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	if err != nil {
		return nil, fmt.Errorf("read the source: %w", err)
	}
	return all, nil
}
