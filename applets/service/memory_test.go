package service

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestRest has a daemon work twice: memory is given back once after each time, and
// neither while it works nor while it has nothing to do.
func TestRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var octets uint64
		freed := 0
		ctx, stop := context.WithCancel(t.Context())
		go rest(ctx, func() uint64 { return octets }, func() { freed++ })
		synctest.Wait() // it has looked
		for i, step := range []struct {
			alloc uint64
			want  int // so often until then
		}{
			{0, 0}, {busyAlloc, 0}, {busyAlloc + 1, 0}, {5 * busyAlloc, 0}, {100, 1}, {busyAlloc, 1}, {2 * busyAlloc, 1}, {0, 2}, {0, 2},
		} {
			octets += step.alloc
			time.Sleep(restInterval)
			synctest.Wait()
			if freed != step.want {
				t.Errorf("step %d: memory was given back %d times, want %d", i+1, freed, step.want)
			}
		}
		stop()
	})
}

func TestAllocated(t *testing.T) {
	before := allocated()
	kept := make([]byte, busyAlloc)
	if grown := allocated() - before; grown < uint64(len(kept)) {
		t.Errorf("it has grown by %d octets, want %d at least", grown, len(kept))
	}
}
