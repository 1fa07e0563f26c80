package push

import (
	"context"
	"sync"
	"time"
)

// failover sends to the first of several notification services that is not known to
// be dead. It is safe for concurrent use.
type failover struct {
	now    func() time.Time
	events Events

	mu       sync.Mutex
	services []*service
}

// service is one endpoint and what is known of it; failover.mu guards that.
type service struct {
	Endpoint
	circuit Circuit
	last    string // failure
	lastAt  time.Time
}

func newFailover(endpoints []Endpoint, now func() time.Time, events Events) *failover {
	f := &failover{now: now, events: events}
	for _, e := range endpoints {
		f.services = append(f.services, &service{Endpoint: e})
	}
	return f
}

// capacity says how many of free notifications may be sent now: all of them if a
// service is alive; one, as a probe, if a dead one is to be asked; else none before the
// time at. That is zero if only the end of a POST can change anything.
func (f *failover) capacity(free int) (n int, probe bool, at time.Time) {
	now := f.now()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.services {
		next, ok := s.circuit.Wants(now)
		switch {
		case !s.circuit.open:
			return free, false, time.Time{}
		case !ok:
		case !next.After(now):
			n, probe = min(free, 1), true
		case at.IsZero() || next.Before(at):
			at = next
		}
	}
	return n, probe, at
}

// probeTimeout is how long a dead service may take if another one is there to ask, or
// nothing is there to send.
const probeTimeout = 2 * time.Second

// send tries the services in their order, for a token of an account. sent is false if
// none may be asked now.
func (f *failover) send(ctx context.Context, account, token string) (r Result, sent bool) {
	for i, s := range f.services {
		f.mu.Lock()
		ok, probe := s.circuit.Allow(f.now())
		f.mu.Unlock()
		if !ok {
			continue
		}
		limit := sendTimeout
		if probe && i < len(f.services)-1 {
			limit = probeTimeout
		}
		r, sent = f.sendTo(ctx, s, token, limit), true
		if !f.learn(ctx, s, account, r, probe) {
			return r, true
		}
	}
	return r, sent
}

// ask asks the dead services whether they are there again, those that may be asked now.
func (f *failover) ask(ctx context.Context) {
	for _, s := range f.services {
		f.mu.Lock()
		ok, probe := s.circuit.Allow(f.now())
		f.mu.Unlock()
		if !ok || !probe {
			continue
		}
		asking, cancel := context.WithTimeout(ctx, probeTimeout)
		r := s.Ask(asking)
		cancel()
		f.learn(ctx, s, "", r, true)
	}
}

func (f *failover) sendTo(ctx context.Context, s *service, token string, limit time.Duration) Result {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return s.Send(ctx, token)
}

// learn notes what a service answered to a notification for an account, and reports
// whether the next one should be asked.
func (f *failover) learn(ctx context.Context, s *service, account string, r Result, probe bool) (again bool) {
	now := f.now()
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case r.Outcome == Delivered || r.Outcome == Gone:
		if down, closed := s.circuit.Succeed(now); closed {
			f.events.ServiceAlive(s.Name, down)
		}
		return false
	case ctx.Err() != nil && context.Cause(ctx) == errStopping:
		s.circuit.Abandon(probe)
		return false
	}
	s.last, s.lastAt = r.Err.Error(), now
	if s.circuit.Fail(now, account, r.Outcome == Unreached, probe, r.RetryAfter) {
		f.events.ServiceDead(s.Name, r.Err)
	}
	return r.Outcome == Unreached || probe
}

// report describes the services for the operator.
func (f *failover) report() []ServiceReport {
	f.mu.Lock()
	defer f.mu.Unlock()
	var reports []ServiceReport
	for _, s := range f.services {
		r := ServiceReport{Name: s.Name, Alive: !s.circuit.open, LastError: s.last}
		if at := s.lastAt; s.last != "" {
			r.LastErrorAt = &at
		}
		if since, next := s.circuit.since, s.circuit.next; s.circuit.open {
			r.DeadSince, r.NextProbe = &since, &next
		}
		reports = append(reports, r)
	}
	return reports
}
