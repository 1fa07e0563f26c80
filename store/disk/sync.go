package disk

import (
	"context"
	"fmt"
	"sync"
	"time"

	"chatmaild/store/safefs"
)

// A Syncer makes durable what others wrote to a file system, for many at once: those who
// ask while a syncfs(2) is in progress share the next one. So a slow disk makes for fewer
// syncs, not for a queue of them.
type Syncer struct {
	// Dir is a directory of the file system. It is opened for each sync.
	Dir string
	// Pause is the least time from the beginning of one sync to that of the next, for
	// more to share it. The first one after that time does not wait.
	Pause time.Duration
	// Done is told of each sync, if not nil: how long it took, for how many, and
	// whether it failed.
	Done func(took time.Duration, waiting int, err error)

	mu      sync.Mutex
	next    *syncing // that begins when the one in progress has ended; nil if nobody waits
	running bool
}

// syncing is one sync, and those who wait for it.
type syncing struct {
	waiting int
	over    chan struct{} // closed when err is set
	err     error
}

// Sync returns when everything that was written before the call is on the disk. An error
// says that this is not certain.
func (s *Syncer) Sync(ctx context.Context) error {
	joined := s.join()
	select {
	case <-joined.over:
		return joined.err
	case <-ctx.Done():
		return fmt.Errorf("waiting for the disk: %w", ctx.Err())
	}
}

// join returns the next sync to begin.
func (s *Syncer) join() *syncing {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		s.next = &syncing{over: make(chan struct{})}
	}
	s.next.waiting++
	if !s.running {
		s.running = true
		go s.run()
	}
	return s.next
}

// run syncs for as long as a delivery waits for it.
func (s *Syncer) run() {
	for n := s.begin(); n != nil; n = s.begin() {
		start := time.Now()
		n.err = s.sync()
		close(n.over)
		took := time.Since(start)
		if s.Done != nil {
			s.Done(took, n.waiting, n.err)
		}
		time.Sleep(s.Pause - took)
	}
}

// begin returns the sync that begins now. Nobody joins it any more.
func (s *Syncer) begin() *syncing {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.next
	s.next, s.running = nil, n != nil
	return n
}

func (s *Syncer) sync() error {
	dir, err := safefs.OpenDir(s.Dir)
	if err == nil {
		defer dir.Close()
		err = safefs.SyncAll(dir)
	}
	if err != nil {
		return fmt.Errorf("syncing the file system of %s: %w", s.Dir, err)
	}
	return nil
}
