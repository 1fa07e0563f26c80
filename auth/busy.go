package auth

import (
	"context"
	"fmt"
	"sync"

	"chatmaild/auth/mailaddr"
)

// busy knows which addresses are being made into accounts.
type busy struct {
	mu    sync.Mutex
	addrs map[mailaddr.Address]chan struct{}
}

// start waits until nobody else is at addr; done lets the next one in.
func (b *busy) start(ctx context.Context, addr mailaddr.Address) (done func(), err error) {
	for {
		b.mu.Lock()
		other, taken := b.addrs[addr]
		if !taken {
			if b.addrs == nil {
				b.addrs = make(map[mailaddr.Address]chan struct{})
			}
			mine := make(chan struct{})
			b.addrs[addr] = mine
			b.mu.Unlock()
			return func() {
				b.mu.Lock()
				delete(b.addrs, addr)
				b.mu.Unlock()
				close(mine)
			}, nil
		}
		b.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for another login of the same address: %w", ctx.Err())
		}
	}
}
