// Package dkim proves by a DKIM signature that a message comes from the domain
// of its author (RFC 6376, with RFC 8301 and RFC 8463).
//
// # What counts
//
// One valid signature whose d= is exactly the domain of the From field, not a
// parent of it. Signatures of other domains are not looked at: they prove
// nothing about the author, and each would cost a look-up. Algorithms are
// rsa-sha256, with keys of 1024 bits and more, and ed25519-sha256. A signature
// does not count that
//
//   - has l=, because text can be appended to what it covers,
//   - does not cover From, or stands on a message with several,
//   - has expired (x=), or was made in the future (t=),
//   - has a tag twice, a malformed tag, or an unknown version, algorithm,
//     canonicalization or query method,
//   - has a key that was revoked, is for another service or hash, or does not
//     exist, or is published more than once.
//
// A key that is marked as a test (t=y) counts as any other: most of the keys so
// marked are forgotten, not tests.
//
// # How it works
//
// [Verifier.Begin] parses the header and asks for the keys; the body is hashed
// as it is written to the [Message]; [Message.Verify] has the verdict. What a
// message holds in memory depends on its header alone. No verdict is reached
// from a key that could not be looked up: that is an error of its own.
//
// The package opens no sockets and does not read the clock: both are
// parameters. Keys are cached for as long as their records say, up to an hour;
// failures are not.
//
// # Why not go-msgauth's verifier
//
// It keeps a run of empty lines in memory, however long, and copies it with
// each piece that it reads; it takes three times as long for a large body; and
// it does not look at t=. The tests sign with it, and hold every verdict against
// its own.
package dkim
