// Package bot is what the echo bot thinks: whom it answers, and what. The
// network, the files and the clock are the daemon's (applets/echobot).
//
// # Nobody is answered twice, and no program at all
//
// The bot answers what a person wrote and signed. It does not answer what a
// program wrote (Auto-Submitted, Chat-Bot), read receipts, reactions, changes of
// a group, or itself; and all that it writes says that a program wrote it. So
// two bots that meet are silent. The steps of SecureJoin are answered no matter who
// takes them; each step has one answer, and none of the answers has one. For the
// rest there is a rate for each address, and for each other relay, which holds for
// liars too.
//
// # Groups
//
// In a group the bot speaks when it is spoken to: a command, "@echo …", or an
// answer to what it said, and sends no files. Its answer goes to those members who
// have written to it, here or in a group, and to the address from which they did: a
// message must not make the bot write to people of its author's choice.
package bot
