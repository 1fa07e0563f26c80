package ratelimit

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// clock is a time that tests set.
type clock struct{ ns atomic.Int64 }

func (c *clock) now() time.Duration      { return time.Duration(c.ns.Load()) }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }
func newLimiter(t testing.TB, rate, burst int) (*Limiter, *clock) {
	t.Helper()
	c := new(clock)
	l, err := New(Options{PerMinute: rate, Burst: burst, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return l, c
}

// allowed counts how many of n at once are allowed.
func allowed(l *Limiter, sender string, n int) (got int) {
	for range n {
		if l.Allow(sender) {
			got++
		}
	}
	return got
}

func TestAllow(t *testing.T) {
	for _, tt := range []struct {
		name        string
		rate, burst int
		wait        time.Duration // between a full burst and the second try
		want        int           // allowed in the second try
	}{
		{"nothing again at once", 60, 10, 0, 0},
		{"nothing just before the interval", 60, 10, time.Second - 1, 0},
		{"one after the interval", 60, 10, time.Second, 1},
		{"five after five", 60, 10, 5*time.Second + 1, 5},
		{"never more than the burst", 60, 10, time.Hour, 10},
		{"burst of one", 60, 1, time.Second, 1},
		{"slow", 1, 2, 30 * time.Second, 0},
		{"slow, after a minute", 1, 2, time.Minute, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, c := newLimiter(t, tt.rate, tt.burst)
			if got := allowed(l, "a", 3*tt.burst); got != tt.burst {
				t.Errorf("first burst: %d allowed, want %d", got, tt.burst)
			}
			c.advance(tt.wait)
			if got := allowed(l, "a", 3*tt.burst); got != tt.want {
				t.Errorf("second burst: %d allowed, want %d", got, tt.want)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	for _, o := range []Options{{PerMinute: 0, Burst: 1}, {PerMinute: 1, Burst: 0}, {PerMinute: -1, Burst: 1}, {PerMinute: 1, Burst: 1, Senders: -1}} {
		if _, err := New(o); err == nil {
			t.Errorf("New(%+v) gave no error", o)
		}
	}
}

// TestSendersAreSeparate has 100,000 senders use up their bursts at the same
// time: none gets more than that and none less, but for the two who have to
// share in one of a thousand runs; and that within 16 MiB.
func TestSendersAreSeparate(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	l, _ := newLimiter(t, 60, 3)
	short := 0
	for i := range 100_000 {
		got := allowed(l, fmt.Sprintf("user%d@example.org", i), 5)
		if got > 3 {
			t.Fatalf("sender %d: %d allowed, want 3", i, got)
		}
		if got < 3 {
			short++
		}
	}
	if short > 2 {
		t.Errorf("%d senders were allowed less than their burst, want at most 2", short)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if got := int64(after.HeapAlloc) - int64(before.HeapAlloc); got > 16<<20 {
		t.Errorf("%d bytes in use, want at most 16 MiB", got)
	}
	runtime.KeepAlive(l)
}

// TestFullTable has an attacker with more senders than the table has places
// try to have a victim forgotten who has used up his burst.
func TestFullTable(t *testing.T) {
	l, c := newLimiter(t, 60, 10)
	allowed(l, "victim", 10)
	for i := range 2 * Senders {
		l.Allow(fmt.Sprint("attacker", i))
	}
	if got := allowed(l, "victim", 5); got != 0 {
		t.Errorf("victim: %d allowed while the table is full, want 0", got)
	}
	c.advance(time.Minute)
	if got := allowed(l, "newcomer", 20); got != 10 {
		t.Errorf("newcomer: %d allowed once all are whole again, want 10", got)
	}
}

// TestSmallTable has a table of one bucket: it holds as many as a bucket, and takes as
// little memory.
func TestSmallTable(t *testing.T) {
	for _, senders := range []int{1, bucketSize} {
		c := new(clock)
		l, err := New(Options{PerMinute: 60, Burst: 2, Senders: senders, Now: c.now})
		if err != nil {
			t.Fatal(err)
		}
		for i := range bucketSize {
			if got := allowed(l, fmt.Sprint("user", i), 3); got != 2 {
				t.Errorf("%d senders: number %d: %d allowed, want 2", senders, i, got)
			}
		}
		if got := len(l.buckets); got != 1 {
			t.Errorf("%d senders: %d buckets, want 1", senders, got)
		}
	}
}

func BenchmarkAllow(b *testing.B) {
	names := make([]string, 100_000)
	for i := range names {
		names[i] = fmt.Sprintf("user%d@example.org", i)
	}
	start := time.Now()
	for _, goroutines := range []int{1, 50} {
		b.Run(fmt.Sprintf("goroutines=%d", goroutines), func(b *testing.B) {
			l, err := New(Options{PerMinute: 60, Burst: 10, Now: func() time.Duration { return time.Since(start) }})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.SetParallelism(goroutines)
			var next atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				i := int(next.Add(7919))
				for pb.Next() {
					l.Allow(names[i%len(names)])
					i++
				}
			})
		})
	}
}
