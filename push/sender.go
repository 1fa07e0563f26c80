package push

import (
	"context"
	"time"
)

// Outcome is what became of one POST.
type Outcome int

// The outcomes.
const (
	Delivered Outcome = iota // 2xx
	Gone                     // 410: the token is of no use any more
	Failed                   // all else, for this token perhaps
	Unreached                // the service itself was not there to answer
)

// Result is the answer of a notification service. Err must not name the token.
type Result struct {
	Outcome    Outcome
	RetryAfter time.Duration // as the service asked for; or 0
	Err        error         // why it failed
}

// Sender hands a token to a notification service, or asks it whether it is there at
// all: then the outcome is Delivered or Unreached. ctx bounds the time that takes.
type Sender interface {
	Send(ctx context.Context, token string) Result
	Ask(ctx context.Context) Result
}

// Endpoint is a notification service with its name for the operator.
type Endpoint struct {
	Name string
	Sender
}
