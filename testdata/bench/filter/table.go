package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"chatmaild/testdata/kit/measure"
)

// sides is what came of one load, one result for each round: with the filter,
// with the relay, and, if wanted, with neither.
type sides struct{ filter, relay, direct []result }

// figure is a row of the table: a number of a load, and what it should be.
type figure struct {
	what, load string
	of         func(result) float64
	unit       string
	want       string
	met        func(filter, relay, direct float64) bool
}

var figures = []figure{
	{"CPU for a 2 KiB message, 50 connections", small50, cpu, "ms", "≤ 0.20 and ≤ relay",
		func(f, r, _ float64) bool { return f <= 0.20 && f <= r }},
	{"CPU for a 100 KiB message", medium, cpu, "ms", "≤ 0.55",
		func(f, _, _ float64) bool { return f <= 0.55 }},
	{"CPU for a 5 MiB message", large, cpu, "ms", "≤ 9 and ≤ 3 × relay",
		func(f, r, _ float64) bool { return f <= 9 && f <= 3*r }},
	{"messages a second, 2 KiB × 50", small50, rate, "/s", "≥ 2 × relay",
		func(f, r, _ float64) bool { return f >= 2*r }},
	{"median latency, 2 KiB × 1", small1, median, "ms", "≤ direct + 0.3",
		func(f, _, d float64) bool { return f <= d+0.3 }},
	{"p99 of 2 KiB while 4 send 25 MiB", mixed, p99, "ms", "≤ 2 × relay",
		func(f, r, _ float64) bool { return f <= 2*r }},
	{"peak memory, 50 × 25 MiB at once", huge, memory, "MiB", "≤ 24",
		func(f, _, _ float64) bool { return f <= 24 }},
	{"messages a second, queue takes 20 ms, 50", slow, rate, "/s", "≥ 0.9 × direct",
		func(f, _, d float64) bool { return f >= 0.9*d }},
}

func cpu(r result) float64    { return r.cpu.Seconds() * 1000 / float64(max(r.messages, 1)) }
func rate(r result) float64   { return float64(r.messages) / r.lasted.Seconds() }
func median(r result) float64 { return r.quantile(0.5) }
func p99(r result) float64    { return r.quantile(0.99) }
func memory(r result) float64 { return r.peak }

func printTable(w io.Writer, results map[string]*sides) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tfilter\trelay\tratio\tdirect\twanted\t")
	for _, f := range figures {
		p := results[f.load]
		if p == nil {
			continue // not measured
		}
		filter, relay, direct := measure.Median(p.filter, f.of), measure.Median(p.relay, f.of), measure.Median(p.direct, f.of)
		verdict := "missed"
		if f.met(filter, relay, direct) {
			verdict = "met"
		}
		without := ""
		if len(p.direct) > 0 {
			without = fmt.Sprintf("%.4g", direct)
		}
		fmt.Fprintf(t, "%s\t%.4g %s\t%.4g\t%.2f\t%s\t%s\t%s\n",
			f.what, filter, f.unit, relay, filter/relay, without, f.want, verdict)
	}
	t.Flush()
}
