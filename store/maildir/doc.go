// Package maildir keeps mailboxes on disk, in the Python relay's layout:
//
//	DIR/ADDRESS/password              "{SCHEME}hash"; its mtime is the UTC day of the last login
//	DIR/ADDRESS/enforceE2EEincoming   present: cleartext from outside is refused
//	DIR/ADDRESS/cur new tmp dovecot*  Dovecot's (maildir(5), doc.dovecot.org)
//	DIR/.new-*                        a mailbox that is being made, or was when the machine crashed
//	DIR/.gone-*                       one that is being deleted
//	DIR/.moving/ADDRESS               one that gets another home, with an empty file in its place
//	DIR/.arriving/ADDRESS             one that comes from another machine, incomplete
//
// Several processes work on it at once, without locks: a mailbox appears and goes
// by one rename, a password changes by one rename. No name in it comes from a
// peer but as a mailaddr.Address.
//
// [Walk] is the one walk: expiry, the report, quotas and "user show" are its visitors.
// (Backups copy whatever lies there, mail or not, and count no messages.)
package maildir
