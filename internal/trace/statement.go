package trace

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Statements makes spans of statements, for pgx.
func (t *Tracing) Statements() pgx.QueryTracer {
	if t == nil {
		return nil
	}
	return statements{t}
}

type statements struct{ *Tracing }

// begin is the span of a statement by its name. Its text stays here, and so do its arguments.
func (s statements) begin(ctx context.Context, sql string) context.Context {
	if !inside(ctx) {
		return ctx
	}
	name := nameOf(sql)
	ctx, _ = s.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("db.system.name", "postgresql"), attribute.String("db.operation.name", name)))
	return context.WithValue(ctx, begunKey{}, true)
}

// begunKey marks a context whose span is a statement's: the end of one without a span must not end what is around it.
type begunKey struct{}

func end(ctx context.Context, err error) {
	if ctx.Value(begunKey{}) == nil {
		return
	}
	span := trace.SpanFromContext(ctx)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		span.SetStatus(codes.Error, "")
		if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
			span.SetAttributes(attribute.String("db.response.status_code", pe.Code)) // its message may quote values
		}
	}
	span.End()
}

// nameOf is what sqlc writes before a statement; of others, the first word.
func nameOf(sql string) string {
	sql = strings.TrimSpace(sql)
	if rest, ok := strings.CutPrefix(sql, "-- name: "); ok {
		name, _, _ := strings.Cut(rest, " ")
		return name
	}
	word, _, _ := strings.Cut(sql, " ")
	switch word = strings.ToUpper(word); word {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "BEGIN", "COMMIT", "ROLLBACK", "LISTEN", "NOTIFY", "SET":
		return word
	}
	return "statement"
}

// TraceQueryStart is pgx's.
func (s statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	return s.begin(ctx, data.SQL)
}

// TraceQueryEnd is pgx's.
func (s statements) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	end(ctx, data.Err)
}

// TraceBatchStart is pgx's. The last statement of a batch is the one it is about: before it stands its scope.
func (s statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	queued := data.Batch.QueuedQueries
	if len(queued) == 0 {
		return s.begin(ctx, "")
	}
	if len(queued) == 1 {
		return s.begin(ctx, "BEGIN") // of a transaction, with its scope
	}
	return s.begin(ctx, queued[len(queued)-1].SQL)
}

// TraceBatchQuery is pgx's.
func (s statements) TraceBatchQuery(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchQueryData) {
	if pe, ok := errors.AsType[*pgconn.PgError](data.Err); ok && ctx.Value(begunKey{}) != nil {
		trace.SpanFromContext(ctx).SetAttributes(attribute.String("db.response.status_code", pe.Code))
	}
}

// TraceBatchEnd is pgx's.
func (s statements) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchEndData) {
	end(ctx, data.Err)
}
