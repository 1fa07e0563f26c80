// Package postfix reads what Postfix says of itself: the list of its queues, from
// its showq(8) service, and its log. It keeps numbers alone, never an address. A
// [Retry] says which of the mail that waits Postfix should try again, and [AskSend]
// asks its flush(8) service for that.
package postfix
