// Package mailfilter decides whether a message may pass the relay: nothing
// that is not end-to-end encrypted does, with few and narrow exceptions.
//
// # What counts as encrypted
//
// The top level is multipart/encrypted (RFC 1847, RFC 3156) with exactly two
// leaf parts: application/pgp-encrypted, which holds "Version: 1" and nothing
// else, and application/octet-stream, which holds one ASCII-armored PGP
// MESSAGE and nothing around it. Package pgp says what the armor and the
// packets in it must look like. Outgoing messages have no armor headers and no
// text before the first boundary, both of which are readable to anyone;
// incoming ones may, because other programs write them.
//
// # What else may pass
//
// Both ways: a SecureJoin request, which is the first message between two who
// do not have each other's key yet. From our own users ([Outgoing]): what a
// passthrough sender sends, what goes to passthrough recipients alone, and an
// Autocrypt Setup Message to oneself. From outside ([Incoming]): a delivery
// report, and anything to mailboxes that all accept cleartext.
//
// # Who it is from
//
// From outside, the author's domain has to be proven by a DKIM signature; see
// package dkim. This is verified beside the rest, as the message passes, and
// judged after it: what is in the clear is told so, signed or not. Our own users
// are known by their login.
//
// # Ambiguity
//
// Two programs that read the same octets differently are how cleartext is
// made to look encrypted. So the parsers here are strict and not those of a
// MIME library, which accept what the world sends: doubled Content-Type and
// From fields, comments, RFC 2231 continuations of a boundary, transfer
// encodings, white space after a delimiter, bare line ends are refused where
// they could matter, not interpreted.
//
// # What holds for all of it
//
// The package is pure: it opens nothing, logs nothing and does not read the
// clock. A message is read once, as it passes, with a buffer of fixed size.
// A verdict of "may pass" is final only after the last octet.
package mailfilter
