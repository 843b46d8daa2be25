// Package kpi is the pipeline: it fetches daily figures with a user's credentials and writes them into that user's
// spreadsheet (contract credential-api.md §6.2, §7, §8).
//
// A run is a row of its own (kpi_runs; its id is the job id on the wire). A dispatcher hands due runs to the job queue,
// one per user and service at a time; a worker claims the run and from then on acts in its user's scope.
//
// Invariants:
//   - Job arguments hold ids, never secrets; a credential is opened when it is needed and its use is audited.
//   - A load may be repeated at any point: rows are found by their day, and a day keeps its row id, so a retry after a
//     crash neither doubles nor loses a row.
//   - A run has one attempt at a time: each has a claim and gives signs of life, and what is written down under another claim
//     does not count. Runs over long ranges are finished piece by piece.
//   - What a load replaces is stored before it writes, so that it can be taken back whatever happens in between.
//   - A tab has one writer at a time, over all users and replicas (sheet_leases). Writes are explicit ranges, never
//     append and never clear; a header that is not ours is never overwritten; values are written raw, so that no text
//     of a source becomes a formula.
package kpi
