// Package lab boots whole relays on one machine and drives the real Delta Chat
// core against them: the tests' proof that the installed package works.
//
// A [Lab] is a bridge in a network namespace of its own, a small DNS server on
// it, and any number of hosts and clients, each in a namespace of its own:
//
//	           bridge 10.77.0.1, fd77::1 (DNS)
//	      ┌────────────┬──────┴─────┬─────────────┐
//	host "one"    host "two"   client "alice"  client "bob"
//	systemd-nspawn: Debian     deltachat-rpc-server from npm
//
// Its rooms, from the ground up:
//
//	program   runs programs on this machine
//	cache     what is built or downloaded once
//	debian    roots and packages of Debian, and our own package
//	network   the bridge, its name server, stations
//	machine   Debian machines on stations: containers, virtual machines, images
//	core      Delta Chat cores on stations, and their profiles
//	peer      what else a relay meets: a certificate authority, mail servers of others
//
// They meet here. A [Relay] is a host on which our .deb was installed by apt and set up by
// "chatmaild init" and "chatmaild run".
//
// The scenarios are the tests of this package, a file for each and for what it is made of.
// They stay together: most of them begin with the relay, the pair of clients or the mail
// under way of another one, a helper that Go would make each room of scenarios export, and
// "make lab T=TestName" finds a scenario by its name alone.
//
// Mostly a scenario waits for machines that boot and clients that talk. So it begins with
// t.Parallel, and "make test" runs two at once, each in a lab of its own. One that measures
// time or memory, or is about the machine itself, is alone: those come first.
//
// Nothing here touches the machine's own network: the lab has no route to the
// outside, and everything the clients and hosts can resolve is in the lab's
// [nameserver.Zone]; all other names are NXDOMAIN at once.
//
// Everything that a lab makes carries its run id (process id and a counter), so
// labs can run side by side. [Lab.Close] removes it all; what a killed run left
// behind is removed by the next one ([Cleanup]): each run holds a lock on its
// directory for as long as it lives.
//
// The lab needs root, mmdebstrap, systemd-nspawn, User-mode Linux, ip and npm. [Prepare] says
// what is missing and installs it.
package lab
