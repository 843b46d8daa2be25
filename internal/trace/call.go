package trace

import (
	"context"
	"errors"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Calls makes spans of calls to providers: method, host and status. Addresses stay out of them, since some carry tokens, and
// the calls stay as they are: no header is added.
func (t *Tracing) Calls(next http.RoundTripper) http.RoundTripper {
	if t == nil {
		return next
	}
	return calls{t, next}
}

type calls struct {
	*Tracing
	next http.RoundTripper
}

// RoundTrip is for http.Client. The span ends with the header of the answer.
func (c calls) RoundTrip(r *http.Request) (*http.Response, error) {
	if !inside(r.Context()) {
		return c.next.RoundTrip(r)
	}
	_, span := c.tracer.Start(r.Context(), method(r.Method)+" "+r.URL.Hostname(), trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("http.request.method", method(r.Method)), attribute.String("server.address", r.URL.Hostname())))
	defer span.End()
	resp, err := c.next.RoundTrip(r)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		span.SetAttributes(attribute.String("error.type", "timeout"))
		span.SetStatus(codes.Error, "")
	case err != nil:
		span.SetAttributes(attribute.String("error.type", "unreachable"))
		span.SetStatus(codes.Error, "")
	default:
		span.SetAttributes(attribute.Int("http.response.status_code", resp.StatusCode))
		if resp.StatusCode >= http.StatusBadRequest {
			span.SetStatus(codes.Error, "")
		}
	}
	return resp, err
}

// CloseIdleConnections is for http.Client.
func (c calls) CloseIdleConnections() {
	if closer, ok := c.next.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}
