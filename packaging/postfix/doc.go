// Package postfix reads Postfix's log. It keeps numbers alone, never an address.
//
// It also knows which changes of the configuration Postfix takes without a restart.
//
// This directory is all about Postfix: its configuration are the templates beside this
// file, package queue is its queue, and package control has it stop, drain and retry.
package postfix
