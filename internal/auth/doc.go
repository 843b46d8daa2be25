// Package auth says who somebody is: users of apps, their passwords, sessions and tokens (contract auth-api.md).
//
// Invariants:
//   - Every statement runs in the scope of one app. A user, session or token of app A does not exist in app B.
//   - A session is one row. Its refresh token is rt_<session>.<generation>.<MAC>: nothing usable is stored, and junk is
//     refused without a query.
//   - An access token is trusted only when its signature holds AND the database says that user, session and token live.
//     With the database away the answer is "unavailable", never "yes" and never "no".
//   - A signing key is published by every server before it signs, and until the last token it signed has expired.
//   - Unknown user and wrong password cost the same time and get the same answer.
package auth
