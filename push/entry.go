package push

import "time"

// Key names an entry of the queue.
type Key struct {
	Due   int64  // nanoseconds since 1970: when it is to be sent, and its place in the queue
	Token uint64 // Token.ID
}

// Entry is a notification that waits to be sent.
type Entry struct {
	Key
	Account string
	Text    string    // the token's; empty if the token is gone since
	First   time.Time // when it was queued
	Tries   int       // that failed
}
