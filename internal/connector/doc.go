// Package connector speaks to the providers: what a pasted credential of each must contain, how its right is proved, how a
// day of figures is read, and how Google Sheets is written. One file per provider; the files named after no provider hold
// what they share.
//
// Invariants:
//   - A user's JSON is read strictly into our own structs and never reaches a provider library. Hosts are constants or the
//     operator's setting, or a shop of Shopify's in exactly one form, or the one public host of an http_json credential; token_uri and
//     auth_uri of a credential are never contacted.
//   - Every call ends after 10 s, follows no redirect, reads at most 5 MiB, uses no proxy and refuses addresses that are not
//     public, checked after DNS resolution (Config.AllowPrivate lifts that for the sandbox).
//   - Every failure of a provider is an *Error: a Reason for programs, a Message a person can act on. Neither it nor its cause
//     holds a secret, a token or the provider's raw body.
//   - Access tokens live in memory only, for one secret and scope, until 5 minutes before they expire. Verify never trusts
//     such a token: it obtains a new one, because only that proves that the key still works.
//   - A content with a grant in it (Renewer.WithGrant) is used with that token and no other: what is renewed once over all
//     replicas must not be renewed here too.
//   - Values are written to explicit ranges and as RAW: nothing is appended by guess and no text becomes a formula.
//   - Nothing is kept on disk; the package knows neither the database nor the vault nor the pipeline.
//
// Time zones are loaded by name, so a program without the system's zone files imports time/tzdata.
package connector
