// Package applets is the table of all that chatmaild answers to. Below it is the
// wiring: the one place where the domains (mailfilter, auth, push), their adapters and
// the operating system meet.
//
// # How a name becomes an applet
//
// The binary is installed once, with a symlink for each daemon and oneshot in
// /usr/libexec/chatmaild. Main looks at the last element of argv[0]; if it is the
// name of an applet, that applet runs. Else the first argument is the name. Both
// ways end in the same function, and so do the tests. All is the only table.
//
// # Exit status
//
// 0: done. 1: failed, or a check found something wrong. 2: usage or
// configuration error; systemd units do not restart on 2. Main returns the
// status; package main alone exits.
//
// # What lives here
//
// The table and the dispatch, and the tests that hold the house together. Each applet
// has a directory, named as it is called, with its wiring and only that: load the
// config, map it to the options of the packages that do the work, hand them a listener.
// The admin commands are in applets/admin; command, config and service are what all
// of them share; chat, keys and lookup are what several need: a client of the network,
// key files, and questions to name servers.
package applets
