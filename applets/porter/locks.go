package porter

import (
	"context"
	"sync"

	"chatmaild/auth/mailaddr"
)

// locks are of the mailboxes that are being sent or received.
type locks struct {
	mu   sync.Mutex
	held map[mailaddr.Address]*hold
}

// hold is one that is held.
type hold struct {
	end   context.CancelFunc // of what its holder does
	ended chan struct{}
}

func newLocks() *locks { return &locks{held: map[mailaddr.Address]*hold{}} }

// try takes addr, if nobody has it. What is done with it ends when the context that it
// returns does.
func (l *locks) try(ctx context.Context, addr mailaddr.Address) (_ context.Context, release func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[addr] != nil {
		return ctx, nil, false
	}
	ctx, end := context.WithCancel(ctx)
	h := &hold{end, make(chan struct{})}
	l.held[addr] = h
	return ctx, func() {
		end()
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.held, addr)
		close(h.ended)
	}, true
}

// take takes addr, and interrupts any other user of it.
func (l *locks) take(ctx context.Context, addr mailaddr.Address) (context.Context, func(), error) {
	for {
		if ctx, release, ok := l.try(ctx, addr); ok {
			return ctx, release, nil
		}
		l.mu.Lock()
		h := l.held[addr]
		l.mu.Unlock()
		if h == nil {
			continue
		}
		h.end()
		select {
		case <-h.ended:
		case <-ctx.Done():
			return ctx, nil, ctx.Err()
		}
	}
}
