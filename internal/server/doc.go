// Package server is the HTTP walls of the house: the mux, the middleware, the one place where errors become bytes, the
// health endpoints and the API reference. It knows no domain. Domains mount huma operations on Server.API; what the
// server needs from them comes as functions in Config, wired by internal/cli.
//
// Invariants:
//   - Every error leaves through render (errors.go), in the shape of its half: AuthError everywhere, APIError under /api.
//     No text of a cause and, but for the path, no value of a request is ever part of it.
//   - Every reply carries X-Request-Id and the security headers, replies to panics and preflights included.
//   - A body never grows past the limit of its half, declared or not.
//   - The client address is taken from the socket unless the operator named the proxies in front.
//   - huma's own validation of bodies is off for every operation: bind.go decodes and reports in the words of the contract.
package server
