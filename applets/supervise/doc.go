// Package supervise keeps a relay running where there is no systemd, as in a container: our
// daemons and jobs, Postfix, Dovecot and nginx, as one tree of processes below
// process 1, which is "chatmaild supervise".
//
//	supervise ─┬─ master (Postfix) ─ smtpd …
//	           ├─ dovecot ─ imap …            every one as its unit says,
//	           ├─ nginx ─ worker …            packaging/systemd and packaging/supervise
//	           ├─ doveauth, filtermail-in …
//	           └─ chatmaild run --boot        once: writes files, starts units
//
// # One source
//
// What is started, as whom, with which sockets, and when again, stands in the units that
// systemd reads elsewhere, with the drop-ins that "chatmaild run" writes; package unit reads
// them, and refuses what it does not know. The order of starting is that of "chatmaild run",
// which is run as the container starts. It and all other admin commands have units started
// and stopped by the words of systemctl, through a socket of root's (package control).
//
// # Why none of Debian's supervisors
//
// s6, runit, dinit and supervisord were looked at. Our daemons get their sockets from
// outside (sd_listen_fds(3)), which keeps them open across a restart, and say by
// sd_notify(3) when they are ready, and that they live. s6 has a pipe for the one and a
// program for each socket for the other; runit and supervisord have neither; Debian's dinit
// passes on one socket. None has timers or paths, and each wants its own description of all
// these services, which would differ from the units one day. What is left to write is about
// as long as the glue would have been.
//
// # What is lost without systemd
//
// The confinement of each daemon against the others, as far as it needs mount namespaces,
// seccomp filters or cgroups: package unit lists it. Users, groups, capabilities, limits and
// scheduling are as with systemd; the container's runtime confines all of them together.
//
// # Log
//
// Standard output has a line for each event, with the unit in front. What servers log comes
// by way of the maillog daemon, without addresses; for that it has journald's socket here.
// There is no journal to read back, so the metrics daemon gets the same lines at a socket.
package supervise
