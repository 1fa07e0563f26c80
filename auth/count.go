package auth

import "sync/atomic"

// counts has a counter for each outcome and each reason. The maps never change.
type counts struct {
	outcomes map[Outcome]*atomic.Int64
	reasons  map[Reason]*atomic.Int64
	faults   atomic.Int64
}

func newCounts() *counts {
	c := &counts{outcomes: map[Outcome]*atomic.Int64{}, reasons: map[Reason]*atomic.Int64{}}
	for _, o := range Outcomes() {
		c.outcomes[o] = new(atomic.Int64)
	}
	for _, r := range Reasons() {
		c.reasons[r] = new(atomic.Int64)
	}
	return c
}

func (c *counts) note(r Result, err error) {
	if err != nil {
		c.faults.Add(1)
		return
	}
	c.outcomes[r.Outcome].Add(1)
	if r.Outcome == Refused {
		c.reasons[r.Reason].Add(1)
	}
}

// Count returns how many logins had the outcome.
func (s *Service) Count(o Outcome) int64 { return s.counts.outcomes[o].Load() }

// Refusals returns how many accounts were not made for the reason.
func (s *Service) Refusals(r Reason) int64 { return s.counts.reasons[r].Load() }

// Faults returns how many logins failed because of a fault of the relay.
func (s *Service) Faults() int64 { return s.counts.faults.Load() }
