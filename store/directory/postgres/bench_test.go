package postgres

import (
	"fmt"
	"sync/atomic"
	"testing"

	"chatmaild/store/directory/directorytest"
)

// BenchmarkCreate makes accounts as several machines do at once, each on the disks of a writer
// and a copy when it is answered.
func BenchmarkCreate(b *testing.B) {
	writer, standby := servers(b)
	for _, s := range []*instance{writer, standby} {
		s.Must("ALTER SYSTEM SET fsync = on")
		s.Must("SELECT pg_reload_conf()")
	}
	machines := []*Directory{open(b, writer, writer), open(b, writer, writer), open(b, writer, writer)}
	var n atomic.Int64
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			if err := machines[i%3].Create(b.Context(), directorytest.Address(b, fmt.Sprint("user", i)), account); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "accounts/s")
}

// BenchmarkRead looks accounts up in this machine's copy, as each login does.
func BenchmarkRead(b *testing.B) {
	writer, _ := servers(b)
	d := open(b, writer, writer)
	addr := directorytest.Address(b, "alice")
	if err := d.Create(b.Context(), addr, account); err != nil {
		b.Fatal(err)
	}
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := d.Account(b.Context(), addr); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "look-ups/s")
}
