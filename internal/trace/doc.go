// Package trace tells an OpenTelemetry collector which request took how long where: spans of requests, jobs, runs,
// statements and calls to providers, as OTLP over HTTP.
//
// Invariants:
//   - Spans hold names that are known at build time (patterns of routes, statements of sqlc, kinds of jobs), statuses, and the
//     hosts of providers. No path, query, header, body, argument of a statement, or text of an error enters one.
//   - A traceparent that comes with a request is gone on with. None goes out: providers do not hear of it.
//   - A statement or a call is a part of something. Without a span around it there is none, so loops in the background are
//     silent.
//   - Switched off, nothing of this package is in any path.
package trace
