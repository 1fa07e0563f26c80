// Command turn measures the TURN server beside coturn's: what a relayed packet of 1200
// bytes takes, how many one core relays in a second, and the memory of 1000 allocations.
//
// Each server has core 0 for itself, and this program the others. A packet goes from one
// client by its channel to the relayed address of another, whose channel brings it back:
// so it is relayed twice, as in a call between two users of a relay. Ours hands it over
// within the process; coturn sends it to itself. Rates of two machines, or of two days,
// are not comparable; the ratios are.
//
// Usage, from the top of the tree, with coturn installed: go run ./testdata/bench/turn
package main

import (
	"flag"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"chatmaild/testdata/kit/measure"
)

func main() {
	binary := flag.String("chatmaild", "build/bin/chatmaild", "the `program` to measure")
	rounds := flag.Int("rounds", 3, "how many times to measure each; the median counts")
	length := flag.Duration("for", 3*time.Second, "how long each load lasts")
	flag.Parse()
	if err := bench(*binary, *rounds, *length); err != nil {
		fmt.Fprintln(os.Stderr, "turn:", err)
		os.Exit(1)
	}
}

// allocations is how many the memory is measured with.
const allocations = 1000

// result is what one server did.
type result struct {
	rate        float64 // packets relayed in a second, as many as it can
	cpu         float64 // µs for one of them
	idle, whole float64 // PSS in MiB: of none, and of all allocations
}

func bench(binary string, rounds int, length time.Duration) error {
	kinds := []struct {
		name  string
		start func(dir string) (*server, error)
		all   []result
	}{
		{name: "chatmaild", start: func(dir string) (*server, error) { return startOurs(binary, dir) }},
		{name: "coturn", start: startCoturn},
	}
	for range rounds {
		for i, k := range kinds {
			r, err := run(k.start, length)
			if err != nil {
				return fmt.Errorf("%s: %w", k.name, err)
			}
			kinds[i].all = append(kinds[i].all, r)
		}
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tchatmaild\tcoturn\tratio\t")
	for _, f := range []struct {
		what string
		of   func(result) float64
	}{
		{"packets relayed a second, one core", func(r result) float64 { return r.rate }},
		{"CPU for each, µs", func(r result) float64 { return r.cpu }},
		{"PSS idle, MiB", func(r result) float64 { return r.idle }},
		{fmt.Sprintf("PSS with %d allocations, MiB", allocations), func(r result) float64 { return r.whole }},
	} {
		ours, theirs := measure.Median(kinds[0].all, f.of), measure.Median(kinds[1].all, f.of)
		fmt.Fprintf(t, "%s\t%.4g\t%.4g\t%.2f\t\n", f.what, ours, theirs, ours/theirs)
	}
	return t.Flush()
}

func run(start func(dir string) (*server, error), length time.Duration) (r result, err error) {
	dir, err := os.MkdirTemp("", "bench-turn")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	s, err := start(dir)
	if err != nil {
		return r, err
	}
	defer s.Stop()
	if r.idle, err = s.PSS(); err != nil {
		return r, err
	}
	if r.rate, r.cpu, err = load(s, length); err != nil {
		return r, err
	}
	for i := range allocations {
		c, err := newClient(s, i+2)
		if err != nil {
			return r, fmt.Errorf("allocation %d: %w", i, err)
		}
		defer c.close()
	}
	r.whole, err = s.PSS()
	return r, err
}
