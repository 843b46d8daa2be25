// Package notify tells users what became of their credentials and runs, by mail, in chats and at addresses of their own
// (webhooks), and tells whoever runs the server what is wrong with it.
//
// Invariants:
//   - What is told is written in the transaction of what it is about: deliveries, mail and jobs exist exactly when that was
//     committed.
//   - A delivery is signed as Standard Webhooks says, with a secret of its webhook that is shown once, sealed under its user's
//     keys, and opened for each attempt. It stands in no list, log, audit or job.
//   - Of a chat the address is that secret. What is shown of it is its host and last four characters. Text of others reaches a
//     chat escaped: it pings nobody, leads nowhere and fits.
//   - An attempt goes to public addresses only, follows no redirect, ends after ten seconds, and reads 64 KiB at most. What
//     a delivery records of a failure is in our words: nothing of the answer, and nothing of the address, which may be as
//     good as a password.
//   - A delivery keeps its id and its body over all attempts and replays, so a receiver can tell what it has seen.
//   - Every statement of a user runs in the scope of that user; a foreign webhook does not exist.
//   - The operator is told of an incident once, over all servers, and once of its end. Addresses of the operator's are
//     settings: they are in no table and no job.
package notify
