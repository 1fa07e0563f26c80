// Command auth measures doveauth and lastlogin: it starts both on a directory of
// its own, loads their sockets as Postfix, lmtp and imap do, and prints the
// medians beside what is wanted, and beside a floor: a server that answers the
// same requests from nothing, measured in turn. All share the machine's cores.
//
// As root, and where there is a Dovecot 2.3, it also logs in through that, so that the
// whole way of a login is measured.
//
// A single connection's rate is that of cores waking each other, which some
// machines do at two speeds by turns; so there is one with clients and daemon on one
// core, too. The clients never use more than one core: they would take the daemon's.
//
// With -remember it also has doveauth remember 200,000 logins and measures its
// memory, which takes some three minutes.
//
// Usage, from the top of the tree: go run ./testdata/bench/auth
package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"

	"chatmaild/applets/command"
)

func main() {
	binary := flag.String("chatmaild", "", "the `program` to measure; built from the tree if empty")
	rounds := flag.Int("rounds", 3, "how many times to measure each; the median counts")
	length := flag.Duration("for", 2*time.Second, "how long each load lasts")
	conns := flag.Int("conns", 0, "only the loads with this `many` connections")
	remember := flag.Bool("remember", false, "also measure the memory of 200,000 remembered logins")
	floorAt := flag.String("floor", "", "internal: be the floor at this `socket`")
	flag.Parse()
	if *floorAt != "" {
		fmt.Fprintln(os.Stderr, "auth:", floor(*floorAt))
		os.Exit(1)
	}
	if err := bench(*binary, *rounds, *conns, *length, *remember); err != nil {
		fmt.Fprintln(os.Stderr, "auth:", err)
		os.Exit(1)
	}
}

// wanted is a line of the table: a load, and the least rate that is good enough.
type wanted struct {
	load
	least float64 // a second
}

var table = []wanted{
	{load{name: "logins, remembered", conns: 1, protocol: sasl, request: remembered}, 12_000},
	{load{name: "… on one core", conns: 1, oneCore: true, protocol: sasl, request: remembered}, 12_000},
	{load{name: "logins, remembered", conns: 8, protocol: sasl, request: remembered}, 25_000},
	{load{name: "logins, remembered", conns: 50, protocol: sasl, request: remembered}, 25_000},
	{load{name: "… a new connection each", conns: 10, redial: true, protocol: sasl, request: remembered}, 0},
	{load{name: "accounts made, durably", conns: 10, protocol: sasl, request: create}, 700},
	{load{name: "accounts made, durably", conns: 50, protocol: sasl, request: create}, 700},
	{load{name: "user look-ups", conns: 1, protocol: userdb, request: lookUp}, 0},
	{load{name: "user look-ups", conns: 8, protocol: userdb, request: lookUp}, 25_000},
	{load{name: "last logins noted (dict)", conns: 1, protocol: lastlogin, request: lastLogin}, 40_000},
	{load{name: "… on one core", conns: 1, oneCore: true, protocol: lastlogin, request: lastLogin}, 40_000},
	{load{name: "last logins noted (dict)", conns: 50, protocol: lastlogin, request: lastLogin}, 60_000},
}

func bench(binary string, rounds, conns int, length time.Duration, remember bool) error {
	runtime.GOMAXPROCS(1)
	r, err := startRelay(binary)
	if err != nil {
		return err
	}
	defer r.stop()
	bare, err := startFloor(r.dir)
	if err != nil {
		return err
	}
	defer bare.Stop()
	idle, err := r.doveauth.PSS()
	if err != nil {
		return err
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "load\tconnections\ta second\twanted\tfloor\tof it\tp50 ms\tp99 ms\tCPU µs each\t")
	for _, w := range table {
		if conns != 0 && w.conns != conns {
			continue
		}
		var runs, floors []result
		for round := range rounds {
			if command.IsTerminal(os.Stderr) {
				fmt.Fprintf(os.Stderr, "\r%-40s %d of %d \r", w.name, round+1, rounds)
			}
			for _, side := range []struct {
				daemon *daemon
				runs   *[]result
			}{{w.of(r), &runs}, {bare, &floors}} {
				one, err := w.measure(side.daemon, length)
				if err != nil {
					return fmt.Errorf("%s: %w", w.name, err)
				}
				*side.runs = append(*side.runs, one)
			}
		}
		m, f := median(runs), median(floors)
		fmt.Fprintf(out, "%s\t%d\t%.0f\t%.0f\t%.0f\t%.0f %%\t%.2f\t%.2f\t%.0f\t\n",
			w.name, w.conns, m.rate, w.least, f.rate, 100*m.rate/f.rate, ms(m.p50), ms(m.p99), m.cpu*1e6)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	n, took, err := r.iterate()
	if err != nil {
		return err
	}
	now, err := r.doveauth.PSS()
	if err != nil {
		return err
	}
	fmt.Printf("\niteration over %d users: %v (wanted: 1s for 100,000)\nmemory of doveauth (PSS): idle %.1f MiB (wanted: 8), now %.1f MiB\n",
		n, took.Round(time.Millisecond), idle, now)
	if err := r.throughDovecot(bare, length); err != nil {
		return err
	}
	if remember {
		return r.rememberAll()
	}
	return nil
}

func median(runs []result) result {
	slices.SortFunc(runs, func(a, b result) int { return cmp.Compare(a.rate, b.rate) })
	return runs[len(runs)/2]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
