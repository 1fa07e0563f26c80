// Package takeover knows the Python chatmail relay (github.com/chatmail/relay, up to
// its 1.12) as it lies on a machine: its chatmail.ini, its systemd units, and what it
// keeps in files of its own. It says what becomes of each in ours, and keeps the
// journal by which a takeover is resumed or undone.
//
// It is pure: package admin reads and changes the machine.
package takeover
