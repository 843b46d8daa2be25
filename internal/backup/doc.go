// Package backup makes, proves, restores and prunes backups: pg_dump's custom format, compressed, encrypted to age recipients
// where there are any, one file each with a manifest beside it.
//
// What holds:
//   - A file under its final name is whole: it is written under a temporary name, synced and renamed after its manifest. What
//     a killed process leaves is swept by the next one. One process at a time writes a directory (flock).
//   - The manifest counts the rows of every table in the snapshot that pg_dump read, and names the root keys that are needed
//     to open the credentials. It holds no key. The dump neither: root keys are backed up elsewhere.
//   - Nothing of a database is lost by a restore: a target with tables is kept under another name, and only after the backup
//     has been read to its end and compared with its manifest.
//   - Data goes through memory in pieces, and never to the disk in the clear where it is encrypted.
//   - No password is on a command line; pg_dump and pg_restore get it in their own environment and nothing of ours besides.
//
// Layout of the directory: turkey-<UTC time>-<id>.dump[.age], the same with .json (manifest) and .verified.json (the last
// verification), last-failure.json, .lock.
package backup
