// Package pythonrelay knows the Python chatmail relay (github.com/chatmail/relay, up to
// its 1.12) as it lies on a machine: its chatmail.ini, its systemd units, and what it
// keeps in files of its own. It says what becomes of each in ours.
//
// It is pure: package takeover reads and changes the machine.
package pythonrelay
