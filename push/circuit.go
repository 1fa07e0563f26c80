package push

import "time"

// A notification service counts as dead once the evidence since its last success
// reaches deadAt. That it could not be reached is strong evidence. Another failure is
// weak: the service passes on what became of one device. It counts once for each account,
// so that a user who registers tokens that nobody can notify does not stop the others'.
const (
	deadAt         = 64
	strongEvidence = 8
	weakEvidence   = 1
)

// A dead service is asked again after minProbe, and then after twice as long each
// time, up to maxProbe. A Retry-After longer than maxHold holds for its notification,
// and for the service no longer than that.
const (
	minProbe = time.Second
	maxProbe = 30 * time.Second
	maxHold  = 5 * time.Minute
)

// Circuit keeps notifications from a service that seems dead. While it is open, one
// notification at a time, or a mere question, is let through as a probe; a success
// closes it. It is not safe for concurrent use. The zero Circuit is closed.
type Circuit struct {
	evidence int
	failed   map[string]struct{} // accounts that gave weak evidence; deadAt at most
	open     bool
	since    time.Time     // it is open
	next     time.Time     // the next probe
	wait     time.Duration // before the next probe but one
	probing  bool
}

// Allow reports whether a notification may be sent now, and whether it is a probe; its
// outcome must then be told to Succeed, Fail or Abandon.
func (c *Circuit) Allow(now time.Time) (ok, probe bool) {
	switch {
	case !c.open:
		return true, false
	case c.probing || now.Before(c.next):
		return false, false
	default:
		c.probing = true
		return true, true
	}
}

// Wants says when Allow will next say yes: never while a probe is in progress.
func (c *Circuit) Wants(now time.Time) (at time.Time, ok bool) {
	switch {
	case !c.open:
		return now, true
	case c.probing:
		return time.Time{}, false
	default:
		return c.next, true
	}
}

// Succeed says that the service did its work. It reports whether that closed the
// circuit, and for how long it was open.
func (c *Circuit) Succeed(now time.Time) (down time.Duration, closed bool) {
	closed = c.open
	if closed {
		down = now.Sub(c.since)
	}
	*c = Circuit{}
	return down, closed
}

// Fail says that a notification for an account failed, and hold how long the service
// wants to be left alone, if it said so. It reports whether that opened the circuit.
func (c *Circuit) Fail(now time.Time, account string, strong, probe bool, hold time.Duration) (opened bool) {
	if c.open {
		if probe {
			c.probing = false
			c.later(now, hold)
		}
		return false
	}
	if _, again := c.failed[account]; strong {
		c.evidence += strongEvidence
	} else if !again {
		if c.failed == nil {
			c.failed = make(map[string]struct{})
		}
		c.failed[account] = struct{}{}
		c.evidence += weakEvidence
	}
	if c.evidence < deadAt && !(strong && hold > 0) {
		return false
	}
	c.open, c.since, c.wait, c.failed = true, now, minProbe, nil
	c.later(now, hold)
	return true
}

// Abandon says that a notification was not sent after all.
func (c *Circuit) Abandon(probe bool) {
	if probe {
		c.probing = false
	}
}

func (c *Circuit) later(now time.Time, hold time.Duration) {
	c.next = now.Add(max(c.wait, min(hold, maxHold)))
	c.wait = min(2*c.wait, maxProbe)
}
