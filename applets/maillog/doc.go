// Package maillog is the daemon between the servers around us and the journal: it
// takes the lines that Postfix, Dovecot and nginx log and passes them on
// with pseudonyms for who and from where, before anything of them reaches a disk.
//
//	postfix, dovecot …  /dev/log ─→ maillog ─→ journald ─→ disk, metrics, rsyslog
//	                                   └─→ "chatmaild log --plain", while it runs
//
// systemd holds the socket and shows it to the servers in place of journald's
// (package wanted, its drop-ins for them). So a server never finds it gone: while
// maillog restarts, lines wait in the socket, which is memory.
//
// The key of the pseudonyms (package pseudonym) is random, in memory alone, and a new
// one each day, in UTC. Nobody can say afterwards who it was, and pseudonyms of two
// days cannot be held against each other. A restart makes a new key, too.
//
// The lines as they were written can be seen by root alone, on a terminal, while they
// are written: nothing keeps them, so nothing has to be switched off again.
package maillog
