package bench

import (
	"encoding/json"
	"slices"
	"time"
)

// Series is how long something took, each time.
type Series []time.Duration

// Quantile returns the duration that a part of all did not exceed: 0.5 is the
// median. It is 0 for an empty series.
func (s Series) Quantile(part float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	// The nearest rank: the least value with enough of the others below it.
	i := int(part * float64(len(s)))
	if float64(i) == part*float64(len(s)) {
		i--
	}
	return sorted[min(max(i, 0), len(s)-1)]
}

// summary is a series in JSON, in milliseconds.
type summary struct {
	Count int     `json:"count"`
	Min   float64 `json:"min_ms"`
	P50   float64 `json:"p50_ms"`
	P95   float64 `json:"p95_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

// MarshalJSON writes the figures that matter, not each duration.
// The durations themselves are left out: a measurement has thousands.
func (s Series) MarshalJSON() ([]byte, error) {
	return json.Marshal(summary{
		len(s), milliseconds(s.Quantile(0)), milliseconds(s.Quantile(0.5)),
		milliseconds(s.Quantile(0.95)), milliseconds(s.Quantile(0.99)), milliseconds(s.Quantile(1)),
	})
}

// milliseconds rounds to tenths.
func milliseconds(d time.Duration) float64 {
	return float64(d.Round(100*time.Microsecond).Microseconds()) / 1000
}
