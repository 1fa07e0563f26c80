package metric

import (
	"bytes"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// exampleSet is a set with a family of each kind.
func exampleSet() *Set {
	s := &Set{}
	s.Counter("x_mails_total", "Mails", Label{"direction", []string{"in", "out"}}, Label{"result", []string{"passed", "odd \"\\\nvalue"}}).
		At("in", "passed").Add(3)
	g := s.Gauge("x_free_bytes", "Free space, and a \\ with\nanother line")
	s.Before(func() { g.At().Set(1 << 40) })
	s.Gauge("x_unknown_seconds", "Nobody knows")
	h := s.Histogram("x_wait_seconds", "Waiting", []float64{.5, 1}, Label{"who", []string{"a"}})
	for _, n := range []float64{.25, .5, .75, 8} {
		h.At("a").Observe(n)
	}
	h.At("nobody").Observe(1)
	return s
}

const examplePrometheus = `# HELP x_mails_total Mails
# TYPE x_mails_total counter
x_mails_total{direction="in",result="passed"} 3
x_mails_total{direction="in",result="odd \"\\\nvalue"} 0
x_mails_total{direction="out",result="passed"} 0
x_mails_total{direction="out",result="odd \"\\\nvalue"} 0
# HELP x_free_bytes Free space, and a \\ with\nanother line
# TYPE x_free_bytes gauge
x_free_bytes 1099511627776
# HELP x_wait_seconds Waiting
# TYPE x_wait_seconds histogram
x_wait_seconds_bucket{who="a",le="0.5"} 2
x_wait_seconds_bucket{who="a",le="1"} 3
x_wait_seconds_bucket{who="a",le="+Inf"} 4
x_wait_seconds_sum{who="a"} 9.5
x_wait_seconds_count{who="a"} 4
`

func write(t *testing.T, f Format, families []Family) string {
	t.Helper()
	var b strings.Builder
	if err := f.Write(&b, families); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWrite(t *testing.T) {
	families := exampleSet().Families()
	if got := write(t, Prometheus, families); got != examplePrometheus {
		t.Errorf("got\n%s\nwant\n%s", got, examplePrometheus)
	}
	var told strings.Builder
	set := exampleSet()
	for range 2 { // the second time in the memory of the first
		told.Reset()
		if err := set.Tell(&told); err != nil || told.String() != examplePrometheus {
			t.Errorf("told (%v)\n%s\nwant\n%s", err, told.String(), examplePrometheus)
		}
	}
	want := strings.Replace(strings.Replace(examplePrometheus, "HELP x_mails_total", "HELP x_mails", 1),
		"TYPE x_mails_total", "TYPE x_mails", 1) + "# EOF\n"
	if got := write(t, OpenMetrics, families); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestLibrary has Prometheus's own library read what is written here.
func TestLibrary(t *testing.T) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	got, err := parser.TextToMetricFamilies(strings.NewReader(write(t, Prometheus, exampleSet().Families())))
	if err != nil {
		t.Fatal(err)
	}
	if n := got["x_mails_total"].GetMetric()[0].GetCounter().GetValue(); n != 3 {
		t.Errorf("the counter: got %v, want 3", n)
	}
	if v := got["x_mails_total"].GetMetric()[1].GetLabel()[1].GetValue(); v != "odd \"\\\nvalue" {
		t.Errorf("the odd label: got %q", v)
	}
	if text := got["x_free_bytes"].GetHelp(); text != "Free space, and a \\ with\nanother line" {
		t.Errorf("the help: got %q", text)
	}
	h := got["x_wait_seconds"].GetMetric()[0].GetHistogram()
	if h.GetSampleCount() != 4 || h.GetSampleSum() != 9.5 || h.GetBucket()[0].GetCumulativeCount() != 2 {
		t.Errorf("the histogram: got %v", h)
	}
	if len(got) != 3 {
		t.Errorf("got %d families, want 3: what is unknown is not written", len(got))
	}
}

func TestReadBack(t *testing.T) {
	want := exampleSet().Families()
	got, err := Read(strings.NewReader(write(t, Prometheus, want)))
	if err != nil {
		t.Fatal(err)
	}
	want = append(want[:2:2], want[3]) // the unknown one
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestReadBad(t *testing.T) {
	for name, text := range map[string]string{
		"no family":      "x 1\n",
		"another family": "# HELP x X\n# TYPE x gauge\nxy 1\n",
		"no help":        "# TYPE x gauge\n",
		"too long":       strings.Repeat("# HELP x X\n# TYPE x gauge\nx 1\n", maxText/30+1),
		"a long line":    "# HELP x " + strings.Repeat("x", 1<<17),
	} {
		if got, err := Read(strings.NewReader(text)); err == nil {
			t.Errorf("%s: got %d families, want an error", name, len(got))
		}
	}
}

func TestMerge(t *testing.T) {
	a := []Family{{"x", "X", GaugeKind, "x{d=\"a\"} 1\n"}, {"y", "Y", GaugeKind, "y 1\n"}}
	b := []Family{{"z", "Z", GaugeKind, "z 1\n"}, {"x", "X", GaugeKind, "x{d=\"b\"} 2\n"}}
	want := []Family{
		{"x", "X", GaugeKind, "x{d=\"a\"} 1\nx{d=\"b\"} 2\n"}, {"y", "Y", GaugeKind, "y 1\n"}, {"z", "Z", GaugeKind, "z 1\n"},
	}
	if got := Merge(a, b); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if a[0].Samples != "x{d=\"a\"} 1\n" {
		t.Error("a part was changed")
	}
}

func TestParse(t *testing.T) {
	got, err := Parse(exampleSet().Families())
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 10 {
		t.Fatalf("got %d samples, want 10", len(got))
	}
	want := Sample{"x_mails_total", map[string]string{"direction": "in", "result": "odd \"\\\nvalue"}, 0}
	if !reflect.DeepEqual(got[1], want) {
		t.Errorf("got %+v, want %+v", got[1], want)
	}
	if got := got[7]; got.Labels["le"] != "+Inf" || got.Value != 4 {
		t.Errorf("got %+v, want the last bucket with 4", got)
	}
	for _, bad := range []string{"x", "x{", "x{a} 1", `x{a="b 1`, "x one", " 1", `x{a="b"`} {
		if s, err := Parse([]Family{{"x", "", GaugeKind, bad + "\n"}}); err == nil {
			t.Errorf("%q: got %+v, want an error", bad, s)
		}
	}
}

func TestAppendFloat(t *testing.T) {
	for n, want := range map[float64]string{
		0: "0", 1e6: "1000000", .001: "0.001", -3: "-3", 1e300: "1e+300", math.Inf(1): "+Inf", math.Inf(-1): "-Inf",
	} {
		if got := string(appendFloat(nil, n)); got != want {
			t.Errorf("%v: got %s, want %s", n, got, want)
		}
	}
}

func TestAccepted(t *testing.T) {
	for header, want := range map[string]Format{
		"":          Prometheus,
		"*/*":       Prometheus,
		"text/html": Prometheus,
		"application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1": OpenMetrics,
	} {
		if got := Accepted(header); got != want {
			t.Errorf("%q: got %v, want %v", header, got, want)
		}
	}
}

// FuzzRead wants that what was read is written and read back the same, and that
// parsing it does not panic.
func FuzzRead(f *testing.F) {
	f.Add([]byte(examplePrometheus))
	f.Add([]byte("# HELP a b\n# TYPE a gauge\na{b=\"c\\\"\"} 1\n# HELP a"))
	f.Fuzz(func(t *testing.T, text []byte) {
		families, err := Read(bytes.NewReader(text))
		if err != nil {
			return
		}
		_, _ = Parse(families)
		var b bytes.Buffer
		if err := Prometheus.Write(&b, families); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(&b); err != nil {
			t.Errorf("what was written cannot be read: %v", err)
		}
	})
}

func BenchmarkObserve(b *testing.B) {
	s := &Set{}
	h := s.Histogram("x_seconds", "X", Latency()).At()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			h.Observe(.05)
		}
	})
}

func BenchmarkTell(b *testing.B) {
	s := exampleSet()
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Tell(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
