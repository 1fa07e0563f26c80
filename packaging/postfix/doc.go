// Package postfix reads Postfix's log. It keeps numbers alone, never an address.
//
// This directory is all about Postfix: its configuration are the templates beside this
// file, package queue is its queue, package control has it stop, drain and retry, and
// package socketmap serves the tables that it asks us for.
package postfix
