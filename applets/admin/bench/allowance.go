package bench

import (
	"context"
	"sync"
	"time"
)

// allowance hands out the accounts that may send now, each to one at a time. It
// is the relay's limit seen from the other side (GCRA; ITU-T I.371, annex A).
type allowance struct {
	interval time.Duration // between two messages of one account, in the long run; 0: no limit
	burst    int           // messages at once after a pause

	mu      sync.Mutex
	free    []*account
	changed chan struct{} // closed when an account comes back
	waits   int           // times that nobody was allowed to send
}

func newAllowance(accounts []*account, perMinute, burst int) *allowance {
	a := &allowance{burst: burst, free: append([]*account(nil), accounts...), changed: make(chan struct{})}
	if perMinute > 0 {
		a.interval = time.Minute / time.Duration(perMinute)
	}
	return a
}

// take returns an account that may send. It waits until there is one.
func (a *allowance) take(ctx context.Context) (*account, error) {
	for {
		got, wait, changed := a.try(time.Now())
		if got != nil {
			return got, nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-changed:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// try returns an account, or how long to wait for one.
func (a *allowance) try(now time.Time) (*account, time.Duration, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	best, wait := -1, time.Minute
	for i, c := range a.free {
		if w := a.owes(c, now); w < wait {
			best, wait = i, w
		}
	}
	if best < 0 || wait > 0 {
		if best >= 0 {
			a.waits++
		}
		return nil, wait, a.changed
	}
	got := a.free[best]
	a.free[best] = a.free[len(a.free)-1]
	a.free = a.free[:len(a.free)-1]
	// Charged when it is handed out, not when it has sent: two clients can never spend the same
	// allowance.
	got.whole = later(got.whole, now).Add(a.interval)
	return got, 0, nil
}

// owes is how long an account has to wait until it may send again.
func (a *allowance) owes(c *account, now time.Time) time.Duration {
	// After one more message the account would be whole at that time, which may be as far ahead
	// as a burst takes to be earned.
	return later(c.whole, now).Add(a.interval).Sub(now) - a.interval*time.Duration(a.burst)
}

// give takes an account back.
func (a *allowance) give(c *account) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.free = append(a.free, c)
	close(a.changed)
	a.changed = make(chan struct{})
}

// spent notes that the relay allows less than we thought: that account has
// nothing left.
func (a *allowance) spent(c *account, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	// As if it had just sent a whole burst, which is the worst that the relay can think of it.
	c.whole = now.Add(max(a.interval, time.Second) * time.Duration(a.burst))
}

// waited returns how often nobody was allowed to send since the last call.
func (a *allowance) waited() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.waits
	a.waits = 0
	return n
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
