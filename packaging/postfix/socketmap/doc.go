// Package socketmap is the server's side of the socketmap protocol, by which
// Postfix asks a program instead of a table.
//
// # Protocol
//
// The reference is socketmap_table(5) of Postfix. A request and its reply are one
// netstring each (cr.yp.to/proto/netstrings.txt): length in decimal, ":", as many
// bytes, ",".
//
//	MAP KEY           look up KEY in the table MAP
//	OK VALUE          it is there
//	NOTFOUND          it is not
//	TEMP REASON       that cannot be told now; Postfix answers its client 451
//
// A connection carries any number of requests, one after the other. What breaks
// the protocol, or is longer than allowed, ends its connection: Postfix takes
// that for a fault that passes.
package socketmap
