// Package idempotency lets a client repeat a write without repeating its effect: a request that names an Idempotency-Key is
// answered once, and its repetitions get the same answer (contract new-api.md).
//
// Invariants:
//   - A key belongs to one user, and to one request: method, path, query and body, byte for byte. Another request under it is
//     a conflict and never runs.
//   - Of requests under one key at most one runs at a time. The claim on a key is one statement, so this holds over all
//     servers.
//   - An answer is stored before the client gets it, so whoever was answered gets the same again for a day. An answer that
//     asks to be tried again (408, 429, 5xx) is not kept: its key is free.
//   - Answers are sealed with a key that PostgreSQL does not have, bound to user, key and request: some tell a secret once.
//   - A request without the header costs nothing here, no statement and no copy.
//
// A server that dies in the middle leaves a claim. The same request may take it over after a minute, and then runs again.
package idempotency
