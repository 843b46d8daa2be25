// Package legacy takes over the databases of the two predecessors: TurKey, the original auth server, and KPI ETL, the
// original credential backend (contract legacy-import.md).
//
// Invariants:
//   - The source is read in one read-only snapshot and never written.
//   - The target is written in one transaction per user; a user that fails is rolled back, reported and skipped.
//   - Running an import again adds what is new and changes nothing else.
//   - An upgrade in place (the original TurKey's database becomes ours) is one transaction, in which every user and every key
//     is taken over or nothing is. Its mapping is the import's.
//   - No secret, hash or plaintext is printed, logged or part of an error.
package legacy
