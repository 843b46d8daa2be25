// Package notify tells users what became of their credentials and runs: by mail, and at addresses of their own (webhooks).
//
// Invariants:
//   - What is told is written in the transaction of what it is about: deliveries, mail and jobs exist exactly when that was
//     committed.
//   - A delivery is signed as Standard Webhooks says, with a secret of its webhook that is shown once, sealed under its user's
//     keys, and opened for each attempt. It stands in no list, log, audit or job.
//   - An attempt goes to public addresses only, follows no redirect, ends after ten seconds, and reads 64 KiB at most. What
//     a delivery records of a failure is in our words: nothing of the answer, and nothing of the address, which may be as
//     good as a password.
//   - A delivery keeps its id and its body over all attempts and replays, so a receiver can tell what it has seen.
//   - Every statement runs in the scope of one user; a foreign webhook does not exist.
package notify
