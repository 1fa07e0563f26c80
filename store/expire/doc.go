// Package expire keeps the mail store small: it decides what has lain there for
// long enough, deletes that, and counts what is left.
//
// # The store
//
// A Maildir++ (maildir(5)) for each address, as Dovecot and the Python relay
// leave it:
//
//	STORE/ADDR/password          its mtime is the day of the last login
//	STORE/ADDR/{cur,new,tmp}/    messages
//	STORE/ADDR/.Sub/{cur,new,tmp}/
//	STORE/ADDR/dovecot*          Dovecot's, never touched
//	STORE/ADDR/maildirsize       the sum of Maildir++ quota, if Dovecot keeps one
//	STORE/.removing/             mailboxes on their way out
//
// Only regular files in cur, new and tmp are messages, and of those not the ones
// whose names start with a dot or "dovecot". All else stays for as long as its
// mailbox does.
//
// # Beside a live Dovecot
//
// Dovecot expects that other programs delete messages: unlink is all it takes,
// and its next look at the directory finds the message expunged. UIDs and UIDVALIDITY
// live in dovecot-uidlist, and with the index in dovecot.index; a directory whose
// uidlist is lost gets a new UIDVALIDITY, and its clients lose mail
// (github.com/chatmail/relay/issues/374). So neither these nor the directories
// themselves are ever touched, and no file is renamed. What Dovecot renames
// while a walk looks at it is met at the next run.
//
// With "quota = maildir" Dovecot's sum is in maildirsize, which is removed after
// the last message of a mailbox, so that Dovecot counts again. It does not write a
// sum if a directory changed while it counted, to the second; one that is too high
// nevertheless is counted again before it refuses anything. With "quota = count"
// the sum follows from the index automatically, but Dovecot 2.3.19 then tells clients
// "Internal quota calculation error" when two sessions count at once.
//
// A mailbox goes by one rename, into STORE/.removing, and is only then taken
// apart; aside.go has the rest. A package that keeps something for an address elsewhere,
// such as its push tokens, sees that STORE/ADDR is gone.
//
// # Full mailboxes
//
// Dovecot warns of a mailbox that gets full, and Shrink deletes its oldest messages.
// What is Protected then stays, and Dovecot does not warn again while the mailbox stays
// as full; nor does it of one that an import brought, or whose limit was lowered. So the
// daily run sums up each mailbox too, by the names of its messages, and shrinks those
// above the limit. The same lock keeps the two from one mailbox.
//
// # What cannot happen
//
// Every step is relative to an open directory, by one name, without following
// links (openat(2), O_NOFOLLOW), so that nothing outside of the store is
// reached whatever is renamed meanwhile. A time that cannot be true deletes
// nothing; see Plan and CheckClock. Memory does not grow with the store: directories
// are read in pieces, by a bounded number of workers.
package expire
