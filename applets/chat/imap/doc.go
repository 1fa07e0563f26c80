// Package imap is the raw dialogue of a client with an IMAP server (RFC 3501), and shows
// every response as it came. The commands test and bench look at relays with it, and so
// do the tests of the lab, at what a client's library does not show.
//
// The echo bot, which only wants its mail, uses go-imap (package mailbox). Here that would
// not do: it parses responses into what it expects, which hides the words of a refusal,
// untagged responses between commands and broken literals, and those are what is tested.
//
// What a server sends is foreign input: a line has at most 64 KiB, a response at most
// [Client.MaxResponse] bytes, and a command at most 10,000 responses. How long a dialogue
// may take is up to the connection's deadline.
package imap
