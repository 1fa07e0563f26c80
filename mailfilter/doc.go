// Package mailfilter decides whether a message may pass the relay: nothing
// that is not end-to-end encrypted does, with few and narrow exceptions.
//
// # What counts as encrypted
//
// The top level is multipart/encrypted (RFC 1847, RFC 3156) with exactly two
// leaf parts: application/pgp-encrypted, which holds "Version: 1" and nothing
// else, and application/octet-stream, which holds one ASCII-armored PGP
// MESSAGE and nothing around it. Package pgp says what the armor and the
// packets in it must look like.
//
// # What else may pass
//
// In both directions: a SecureJoin request, which is the first message between two who
// do not have each other's key yet. From our own users ([Outgoing]): what a
// passthrough sender sends, what goes to passthrough recipients alone, and an
// Autocrypt Setup Message to oneself. From outside ([Incoming]): a delivery
// report, and anything to mailboxes that all accept cleartext.
//
// # Who it is from
//
// From outside, the author's domain has to be proven by a DKIM signature; see
// package dkim. This is verified in parallel, as the message passes, and
// judged after it: cleartext gets that answer, signed or not. An address literal
// has no DNS; the client has to have that address. Our own users are known by their
// login.
//
// # One reading of an address
//
// An address of our own domain, in MAIL, RCPT and From, has one spelling: that of
// package mailaddr, with a tag that may follow "+", in letters of either case. Quotes, "%",
// "!", routes, comments, a dot after the domain and everything else that some mail
// program would rewrite to an address of ours is refused, not interpreted; and Postfix
// is configured to rewrite nothing. A mailbox that does not exist accepts no cleartext.
//
// # One reading
//
// Two programs that read the same bytes differently are how cleartext is made
// to look encrypted. So the parsers here are not those of a MIME library, which
// accept what the world sends. They accept a small grammar that leaves every
// reader the same reading; whatever is outside of it is refused, not interpreted.
//
//	message     = header [ preamble ] 1*part last
//	header      = fields that end with CRLF, have a name without white space and
//	              no control characters; From, Content-Type and
//	              Content-Transfer-Encoding once at most
//	preamble    = empty lines, and at most one line that a known program writes
//	part        = "--" boundary CRLF 1*field CRLF *line
//	last        = "--" boundary "--" CRLF *CRLF
//	line        = at most 998 bytes without NUL, CR and LF, then CRLF; none
//	              begins with "--" boundary
//	field       = Content-Type, Content-Transfer-Encoding, Content-Disposition,
//	              Content-Description, Content-ID, Content-Language, Message-ID
//	              or MIME-Version, once at most, with a value of its own grammar
//	Content-Type = type "/" subtype *( ";" parameter ) [ ";" ]
//	parameter   = one that the type may have, once at most: name "=" value
//	value       = token or <"> 1*char <">
//	char        = what the parameter may have; never white space, ";", "\", a
//	              control character, "=?" or anything beyond ASCII
//
// The tables in grammar.go name the types, the parameters of each and the values
// of each parameter; those of package pgp name the armor headers. They hold what
// the programs of the field write: Delta Chat since 1.40, Thunderbird and
// Enigmail, K-9 with OpenKeychain, Mailvelope, GPGTools, Evolution, KMail, mutt,
// and the mail servers that bounce. What such a program writes in the user's
// language (Evolution describes its part) passes in English alone. No comment,
// RFC 2231 piece or encoded word passes anywhere in it. What the sender makes up,
// boundary, name of a file, Message-ID, is an identifier: short, without spaces,
// and not shown as text by any client.
//
// An Autocrypt Setup Message is a multipart/mixed of at most two levels:
//
//	setup       = pair, or one part that is a multipart/mixed of pair
//	pair        = a part text/plain in any encoding, then one
//	              application/autocrypt-setup in none or in base64
//	autocrypt-setup = lines that are HTML, one armored message among them
//	base64      = full quanta with zero bits in the last, and nothing after "="
//
// What can be read of it is 4 KiB at most. Lines in base64 may end with LF alone. K-9
// and Delta Chat before 1.132 write the pair, Delta Chat from there to 2.45, the last
// that writes any, the pair in a part.
//
// mailparse, which Delta Chat reads with, splits parameters at each ";", decodes
// encoded words first, takes the last of two parameters and a boundary as the
// beginning of a line. FuzzReaders holds what passes here against a model of its
// rules, and against go-message: both have to see the same parts, and nothing
// readable beside them.
//
// # The walk of a message
//
// Downwards; each step is a room, and a message that fails one goes no further:
//
//	port 25                                 packaging/postfix (smtpd)
//	  or HTTPS, from another relay          applets/transport/mxdeliv
//	  or 587, 465 and 443, from a user      mailfilter/proxy: TLS, login
//	  SMTP before the queue                 mailfilter/proxy: size, lines, envelope
//	    header                              ReadHeader
//	    envelope and header                 Incoming.Check or Outgoing.Check, ratelimit
//	    body, as it comes                   parts, pgp; dkim beside them
//	  the same bytes to the queue           mailfilter/proxy (injection)
//	queue: trace fields go                  packaging/postfix (cleanup)
//	signed, and to another relay            packaging/postfix (lmtp), applets/transport
//	or to a mailbox                         packaging/postfix (lmtp)
//	mailbox                                 packaging/dovecot; store/maildir, store/expire
//	"there is mail"                         push
//
// The verdict comes before the 250: a message is never in the queue and refused.
//
// # Who attacks, and what must not be possible
//
// In parentheses: the tests that show it, those of testdata/lab on an installed relay.
//
// A stranger has a domain, a name server and all of SMTP. He must not: have anything
// readable delivered to a user, in any spelling of a message (TestSmuggle here and in
// the lab, FuzzReaders) or of an address (TestSpellings); write in the name of a
// domain that he does not have, or hide a second message in one (TestFederation);
// learn who has a mailbox; keep others from writing, by slow answers or many
// connections (TestStall).
//
// A user has an account, here or elsewhere, and a program of his own. He must not:
// send anything readable (the same tests, outward), but for 4 KiB of an Autocrypt
// Setup Message to himself; send in the name of another (TestFixtures, TestSpellings);
// take more than his share of sending, of push or of the echo bot (TestStall).
//
// A peer relay has users of its own, and proves its domain. It must not: pass on what
// its own filter should have refused; use its reports as letters (TestReports,
// TestReportBound: a null sender, the exact parts, MaxReport; no client shows a report
// as a message); have bounces go to a forged sender (TestFixtures: null-sender).
//
// A name server, or a forger of its answers, must not have a message pass whose key
// it does not serve, nor have one refused for good that it gives no answer about
// (TestFederation), nor hold up the mail of other domains (TestStall).
//
// A daemon's user, after a fault in that daemon, must not become root or another
// daemon's user, nor read what belongs to others (TestLinks).
//
// A thief who takes the disk must not find who writes to whom in logs (TestLog), nor
// a text that its sender did not encrypt, but for the notices of reports, nor more of
// a header than clients need, nor a text in it (TestAtRest, TestSmuggle). What remains
// readable of an encrypted message by design: addresses and the names beside them, which
// Delta Chat leaves out, date, size, and identifiers that programs make up.
//
// # What holds for all of it
//
// The package is pure: it opens nothing, logs nothing and does not read the
// clock. A message is read once, as it passes, with a buffer of fixed size.
// A verdict of "may pass" is final only after the last byte.
package mailfilter
