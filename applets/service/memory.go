package service

import (
	"context"
	"runtime/metrics"
	"time"
)

// A daemon that has allocated more than busyAlloc bytes within restInterval is at work;
// when it no longer is, it gives its memory back.
const (
	restInterval = 10 * time.Second
	busyAlloc    = 1 << 20
)

// rest calls free after each time of work, until ctx is done. allocated is how many
// bytes were ever taken from the heap. By itself the runtime keeps what work took for
// long: the next collection may be minutes away, and what it frees goes back at leisure.
func rest(ctx context.Context, allocated func() uint64, free func()) {
	tick := time.NewTicker(restInterval)
	defer tick.Stop()
	before, worked := allocated(), false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := allocated()
		switch busy := now-before > busyAlloc; {
		case busy:
			worked = true
		case worked:
			free()
			worked = false
		}
		before = now
	}
}

// allocated asks the runtime, and does not stop it for that.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
