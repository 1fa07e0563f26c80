// Package auth decides who may log in, and whose first login creates an account.
// It is pure: accounts, the machine's state and time come in through Service's
// fields, and what happened is returned, not logged.
//
// # Accounts
//
// An account is a mailbox with a stored password, "{SCHEME}hash" as Dovecot
// writes it (doc.dovecot.org, "Password schemes"). New ones are {BLF-CRYPT},
// bcrypt. Its first login creates it, if the Policy allows: each refusal has a
// Reason. When the same new address logs in from several places at once, Accounts
// lets one win; all others are checked against the winner's password.
//
// # Who checks a password
//
// We do, on all cores at once: Dovecot and Postfix send it by Dovecot's
// authentication protocol and are told yes or no. The stored hash never leaves
// the process. scheme.go has the forms of it that are understood: ours, those of the
// Python relay, and those of crypt(3).
//
// # Why remembering verified logins is safe
//
// What is remembered is an HMAC-SHA256, cut to 128 bits, over the address, the
// stored hash and the password, under a key of 256 random bits that never leaves
// the process. A reader of the memory without the key can test no guess; with
// the key (all of the process's memory), a guess costs no less than the check of
// SHA-256 that any server needs while it sees passwords in clear; and such a
// reader sees the passwords themselves come by. Nothing is remembered on disk. The
// stored hash is read again for each login and is part of the digest: a changed,
// blocked or deleted account matches nothing that was remembered, at once. A wrong
// password is never remembered and always costs the whole hash. The number of
// digests is bounded; the longest unused go first.
//
// # The walk of a login
//
// Each step is a room. Imports point down; a lower room asks a higher one through an
// interface of its own.
//
//	a phone, or Postfix with AUTH        packaging/dovecot (imap-login; auth is ours)
//	  Dovecot's authentication protocol  packaging/dovecot/authserver
//	    its lines and fields             packaging/dovecot/authproto, tabline
//	  timed and counted                  applets/doveauth
//	    name and password                Service.Login; mailaddr
//	      the stored hash                store/directory: files, or home
//	      seen before, or hashed now     here
//	    nobody has the name              Policy; machine: load, memory, disk
//	      the account is made            store/directory: files, or home
//	  yes or no, and the home            packaging/dovecot/authserver; applets/doveauth/member
//	the day is noted                     applets/lastlogin
package auth
