// Package oidc verifies tokens that other issuers signed: Clerk, and any OpenID provider of the configuration (contract
// credential-api.md §2). It knows no database and no user.
//
// Invariants:
//   - The unverified `iss` of a token only chooses who verifies it. Everything else is believed after the signature.
//   - Keys come from the configuration alone: a PEM, or the key set of a configured issuer. What a token says of keys
//     (jwk, jku, x5u, x5c) is never used and never fetched.
//   - A signature is checked with an algorithm that its key is for, out of a list that the issuer has.
//   - Keys are used for at most an hour without being read again, while the issuer does not answer for at most a day.
//     Nobody makes the server ask an issuer more often than every 30 seconds.
//   - No cached key and no answer of the issuer is "unavailable", never "no".
package oidc
