package postgres

import (
	"fmt"
	"sync"
	"time"
)

// openFor is how long nothing is asked of a server that failed: a login has several
// look-ups, and must not wait for a deadline in each.
const openFor = time.Second

// breaker keeps callers away from a server that has just failed.
type breaker struct {
	now func() time.Time

	mu    sync.Mutex
	until time.Time
	why   error
}

// failed opens the breaker.
func (b *breaker) failed(why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.until, b.why = b.now().Add(openFor), why
}

// closed returns nil if the server may be asked. A clock that was set back closes it.
func (b *breaker) closed() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if left := b.until.Sub(b.now()); left <= 0 || left > openFor {
		return nil
	}
	return fmt.Errorf("the directory did not answer a moment ago: %w", b.why)
}
