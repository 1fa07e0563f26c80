package selftest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chatmaild/applets/admin/remote"
)

// Check is one promise that a relay makes.
// A check that needs another one is skipped when that fails: one broken port would
// otherwise be ten failures, and nine of them misleading.
type Check struct {
	Name   string
	Group  Group
	Needs  []string // checks that have to be fine first
	When   When
	Wanted string
	Advice string // what to do if it is not so

	// run returns what was seen. An error is what was seen instead.
	run func(context.Context, *session) (seen string, err error)
}

// Group is what a check is about.
type Group string

// The groups, in the order of the table.
const (
	DNS      Group = "DNS"
	Ports    Group = "ports"
	TLS      Group = "TLS"
	Web      Group = "web"
	Accounts Group = "accounts"
	IMAP     Group = "IMAP"
	Mail     Group = "mail"
	Refusals Group = "refusals"
	Calls    Group = "calls"
	Relays   Group = "two relays"
)

// When says for which relays and runs a check is.
type When int

// The kinds of relays and runs.
const (
	Always   When = iota
	Named         // not for relays that make their own certificate: they need no DNS
	Slow          // only when asked for: it sends a lot, or waits
	Paired        // only with another relay
	WithIPv6      // only where the domain has an AAAA record
	Shown         // not for a hidden relay
	Hidden        // only for a hidden relay
)

// State is how a check ended.
type State string

// The states.
const (
	Passed  State = "passed"
	Noted   State = "noted" // it works; something about it is not as it should be
	Failed  State = "failed"
	Skipped State = "skipped"
)

// Result is what came of a check.
type Result struct {
	Name   string
	Group  Group
	State  State
	Took   time.Duration
	Seen   string // if it was skipped, why
	Wanted string
	Advice string // only if something is to be done

	// unproven is a check that cannot be made from this machine. What needs it is
	// not held up.
	unproven bool
}

// Options are what a run depends on.
type Options struct {
	Relay *remote.Relay
	Other *remote.Relay // may be nil

	DKIMSelector string
	Slow         bool
	Skip         []string // names of checks and groups
	Hidden       bool     // nothing may say to strangers what the relay is
	Invite       string   // token for a relay that asks for one; may be ""

	Now     time.Time
	Timeout time.Duration // of a check; 0 means 15 seconds
	// Done is notified of each result as it comes; may be nil. It is called from
	// one goroutine at a time.
	Done func(Result)
}

// Bounds of a run.
const (
	defaultTimeout = 15 * time.Second
	slowFactor     = 12 // times as long for a slow check
	atOnce         = 12 // checks
)

// noteError is what is seen when a promise is kept in a way that an operator
// wants to know of.
type noteError struct{ seen string }

func (e *noteError) Error() string { return e.seen }

// notef is a result that is worth a note, but no failure.
func notef(format string, args ...any) error { return &noteError{fmt.Sprintf(format, args...)} }

// errNotPromised ends a check of what this relay does not promise.
var errNotPromised = errors.New("this relay does not promise this")

// unprovenError is why something cannot be told from this machine.
type unprovenError struct{ why string }

func (e *unprovenError) Error() string { return e.why }

// refined takes the place of a check's advice where more is known.
type refined struct {
	error
	advice string
}

func (e *refined) Unwrap() error { return e.error }

// advise adds what to do to an error, in place of the check's general advice.
func advise(err error, format string, args ...any) error {
	return &refined{err, fmt.Sprintf(format, args...)}
}

// result makes a Result of what a check returned.
func (c *Check) result(seen string, err error, took time.Duration) Result {
	r := Result{Name: c.Name, Group: c.Group, State: Passed, Took: took, Seen: seen, Wanted: c.Wanted}
	if err == nil {
		return r
	}
	if errors.Is(err, errNotPromised) {
		return Result{Name: c.Name, State: absent}
	}
	var unproven *unprovenError
	// Not a failure: that this machine has no IPv6 says nothing about the relay.
	if errors.As(err, &unproven) {
		r.State, r.Seen, r.unproven = Skipped, unproven.why, true
		return r
	}
	r.State, r.Seen, r.Advice = Failed, err.Error(), c.Advice
	var note *noteError
	if better, ok := errors.AsType[*refined](err); ok {
		r.Advice = better.advice
	}
	if errors.As(err, &note) {
		r.State = Noted
	}
	return r
}
