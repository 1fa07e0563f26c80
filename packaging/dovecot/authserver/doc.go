// Package authserver serves Dovecot's authentication protocols (authproto) instead
// of Dovecot's own auth service: one server for Dovecot 2.3 and 2.4, without auth
// workers. It checks no password itself: its Handler does.
//
// # Promises
//
// Logins of one connection are checked at once, and answered as they are done: an
// imap-login process has all its users on one connection. Only those that the Handler
// remembers are answered one after the other. A refusal is answered
// failureDelay later, so that guessing is slow; nobody else waits meanwhile. A
// fault of ours is answered at once, as a temporary failure.
//
// An imap process learns who has logged in by the number of the OK and the cookie
// of the connection that had it; once, within grantAge, and as long as that
// connection lasts.
//
// Everything a peer can make grow is bounded by a constant here. A peer that breaks
// the protocol, or reads no answers, loses its connection, and no other does. No
// error and no line of the log has anything of what a peer sent, except numbers.
package authserver
