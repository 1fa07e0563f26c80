package metric

import (
	"io"
	"math"
	"strconv"
	"strings"
)

// Families reads the set.
func (s *Set) Families() []Family {
	s.reading.Lock()
	defer s.reading.Unlock()
	for _, f := range s.before {
		f()
	}
	var all []Family
	for _, f := range s.families {
		var b []byte
		for _, each := range f.series {
			b = each.append(b, f.Name, each.labels)
		}
		all = append(all, Family{f.Name, f.Help, f.Kind, string(b)})
	}
	return all
}

// Tell reads the set and writes it in Prometheus's format. It leaves almost nothing
// to the garbage collector: most of our processes do so little else that a scrape
// now and then would be what makes them grow.
func (s *Set) Tell(w io.Writer) error {
	s.reading.Lock()
	defer s.reading.Unlock()
	for _, f := range s.before {
		f()
	}
	b := s.text[:0]
	for _, f := range s.families {
		head := len(b)
		b = append(append(append(append(b, "# HELP "...), f.Name...), ' '), escapeHelp(f.Help)...)
		b = append(append(append(append(b, "\n# TYPE "...), f.Name...), ' '), f.Kind...)
		b = append(b, '\n')
		samples := len(b)
		for _, each := range f.series {
			b = each.append(b, f.Name, each.labels)
		}
		if len(b) == samples {
			b = b[:head]
		}
	}
	s.text = b
	_, err := w.Write(b)
	return err
}

// Family is a family as it was read: its samples are lines of text.
type Family struct {
	Name    string
	Help    string
	Kind    Kind
	Samples string
}

// Format is a text format.
type Format int

// The formats, with what HTTP calls them.
const (
	Prometheus  Format = iota // text/plain; version=0.0.4
	OpenMetrics               // application/openmetrics-text; version=1.0.0
)

// ContentType returns the format's media type.
func (f Format) ContentType() string {
	if f == OpenMetrics {
		return "application/openmetrics-text; version=1.0.0; charset=utf-8"
	}
	return "text/plain; version=0.0.4; charset=utf-8"
}

// Accepted returns the format for an HTTP request's Accept header: OpenMetrics
// for who knows it.
func Accepted(header string) Format {
	if strings.Contains(header, "application/openmetrics-text") {
		return OpenMetrics
	}
	return Prometheus
}

// Write writes families in one go. Those without samples are left out.
func (f Format) Write(w io.Writer, families []Family) error {
	var b strings.Builder
	for _, each := range families {
		if each.Samples == "" {
			continue
		}
		name := each.Name
		if f == OpenMetrics && each.Kind == CounterKind {
			name = strings.TrimSuffix(name, "_total")
		}
		b.WriteString("# HELP " + name + " " + escapeHelp(each.Help) + "\n")
		b.WriteString("# TYPE " + name + " " + string(each.Kind) + "\n")
		b.WriteString(each.Samples)
	}
	if f == OpenMetrics {
		b.WriteString("# EOF\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// append implements sample.
func (v *Value) append(b []byte, name, labels string) []byte {
	n := math.Float64frombits(v.bits.Load())
	if math.IsNaN(n) {
		return b
	}
	return appendSample(b, name, labels, n)
}

func appendSample(b []byte, name, labels string, n float64) []byte {
	b = append(b, name...)
	if labels != "" {
		b = append(append(append(b, '{'), labels...), '}')
	}
	return append(appendFloat(append(b, ' '), n), '\n')
}

func appendFloat(b []byte, n float64) []byte {
	switch {
	case math.IsInf(n, 1):
		return append(b, "+Inf"...)
	case math.IsInf(n, -1):
		return append(b, "-Inf"...)
	case n == math.Trunc(n) && math.Abs(n) < 1<<53: // 1e+06 is right, and hard to read
		return strconv.AppendInt(b, int64(n), 10)
	}
	return strconv.AppendFloat(b, n, 'g', -1, 64)
}

// A Replacer takes 5 KB to build, and hardly any text needs one.

func escapeHelp(text string) string {
	if !strings.ContainsAny(text, "\\\n") {
		return text
	}
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(text)
}

func escapeLabel(text string) string {
	if !strings.ContainsAny(text, "\\\n\"") {
		return text
	}
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(text)
}
