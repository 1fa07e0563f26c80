// Package directory is what the relay knows of its accounts beside their mail: one row
// for each, which says whether the address exists, and what its password is.
//
// [Accounts] is its contract, and directorytest holds every implementation to it. There
// is files: what lies in the mailboxes of the machine.
package directory
