// Command filter measures filtermail-out against a bare TCP relay in front of
// the same queue, which is the floor for whatever stands between two sockets.
//
// It is client and queue itself, starts the filter and the relay in turn for each
// load, so that none has another's memory, and prints the medians with the ratio of
// the two. Everything shares the machine's cores, so look at ratios and at CPU for
// each message; rates of two machines, or of two days, are not comparable.
//
// Usage, from the top of the tree: go run ./testdata/bench/filter -chatmaild build/bin/chatmaild
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"chatmaild/applets/command"
)

func main() {
	relayTo := flag.String("relay", "", "internal: be the relay from file 3 to `address`")
	binary := flag.String("chatmaild", "build/bin/chatmaild", "the `program` to measure")
	rounds := flag.Int("rounds", 3, "how many times to measure each; the median counts")
	length := flag.Duration("for", 2*time.Second, "how long each load lasts at least")
	only := flag.String("only", "", "measure only the loads with this `text` in their names")
	flag.Parse()
	var err error
	if *relayTo != "" {
		err = relay(*relayTo)
	} else {
		err = bench(*binary, *rounds, *length, *only)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "filter:", err)
		os.Exit(1)
	}
}

func bench(binary string, rounds int, length time.Duration, only string) error {
	queue, err := newSink()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-filter")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	results := make(map[string]*sides)
	for round := range rounds {
		for _, l := range loads {
			if !strings.Contains(l.name, only) {
				continue
			}
			p := results[l.name]
			if p == nil {
				p = new(sides)
				results[l.name] = p
			}
			if command.IsTerminal(os.Stderr) {
				fmt.Fprintf(os.Stderr, "\rround %d of %d: %-40s\r", round+1, rounds, l.name)
			}
			for _, side := range []struct {
				start func() (*target, error)
				runs  *[]result
			}{
				{func() (*target, error) { return startFilter(binary, dir, queue.port()) }, &p.filter},
				{func() (*target, error) { return startRelay(queue.addr()) }, &p.relay},
				{func() (*target, error) { return queue.target(), nil }, &p.direct},
			} {
				if side.runs == &p.direct && !l.direct {
					continue
				}
				r, err := l.measure(side.start, queue, length)
				if err != nil {
					return fmt.Errorf("%s: %w", l.name, err)
				}
				*side.runs = append(*side.runs, r)
			}
		}
	}
	printTable(os.Stdout, results)
	return nil
}
