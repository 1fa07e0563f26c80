package disk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// syncs writes down what a Syncer tells.
type syncs struct {
	mu             sync.Mutex
	syncs, waiting int
	err            error
}

func (s *syncs) done(_ time.Duration, waiting int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.syncs++
	s.waiting += waiting
	s.err = errors.Join(s.err, err)
}

// TestSyncIsShared has many ask at once: each is counted with one sync, and there are few.
func TestSyncIsShared(t *testing.T) {
	const callers = 100
	seen := &syncs{}
	s := &Syncer{Dir: t.TempDir(), Pause: 20 * time.Millisecond, Done: seen.done}
	// The first one syncs at once; the others, who ask when it has, share the rest.
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	var over sync.WaitGroup
	for range callers {
		over.Go(func() {
			if err := s.Sync(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	over.Wait()
	// The last is counted after its callers have been answered: another one has its place.
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	if seen.waiting < callers+1 || seen.syncs >= callers/2 || seen.err != nil {
		t.Errorf("%d calls were %d syncs, %v", seen.waiting, seen.syncs, seen.err)
	}
}

// TestSyncFails: what may not be on the disk is not acknowledged, and the next one can be.
func TestSyncFails(t *testing.T) {
	s := &Syncer{Dir: filepath.Join(t.TempDir(), "mail")}
	if err := s.Sync(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a directory: %v", err)
	}
	if err := os.Mkdir(s.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Sync(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("without patience: %v", err)
	}
}
