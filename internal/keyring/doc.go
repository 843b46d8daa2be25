// Package keyring is where the vault's root keys come from: the operator's secret text, a keyring file, or a key service
// (OpenBao or Vault transit; AWS and Google KMS in builds with their tags) that wraps a random key kept in the database.
//
// Invariants:
//   - A root key lives in the memory of the process and in its source, nowhere else. PostgreSQL holds it only wrapped.
//   - A key service is asked when a root key is made and when a process first meets it, never for a request.
//   - Which root key is in use is no question for this package: the database says it.
//   - No error holds a key, a token, or what a key service answered beyond its own words of refusal.
package keyring
