// Package limit slows down who asks too much: rate limits per client, lockout per account, quotas of mails. All replicas
// share the counts, in PostgreSQL or, with REDIS_URL, in Redis or Valkey (contract auth-api.md §8).
//
// Invariants:
//   - Exact limiters (mail, register, admin, quotas, lockout; login and refresh unless Config.InProcess) decide in the store, in
//     one statement or one script per decision: a parallel burst over any number of replicas gets through as often as the limit says.
//   - The general limiter, the one of /api and those InProcess decide in the process and merge about once a second. With R replicas a
//     client gets at most max + 2(R-1)a requests through, a being what one replica lets through between two merges, and
//     never more than R·max. One replica alone is exact.
//   - Where only failures count, a unit is taken at arrival and given back after a success, so what is still being worked on
//     counts as well.
//   - A unit that is refused is not counted, and no answer moves the end of a window.
//   - Trouble with a store is never a 500. Without Redis PostgreSQL counts; without PostgreSQL the exact limiters answer
//     fault.Unavailable (nothing behind them works then) and the others go on with what the process knows.
//   - A clock is one store's or one process's: only lengths of time travel between them.
//   - E-mails, apps and user ids reach a store as keyed hashes. Addresses of clients are stored as they are, IPv6 as its /64.
package limit
