package service

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestRest has a daemon work, twice all at once and once little by little: memory is given
// back once after each time, and neither while it works nor while it has nothing to do.
func TestRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var taken, freed atomic.Uint64
		ctx, stop := context.WithCancel(t.Context())
		go rest(ctx, taken.Load, func() { freed.Add(1) })
		synctest.Wait() // it has looked
		for i, step := range []struct {
			alloc uint64
			want  uint64 // so often until then
		}{
			{0, 0}, {busyAlloc, 0}, {0, 0}, {1, 1}, {5 * busyAlloc, 1}, {restAlloc + 1, 1}, {restAlloc, 2}, {restAlloc, 2},
			{2 * busyAlloc, 2}, {0, 3}, {0, 3}, {restAlloc, 3}, {restAlloc, 3}, {restAlloc, 3}, {restAlloc, 3}, {1, 4},
		} {
			taken.Add(step.alloc)
			time.Sleep(restInterval)
			synctest.Wait()
			if freed := freed.Load(); freed != step.want {
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
		t.Errorf("it has grown by %d bytes, want %d at least", grown, len(kept))
	}
}

// TestUnmapProgram has fewer pages of files mapped afterwards, and continues.
func TestUnmapProgram(t *testing.T) {
	mapped := func() int { // proc(5): the third number is resident pages of files
		t.Helper()
		statm, err := os.ReadFile("/proc/self/statm")
		if err != nil {
			t.Fatal(err)
		}
		pages, err := strconv.Atoi(strings.Fields(string(statm))[2])
		if err != nil {
			t.Fatal(err)
		}
		return pages
	}
	before := mapped()
	if err := unmapProgram(); err != nil {
		t.Fatal(err)
	}
	if after := mapped(); after > before*3/4 {
		t.Errorf("%d of %d pages are still mapped, want three quarters at most", after, before)
	}
}
