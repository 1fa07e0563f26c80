package proxy

import "time"

// budget bounds how many of something there are at once.
type budget chan struct{}

func newBudget(n int) budget { return make(budget, n) }

// acquire takes a place. It waits for one until done or late, and reports
// whether it got one.
func (b budget) acquire(done <-chan struct{}, late <-chan time.Time) bool {
	select {
	case b <- struct{}{}:
		return true
	default:
	}
	select {
	case b <- struct{}{}:
		return true
	case <-done:
		return false
	case <-late:
		return false
	}
}

// within is acquire with a bound.
func (b budget) within(d time.Duration) bool {
	select {
	case b <- struct{}{}:
		return true
	default:
	}
	t := time.NewTimer(d)
	defer t.Stop()
	return b.acquire(nil, t.C)
}

func (b budget) release() { <-b }
