// Package transfer is what backup, restore and move share: a relay's data on its way to
// another machine. Below it, archive is the format, snapshot reads and places a relay's
// files, and seal encrypts.
//
// # Why not tar, rsync and age
//
// They were considered first. Each lacks something that a relay needs, or does something
// that root must not do.
//
// The relay runs meanwhile. Messages arrive, change their flags, which are part of
// their names, and disappear while tar reads: it exits with "file changed as we read it",
// and nobody knows which part of its archive is good. Here each mailbox is a piece with a
// sum of its own, read again where it changed, and the metadata daemon's database, which
// is locked, is a copy that the daemon makes.
//
// It takes hours, and is interrupted. A stream of tar or age begins again from the first
// byte; here the same command resumes after the last piece, encrypted or not, since every
// 64 MiB are an OpenPGP message of their own. age would have to be split in the same way,
// and would be one more library besides the OpenPGP that the relay needs anyway.
//
// It is put in place by root, in directories that daemons can write to. tar and rsync
// follow names; here everything is opened by descriptor, owners are names, only paths that
// a relay has are accepted, and a mailbox takes its place as a whole once its sum is right.
//
// A move must not need more than ssh: rsync is not on every Debian, would have to run as
// root on both sides, and can neither map users to other numeric IDs nor report in which
// phase it was interrupted.
//
// What is kept of them: an archive is a tar that "tar -t" and "tar -x" read, and an
// encrypted one is made of OpenPGP messages (RFC 9580), one after the other. So a backup
// can be read without chatmaild.
//
// The price, measured with BenchmarkBackup (20,000 messages of 3 KiB, in memory, 2 cores):
// 23,000 files a second against tar's 44,000, which a disk with seeks does not reach; and
// some 4,000 lines of code for backup, restore and move together.
package transfer
