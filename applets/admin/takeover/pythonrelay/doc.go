// Package pythonrelay knows the Python chatmail relay (github.com/chatmail/relay, up to
// August 2026, after its 1.12) as it lies on a machine: its chatmail.ini, its systemd
// units and other files, and what it keeps of accounts and notifications. It says what
// becomes of each in ours.
//
// It is pure: package takeover reads and changes the machine.
package pythonrelay
