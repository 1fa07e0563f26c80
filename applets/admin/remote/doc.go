// Package remote reaches a relay as a stranger does: by its name, its public ports
// and nothing else. It speaks just enough SMTP (RFC 5321) and, with package imap, IMAP
// (RFC 3501) to say what a well-behaved client would not, and shows every reply
// as it came. The commands test and bench are built on it; real
// conversations are package chat's.
//
// What a relay sends is foreign input: a line has at most 16 KiB in SMTP and 64 KiB
// in IMAP, a message or a page at most 1 MiB, and every connection ends with the context that it was
// made for.
package remote
