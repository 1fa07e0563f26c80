package push

import (
	"context"
	"time"
)

// Run sends until ctx is done, and returns when no POST is in progress any more.
func (n *Notifier) Run(ctx context.Context) error {
	n.sending.Go(func() { n.housekeep(ctx) })
	posts, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			grace := time.AfterFunc(stopGrace, func() { stop(errStopping) })
			defer grace.Stop()
			n.sending.Wait()
			return nil
		case <-n.wake:
		case <-timer.C:
		}
		if at := n.dispatch(ctx, posts); at.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(max(at.Sub(n.Now()), time.Millisecond))
		}
	}
}

// dispatch sends what may be sent now: what is fresh before what is overdue. It
// returns when it should be called again; zero if only an event can change anything.
func (n *Notifier) dispatch(ctx, posts context.Context) (again time.Time) {
	now := n.Now()
	for {
		n.mu.Lock()
		free, probing := n.InFlight-n.inFlight, n.probing
		n.mu.Unlock()
		free, probe, at := n.services.capacity(free)
		if free == 0 || probe && probing {
			n.keepProbe()
			return at
		}
		if probe {
			return n.dispatchProbe(ctx, posts, now)
		}
		keys := n.takeFresh(free)
		if len(keys) == 0 {
			return n.dispatchDue(ctx, posts, now, free)
		}
		entries, err := n.Queue.Take(keys)
		if err != nil {
			n.Events.Fault(err)
			return now.Add(faultPause)
		}
		n.start(ctx, posts, entries, asFresh)
	}
}

// dispatchProbe sends what tells most about a dead service: what has a proven token, or
// the last fresh entry, which nobody has failed to send, or the one that has been due
// longest. If there is none, the service is asked without a token.
func (n *Notifier) dispatchProbe(ctx, posts context.Context, now time.Time) (again time.Time) {
	n.keepProbe()
	entries, next, err := n.Queue.TakeProbe(now, n.proven.has, n.takeFresh(1))
	if err != nil {
		n.Events.Fault(err)
		return now.Add(faultPause)
	}
	if len(entries) == 0 {
		n.ask(posts)
	}
	n.start(ctx, posts, entries, asProbe)
	return next
}

// dispatchDue sends what has been due longest, at DrainRate and in half of the slots
// at most: fresh entries will want the others.
func (n *Notifier) dispatchDue(ctx, posts context.Context, now time.Time, free int) (again time.Time) {
	n.mu.Lock()
	free = min(free, (n.InFlight+1)/2-n.overdue)
	if free <= 0 {
		n.mu.Unlock()
		return time.Time{}
	}
	allowed, at := n.drain.allow(now, free)
	n.mu.Unlock()
	if at.After(now) {
		return at
	}
	entries, next, err := n.Queue.TakeDue(now, allowed)
	if err != nil {
		n.Events.Fault(err)
		return now.Add(faultPause)
	}
	n.mu.Lock()
	n.drain.spend(len(entries))
	n.mu.Unlock()
	n.start(ctx, posts, entries, asOverdue)
	return next
}

// ask has a dead service asked while there is nothing to send to it. Else it would stay
// dead until then, in the operator's eyes.
func (n *Notifier) ask(posts context.Context) {
	n.occupy(asProbe, 1)
	n.sending.Go(func() {
		n.services.ask(posts)
		n.occupy(asProbe, -1)
		n.nudge()
	})
}

// takeFresh returns the first n fresh keys.
func (n *Notifier) takeFresh(count int) []Key {
	n.mu.Lock()
	defer n.mu.Unlock()
	count = min(count, len(n.fresh))
	keys := n.fresh[:count:count]
	if n.fresh = n.fresh[count:]; len(n.fresh) == 0 {
		n.fresh = nil
	}
	return keys
}

// keepProbe forgets all fresh keys but the best probe if nothing else can be sent: they
// will be overdue.
func (n *Notifier) keepProbe() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.inFlight < n.InFlight && len(n.fresh) > 1 {
		n.fresh = []Key{n.fresh[n.proven.best(n.fresh)]}
	}
}

// role is why an entry is sent now.
type role int

const (
	asFresh   role = iota
	asOverdue      // n.overdue counts it
	asProbe        // n.probing says that it is in progress
)

// start sends entries, each in its own goroutine. InFlight bounds them.
func (n *Notifier) start(ctx, posts context.Context, entries []Entry, as role) {
	for _, e := range entries {
		n.occupy(as, 1)
		n.sending.Go(func() {
			n.deliver(ctx, posts, e)
			n.occupy(as, -1)
			n.nudge()
		})
	}
}

func (n *Notifier) occupy(as role, slots int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.inFlight += slots
	switch as {
	case asOverdue:
		n.overdue += slots
	case asProbe:
		n.probing = slots > 0
	}
}

// drain bounds how fast overdue entries are sent: DrainRate a second, looked for every
// scanInterval.
type drain struct {
	allowance float64
	at        time.Time // of the last look
}

// allow returns how many of free entries may be sent now, or the time from which on
// some may.
func (d *drain) allow(now time.Time, free int) (n int, at time.Time) {
	if elapsed := now.Sub(d.at); elapsed >= 0 && elapsed < scanInterval {
		return 0, d.at.Add(scanInterval)
	} else if elapsed > 0 {
		d.allowance = min(d.allowance+elapsed.Seconds()*DrainRate, DrainRate/10)
	}
	d.at = now
	return min(free, int(d.allowance)), now
}

func (d *drain) spend(n int) { d.allowance -= float64(n) }
