// Package postfix reads what Postfix says of itself: the list of its queues, from
// its showq(8) service, and its log. It keeps numbers alone, never an address.
package postfix
