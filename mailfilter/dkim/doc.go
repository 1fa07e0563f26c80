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
//     exist.
//
// A selector may have several TXT records: of the first 16, three keys are tried.
// Quotation marks in a record are taken for those of a zone file.
//
// A key that is marked as a test (t=y) counts as any other: most of the keys so
// marked are forgotten, not tests.
//
// # How it works
//
// [Verifier.Begin] parses the header and asks for the keys; the body is hashed
// as it is written to the [Message]; [Message.Verify] has the verdict. What a
// message holds in memory depends on its header alone. No verdict is reached
// from a key that could not be looked up: that is an error of its own. Nor is a
// signature refused before the domain's own servers were asked for its key, once
// a minute at most: resolvers remember a key that was replaced, and that there
// was none before it was published. A domain that never had a verified message
// here has [PublishAge] to publish one.
//
// The package opens no sockets and does not read the clock: both are
// parameters. Keys are cached for as long as their records say, up to an hour.
//
// # Name servers that do not answer
//
// They hold up the mail of their own domain alone. Messages that want the same
// key share one look-up. That it failed is remembered for 30 s. Of a known domain,
// which had a verified message within 30 days, 32 messages may wait for the DNS at
// once, of a stranger 16, and of all strangers [Options.MaxStrangers]; others are
// deferred at once. All that is remembered is bounded.
//
// # Why not go-msgauth's verifier
//
// It keeps a run of empty lines in memory, however long, and copies it with
// each piece that it reads; it takes three times as long for a large body; and
// it does not look at t=. The tests sign with it, and compare every verdict with
// its own.
package dkim
