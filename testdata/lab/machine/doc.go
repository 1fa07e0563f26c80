// Package machine boots Debian machines on one machine, each on a station of the lab's
// network: a root that all share, with an overlay of its own.
//
//   - [Host.Boot]: systemd-nspawn starts systemd as process 1, in a private pure cgroup v2
//     hierarchy.
//   - [Host.OwnDisk], [Host.PullPlug]: the same, but what it has not written to its disk is
//     lost when its power fails.
//   - [Host.Virtualize]: User-mode Linux, with a kernel and a clock of its own.
//   - [Host.StartPlain], [Image]: a container without systemd, as Docker or crun makes one.
//
// No machine outlives the program that booted it; what lies outside of its directory
// [Remove] takes away.
package machine
