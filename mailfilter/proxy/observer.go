package proxy

import (
	"time"

	"chatmaild/mailfilter"
)

// Observer is notified of each message once it has been answered. It is called by
// many goroutines at once and must not block.
type Observer interface {
	Message(Event)
}

// Event is what became of a message.
type Event struct {
	Result Result
	Reason mailfilter.Reason // of Refused

	Size  int64         // bytes of the message that were read
	Check time.Duration // spent on the check, without waiting for anyone
	Queue time.Duration // spent talking to the queue

	fault error // why the queue could not be asked
}

// Result is how a message ended.
type Result uint8

// The results.
const (
	Passed    Result = iota // the queue took it
	Refused                 // by the policy, for Event.Reason
	Malformed               // on the wire: line ends, NUL, line length, size
	Declined                // by the queue, for now or for good
	Deferred                // our fault or the queue's: 451
	Aborted                 // the peer left, or was cut off at the end of Serve
)

var resultNames = [...]string{"passed", "refused", "malformed", "declined", "deferred", "aborted"}

// Results returns all results, in a fixed order, for those who count them.
func Results() []Result {
	return []Result{Passed, Refused, Malformed, Declined, Deferred, Aborted}
}

// String returns the name that counters and logs use.
func (r Result) String() string {
	if int(r) < len(resultNames) {
		return resultNames[r]
	}
	return "unknown"
}

// nobody observes nothing.
type nobody struct{}

func (nobody) Message(Event) {}
