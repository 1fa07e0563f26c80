package tokens

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// BenchmarkRegister measures durable sets of new tokens by ten clients at once.
func BenchmarkRegister(b *testing.B) {
	db := open(b, filepath.Join(b.TempDir(), "metadata.db"), options(&people{}))
	var next atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(5)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := next.Add(1)
			if err := db.Register(fmt.Sprintf("p%08d@perf.test", n), fmt.Sprintf("token-%08d", n), start); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkNotify measures the way of a notification through the queue.
func BenchmarkNotify(b *testing.B) {
	db := open(b, filepath.Join(b.TempDir(), "metadata.db"), options(&people{}))
	const accounts = 1000
	for i := range accounts {
		register(b, db, fmt.Sprintf("%d@x", i), "token")
	}
	var next atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(5)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			keys, err := db.Notify(fmt.Sprintf("%d@x", next.Add(1)%accounts), start)
			if err != nil {
				b.Error(err)
			}
			entries, err := db.Take(keys)
			if err != nil {
				b.Error(err)
			}
			for _, e := range entries {
				if err := db.Done(e); err != nil {
					b.Error(err)
				}
			}
		}
	})
}
