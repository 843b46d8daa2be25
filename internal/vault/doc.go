// Package vault keeps users' third-party credentials: sealed, owned by one user, usable and never readable again
// (contract credential-api.md).
//
// Keys: a root key (package keyring: the operator's secret, a file, a key service) wraps one random keyset per user; the
// keyset (Tink, XAES-256-GCM, 192-bit random nonces) seals that user's records. A rotation wraps the keysets with another
// root key; a reseal replaces the key inside each keyset and seals every record anew. Associated data binds a record to user,
// credential, service and version, so no row opens in another row's place. A second random key per user makes the
// fingerprints that find duplicates without opening anything. Deleting a user's row of keys makes what it sealed unreadable
// for good.
//
// Invariants:
//   - PostgreSQL never sees a plaintext secret; no route returns one.
//   - Every statement of a request runs in the scope of one user; a foreign credential does not exist.
//   - Which root key wraps is decided by the database. A start without one that is needed is refused.
//   - A statement here that stores a newly sealed text holds the user's row of vault_keys and compares key_id, so nothing
//     comes under a key that a reseal is about to drop.
//   - Handing out a record and writing down for what is one statement.
//   - Over all servers one renewal of a token happens at a time: the deadline for the provider's answer ends before the lease,
//     and an answer is stored only for the generation and version it was asked from. Nothing is locked while a provider is asked.
//   - What a check means for a credential is decided in healthAfter and nowhere else; a change and its notices are one transaction.
package vault
