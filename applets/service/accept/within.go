package accept

import (
	"context"
	"sync"
	"time"
)

// Within is context.WithTimeout for requests that rarely wait: it sets a timer
// when someone first asks whether the context has ended, and no sooner. Setting
// one costs most requests more than all else, because it makes a thread that
// waits for the network wake up to wait for the timer instead.
func Within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	w := &within{Context: ctx, end: time.Now().Add(d)}
	return w, w.stop
}

// within becomes a context with a timer once it is asked. The one that it holds
// has its values.
type within struct {
	context.Context
	end time.Time

	mu      sync.Mutex
	stopped bool
	timed   context.Context // nil until someone asks
	cancel  context.CancelFunc
}

var _ context.Context = (*within)(nil)

// Deadline implements context.Context.
func (w *within) Deadline() (time.Time, bool) { return w.ask().Deadline() }

// Done implements context.Context.
func (w *within) Done() <-chan struct{} { return w.ask().Done() }

// Err implements context.Context.
func (w *within) Err() error { return w.ask().Err() }

func (w *within) ask() context.Context {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timed == nil {
		w.timed, w.cancel = context.WithDeadline(w.Context, w.end)
		if w.stopped {
			w.cancel()
		}
	}
	return w.timed
}

func (w *within) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	if w.cancel != nil {
		w.cancel()
	}
}
