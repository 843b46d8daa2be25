// Package vault keeps users' third-party credentials: sealed, owned by one user, usable and never readable again
// (contract credential-api.md).
//
// Keys: the operator's root secret (ENCRYPTION_KEY_SALT) wraps one random keyset per user; the keyset (Tink,
// XAES-256-GCM, 192-bit random nonces) seals that user's records. Associated data binds a record to user, credential,
// service and version, so no row opens in another row's place. A second random key per user makes the fingerprints that
// find duplicates without opening anything. Deleting a user's row of keys makes what it sealed unreadable for good.
//
// Invariants:
//   - PostgreSQL never sees a plaintext secret; no route returns one.
//   - Every statement runs in the scope of one user; a foreign credential does not exist.
//   - Handing out a record and writing down for what is one statement.
package vault
