// Package doctor looks a server over and says what is wrong, where, and how to mend it: `gravy doctor` and
// GET /v1/admin/doctor.
//
// What holds:
//   - It only looks. No check makes, migrates, seals or changes anything, so it may run beside any number of servers. What
//     reaches others (a test mail, the public address) is done only when it is asked for.
//   - A check that cannot be made does not keep the others from being made; one that needs the database says so when that is
//     away.
//   - No message holds a secret, nor anything of a user: settings by name, keys by id, people as numbers.
//   - The package knows no domain. What it asks of one is a function that cli hands in.
package doctor
