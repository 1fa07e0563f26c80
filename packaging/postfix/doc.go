// Package postfix reads Postfix's log. Its queue is in package queue, and the tables
// that it asks us for over sockets are package socketmap's; its configuration are the
// templates beside this file. It keeps numbers alone, never an address.
package postfix
