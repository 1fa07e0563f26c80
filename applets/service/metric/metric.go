// Package metric holds counters, gauges and histograms, and writes and reads them
// in Prometheus's text format 0.0.4 and in OpenMetrics 1.0
// (prometheus.io/docs/instrumenting/exposition_formats, openmetrics.io).
//
// It takes the place of Prometheus's own client library because chatmaild is
// many small processes of one binary: linking that library costs each of them
// 0.4 MB of memory of its own, using it 0.3 MB more. Tests hold what is written
// here against the library's parser.
//
// No label can grow: all of its values are named when a family is made. What
// would tell about a person (an address, a peer's domain, an IP address, a
// token) has no place here.
package metric

import (
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Kind is the type of a family, as the text formats name it.
type Kind string

// The kinds in use.
const (
	CounterKind   Kind = "counter"
	GaugeKind     Kind = "gauge"
	HistogramKind Kind = "histogram"
)

// Label is a label with all the values that it can have.
type Label struct {
	Name   string
	Values []string
}

// Desc describes a family. The name follows Prometheus's conventions: the unit at
// its end, and _total behind that of a counter.
type Desc struct {
	Name   string
	Help   string // one sentence without a full stop
	Kind   Kind
	Labels []Label
}

// Set is what one daemon tells. Families are made before the first is read; the
// values change at any time.
type Set struct {
	families []*family
	before   []func()

	reading sync.Mutex
	text    []byte // of the last Tell, for the next
}

type family struct {
	Desc
	series []series
}

// series is one combination of label values.
type series struct {
	labels string // as it is written, without braces
	values []string
	sample
}

// sample is a Value or a Histogram.
type sample interface {
	append(b []byte, name, labels string) []byte
}

// Before has a function called before each reading, for what is looked up rather
// than counted. Readings do not overlap.
func (s *Set) Before(f func()) { s.before = append(s.before, f) }

// Counter makes a family of counters; they begin at zero.
func (s *Set) Counter(name, help string, labels ...Label) *Values {
	return s.values(Desc{name, help, CounterKind, labels})
}

// Gauge makes a family of gauges. They are unknown until they are set.
func (s *Set) Gauge(name, help string, labels ...Label) *Values {
	v := s.values(Desc{name, help, GaugeKind, labels})
	for _, each := range v.family.series {
		each.sample.(*Value).Set(Unknown)
	}
	return v
}

// Histogram makes a family of histograms with the given upper bounds, ascending.
func (s *Set) Histogram(name, help string, bounds []float64, labels ...Label) *Histograms {
	f := s.add(Desc{name, help, HistogramKind, labels}, func() sample {
		return &Histogram{bounds: bounds, counts: make([]atomic.Uint64, len(bounds)+1)}
	})
	return &Histograms{f}
}

func (s *Set) values(d Desc) *Values {
	return &Values{s.add(d, func() sample { return new(Value) })}
}

func (s *Set) add(d Desc, sampleOf func() sample) *family {
	f := &family{Desc: d}
	for _, values := range combinations(d.Labels) {
		var pairs []string
		for i, l := range d.Labels {
			pairs = append(pairs, l.Name+`="`+escapeLabel(values[i])+`"`)
		}
		f.series = append(f.series, series{strings.Join(pairs, ","), values, sampleOf()})
	}
	s.families = append(s.families, f)
	return f
}

func combinations(labels []Label) [][]string {
	all := [][]string{nil}
	for _, l := range labels {
		var next [][]string
		for _, head := range all {
			for _, v := range l.Values {
				next = append(next, append(slices.Clone(head), v))
			}
		}
		all = next
	}
	return all
}

// Describe returns the set's families in the order in which they were made.
func (s *Set) Describe() []Desc {
	var all []Desc
	for _, f := range s.families {
		all = append(all, f.Desc)
	}
	return all
}

func (f *family) at(values []string) sample {
	for _, each := range f.series {
		if slices.Equal(each.values, values) {
			return each.sample
		}
	}
	return nil
}

// Values is a family of counters or gauges.
type Values struct{ family *family }

// At returns the one with these label values; nil, which ignores what it is told,
// if there is none.
func (v *Values) At(values ...string) *Value {
	found, _ := v.family.at(values).(*Value)
	return found
}

// Histograms is a family of histograms.
type Histograms struct{ family *family }

// At returns the one with these label values; nil, which ignores what it is told,
// if there is none.
func (h *Histograms) At(values ...string) *Histogram {
	found, _ := h.family.at(values).(*Histogram)
	return found
}

// Unknown is the value of what nobody knows; it is not written.
var Unknown = math.NaN()

// Value is a counter or a gauge. It is safe for concurrent use.
type Value struct{ bits atomic.Uint64 }

// Add adds n.
func (v *Value) Add(n float64) {
	if v == nil {
		return
	}
	addFloat(&v.bits, n)
}

// Set sets the value: of a gauge, or of a counter that someone else counts.
func (v *Value) Set(n float64) {
	if v != nil {
		v.bits.Store(math.Float64bits(n))
	}
}

func addFloat(bits *atomic.Uint64, n float64) {
	for {
		old := bits.Load()
		if bits.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+n)) {
			return
		}
	}
}
