package push

import (
	"slices"
	"sync"
	"time"
)

// remembered is of how many deliveries the times are kept.
const remembered = 1024

// meter counts outcomes.
type meter struct {
	mu                sync.Mutex
	delivered, failed uint64
	gone, expired     uint64
	putOff            uint64
	posts, totals     [remembered]time.Duration // rings; the next place is delivered % remembered
}

func (m *meter) deliver(post, total time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.delivered % remembered
	m.posts[i], m.totals[i] = post, total
	m.delivered++
}

// add adds to one of the other counters.
func (m *meter) add(counter *uint64, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	*counter += uint64(n)
}

func (m *meter) report() Report {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := min(m.delivered, remembered)
	return Report{
		Delivered: m.delivered, Failed: m.failed, Gone: m.gone, Expired: m.expired, PutOff: m.putOff,
		PostMillis: percentiles(m.posts[:n]), TotalMillis: percentiles(m.totals[:n]),
	}
}

func percentiles(times []time.Duration) Percentiles {
	if len(times) == 0 {
		return Percentiles{}
	}
	sorted := slices.Sorted(slices.Values(times))
	at := func(percent int) float64 {
		d := sorted[min(len(sorted)*percent/100, len(sorted)-1)]
		return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
	}
	return Percentiles{P50: at(50), P95: at(95), P99: at(99)}
}
