package top

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"chatmaild/applets/service/metric"
)

// look is what the relay told at a time.
type look struct {
	at      time.Time
	samples []metric.Sample
}

// change is what there is between two looks.
type change struct{ before, now look }

// labels are those that a sample has to have: "name=value", divided by blanks.
type labels string

// match reports whether a sample has all of the labels; it may have more.
func (l labels) match(s metric.Sample) bool {
	for pair := range strings.FieldsSeq(string(l)) {
		name, value, _ := strings.Cut(pair, "=")
		if s.Labels[name] != value {
			return false
		}
	}
	return true
}

// sum adds up samples of one name. known is false if there are none.
func (l look) sum(name string, with labels) (total float64, known bool) {
	for _, s := range l.samples {
		if s.Name == name && with.match(s) {
			total, known = total+s.Value, true
		}
	}
	return total, known
}

// value is the sum now; NaN if nobody knows.
func (c change) value(name string, with labels) float64 {
	if n, known := c.now.sum(name, with); known {
		return n
	}
	return math.NaN()
}

// rate is how much counters grew in a second. One that was reset counts from zero.
func (c change) rate(name string, with labels) float64 {
	before, known := c.before.sum(name, with)
	now, stillKnown := c.now.sum(name, with)
	seconds := c.now.at.Sub(c.before.at).Seconds()
	if !known || !stillKnown || seconds <= 0 {
		return math.NaN()
	}
	// A daemon that was restarted counts from zero again, as Prometheus' rate() assumes.
	if now < before {
		before = 0
	}
	return (now - before) / seconds
}

// quantile is that of a histogram's observations between the looks; NaN if there
// were none. As Prometheus does, it takes them to lie evenly in their bucket.
func (c change) quantile(q float64, name string, with labels) float64 {
	counts := map[float64]float64{}
	// Buckets only grow, so their difference is the histogram of the time between.
	for sign, l := range map[float64]look{-1: c.before, 1: c.now} {
		for _, s := range l.samples {
			if s.Name != name+"_bucket" || !with.match(s) {
				continue
			}
			if bound, err := strconv.ParseFloat(s.Labels["le"], 64); err == nil {
				counts[bound] += sign * s.Value
			}
		}
	}
	bounds := slices.Sorted(maps.Keys(counts))
	if len(bounds) < 2 {
		return math.NaN()
	}
	total := counts[bounds[len(bounds)-1]]
	if total <= 0 {
		return math.NaN()
	}
	// Buckets are cumulative: "below" is what all lower ones have.
	rank, low, below := q*total, 0.0, 0.0
	for _, bound := range bounds {
		if counts[bound] >= rank && counts[bound] > below {
			if math.IsInf(bound, 1) {
				return low // more than the last bound that there is
			}
			return low + (bound-low)*(rank-below)/(counts[bound]-below)
		}
		low, below = bound, counts[bound]
	}
	return low
}

// values returns the values of a label in a family, in the order in which they are
// told.
func (c change) values(name, label string) []string {
	var all []string
	for _, s := range c.now.samples {
		if v, ok := s.Labels[label]; ok && s.Name == name && !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	return all
}

// history holds the last rates of what is drawn as a line.
type history map[string][]float64

// remembered is how many of them.
const remembered = 40

// add keeps the last looks of each line.
func (h history) add(c change) {
	for _, p := range pulses {
		h[p.title] = append(h[p.title], c.rate(p.name, p.with))
		if n := len(h[p.title]); n > remembered {
			h[p.title] = h[p.title][n-remembered:]
		}
	}
}

// spark draws numbers as a line of bars; what is not known is a blank.
// The highest of them is a full bar: the line shows the shape, the number beside it how
// much that is.
func spark(numbers []float64) string {
	const bars = "▁▂▃▄▅▆▇█"
	steps := []rune(bars)
	high := 0.0
	for _, n := range numbers {
		if n > high {
			high = n
		}
	}
	var b strings.Builder
	for _, n := range numbers {
		switch {
		case math.IsNaN(n):
			b.WriteByte(' ')
		case high == 0:
			b.WriteRune(steps[0])
		default:
			b.WriteRune(steps[int(n/high*float64(len(steps)-1)+0.5)])
		}
	}
	return b.String()
}
