package metric

import (
	"math"
	"strconv"
	"sync/atomic"
	"time"
)

// Histogram counts observations in buckets. It is safe for concurrent use; a
// reading beside an observation may miss it in the sum.
type Histogram struct {
	bounds []float64       // upper, inclusive
	counts []atomic.Uint64 // one more than bounds
	sum    atomic.Uint64   // a float64
}

// Latency returns bounds for what people wait for, in seconds: from 1 ms, four
// to a power of ten, to 10 s.
func Latency() []float64 {
	return []float64{.001, .002, .004, .007, .01, .02, .04, .07, .1, .2, .4, .7, 1, 2, 4, 7, 10}
}

// Observe counts one observation.
func (h *Histogram) Observe(n float64) {
	if h == nil || math.IsNaN(n) {
		return
	}
	i := 0
	for i < len(h.bounds) && n > h.bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	addFloat(&h.sum, n)
}

// Took observes a duration, in seconds.
func (h *Histogram) Took(d time.Duration) { h.Observe(d.Seconds()) }

func (h *Histogram) append(b []byte, name, labels string) []byte {
	var total uint64
	for i := range h.counts {
		total += h.counts[i].Load()
		b = append(append(b, name...), "_bucket{"...)
		if labels != "" {
			b = append(append(b, labels...), ',')
		}
		b = append(b, `le="`...)
		if i < len(h.bounds) {
			b = appendFloat(b, h.bounds[i])
		} else {
			b = append(b, "+Inf"...)
		}
		b = append(strconv.AppendUint(append(b, `"} `...), total, 10), '\n')
	}
	b = appendSample(append(b, name...), "_sum", labels, math.Float64frombits(h.sum.Load()))
	return appendSample(append(b, name...), "_count", labels, float64(total))
}
