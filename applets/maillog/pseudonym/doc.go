// Package pseudonym takes out of a mail server's log who writes to whom. What names
// a person or a machine becomes a pseudonym, the same one wherever the same name stands,
// so that a message can still be followed through its lines.
//
// This is the grammar of such names, in any server's line:
//
//   - what stands in angle brackets, to the first ">" or the line's end: Postfix's
//     addresses, message IDs and HELO names, and Dovecot's session IDs, which encode
//     the client's address;
//   - an address outside of brackets: a word with "@" or its URL form "%40" in it,
//     with a quoted local part or a literal for a domain;
//   - an IPv4 or IPv6 address. Loopback and unspecified addresses are nobody's;
//   - the value of a key in [keys], if it is not an address: a user name;
//   - the query of a URL: an invite's token;
//   - what Postfix quotes of a client that sent something else than a command.
//
// Queue IDs, host names, replies and times stay.
package pseudonym
