// Package metric is what the server measures of itself, for Prometheus, on a listener of its own.
//
// Invariants:
//   - The registry is this package's own; nothing registers itself from elsewhere, and nobody else imports Prometheus.
//   - Labels come from fixed sets: patterns of routes, kinds of jobs, services, states. None names an app, a user, an address
//     or anything else that grows with use; routes past mostRoutes share one label.
//   - What is read of the database is read at most every readEvery, in one trip per question, whoever scrapes how often.
//   - A nil *Metrics measures nothing, so who is measured need not ask.
package metric
