// Package dict is the server's side of Dovecot's dict protocol, which its dict
// client ("proxy" driver) speaks over a unix socket. One server serves the
// daemons doveauth, metadata and lastlogin; what they answer is their Handler.
//
// # Protocol
//
// The reference is Dovecot's own source: src/lib-dict/dict-client.h and
// src/dict/dict-commands.c of 2.3.19 (protocol 3.2), src/lib-dict-extra of 2.4
// (protocol 4.0). Both are spoken, and 2.x of Dovecot 2.2. A line is a letter and
// fields between tabs, escaped with \001 as in src/lib/strescape.c:
//
//	H<major> <minor> <value type> <user> <dict>   hello; has no answer
//	L<key> [<user>]                               O<value>, N or F<error>
//	I<flags> <max rows> <path> [<user>]           O<key> <value>…, then an empty line or F<error>
//	B<id> [<user> [<expire secs>]]                opens a transaction
//	S<id> <key> <value>   U<id> <key>             change something in it
//	T<id> <secs> <nsecs>  V<id> <hide values>     are read and not needed
//	C<id>   D<id>                                 O<id> or F<id> <error>; to D with A before it
//	R<id>                                         forgets the transaction
//
// What differs between the versions: before 3.0 the user stands in the hello and
// not in each command; 4.0 adds the expiry in B, the command V, and drops D.
//
// # Promises
//
// Requests of one connection are answered one after the other, in their order;
// connections do not wait for each other. Transaction ids are local to their
// connection, and a transaction's changes reach the Handler together, at commit,
// or never. An unknown command is passed over with a line in the log. Everything
// a peer can make grow is bounded by a field of Server or a constant. A peer that
// breaks the framing, or takes no answers, loses its connection, and no other
// does. A Handler's error is answered with F, which Dovecot takes for a temporary
// failure; its text goes into Dovecot's log and must name no secret.
package dict
