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
// A [Host] is a Debian root, built once and cached, with an overlay of its own,
// booted with systemd as process 1 in a private pure cgroup v2 hierarchy. A
// [Relay] is a host on which our .deb was installed by apt and set up by
// "chatmaild init" and "chatmaild run". A [Client] is one running core; each of
// its accounts is a [Profile].
//
// A host can be made a virtual machine ([Host.Virtualize]): it has a clock of its
// own then.
//
// Nothing here touches the machine's own network: the lab has no route to the
// outside, and everything the clients and hosts can resolve is in the lab's
// [Zone]; all other names are NXDOMAIN at once.
//
// Everything that a lab makes carries its run id (process id and a counter), so
// labs can run side by side. [Lab.Close] removes it all; what a killed run left
// behind is removed by the next one ([Cleanup]): each run holds a lock on its
// directory for as long as it lives.
//
// The lab needs root, mmdebstrap, systemd-nspawn, User-mode Linux, ip and npm. [Prepare] says
// what is missing and installs it.
package lab
