package push

import (
	"context"
	"time"
)

// deliver sends one entry and notes in the queue what became of it. ctx ends when the
// daemon is to stop, posts when its POSTs are.
func (n *Notifier) deliver(ctx, posts context.Context, e Entry) {
	now := n.Now()
	if e.Text == "" {
		n.note(ctx, func() error { return n.Queue.Done(e) })
		return
	}
	if now.Sub(e.First) >= MaxRetryAge {
		n.note(ctx, func() error { return n.Queue.Done(e) })
		n.expired(1)
		return
	}
	if exists, err := n.Mailboxes.Exists(e.Account); err == nil && !exists {
		n.note(ctx, func() error { return n.Queue.Remove(e.Account) })
		n.note(ctx, func() error { return n.Queue.Done(e) })
		return
	}
	if !n.shares.enter(e.Account) {
		n.meter.add(&n.meter.putOff, 1)
		e.Tries-- // this is none, and Retry counts one
		n.note(ctx, func() error { return n.Queue.Retry(e, now.Add(putOff)) })
		return
	}
	defer n.shares.leave(e.Account)
	r, sent := n.services.send(posts, e.Account, e.Text)
	after := n.Now()
	switch {
	case sent && r.Outcome == Delivered:
		n.proven.add(e.Token)
		n.meter.deliver(after.Sub(now), after.Sub(e.First))
		if n.Delivered != nil {
			n.Delivered(after.Sub(now), after.Sub(e.First))
		}
		n.note(ctx, func() error { return n.Queue.Done(e) })
	case sent && r.Outcome == Gone:
		n.meter.add(&n.meter.gone, 1)
		n.note(ctx, func() error { return n.Queue.Gone(e) })
	case !sent, context.Cause(posts) == errStopping:
		n.note(ctx, func() error { return n.Queue.Return(e) })
	default:
		n.meter.add(&n.meter.failed, 1)
		delay := max(Delay(e.Tries+1, n.Jitter()), r.RetryAfter)
		if after.Add(delay).Sub(e.First) >= MaxRetryAge {
			n.note(ctx, func() error { return n.Queue.Done(e) })
			n.expired(1)
			return
		}
		n.note(ctx, func() error { return n.Queue.Retry(e, after.Add(delay)) })
	}
}

// note makes a change of the queue. If the disk refuses, it tries until the daemon
// stops, and the entry keeps its slot: without that, it would be sent over and over.
func (n *Notifier) note(ctx context.Context, change func() error) {
	for {
		err := change()
		if err == nil {
			return
		}
		n.Events.Fault(err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(faultPause):
		}
	}
}

func (n *Notifier) expired(entries int) {
	if entries > 0 {
		n.meter.add(&n.meter.expired, entries)
		n.Events.Expired(entries)
	}
}

// housekeep removes what is too old.
func (n *Notifier) housekeep(ctx context.Context) {
	tidy, sweep := time.NewTicker(tidyInterval), time.NewTicker(sweepInterval)
	defer tidy.Stop()
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tidy.C:
			count, err := n.Queue.Expire(n.Now().Add(-MaxRetryAge))
			if err != nil {
				n.Events.Fault(err)
			}
			n.expired(count)
			n.Queue.Tidy()
		case <-sweep.C:
			if err := n.Queue.Sweep(n.Now()); err != nil {
				n.Events.Fault(err)
			}
		}
	}
}
