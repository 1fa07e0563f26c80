// Command relay puts a whole relay of the lab under the load of many people, and writes a
// report: what it takes over time, how long texts take, and what each thing costs.
//
// Memory is the proportional set size of all services, processor time that of their cgroups;
// the kernel's own is in neither. Costs are slopes between two sizes of the same run: of
// memory, between half of the sessions and all; of disk, between half of the accounts and
// all; of processor time, between half of the messages and all, then with notifications. What
// the table says of sizes beyond is extrapolated from these slopes, and not measured.
//
// The people share the machine with the relay: its times are worse than those of a relay
// alone. Most accounts are copies of one that a login made, since logins would take hours.
//
// Usage, from the top of the tree, as root: make bench-relay, or
//
//	go run ./testdata/bench/relay [-accounts 4000] [-sessions 1000] [-messages 20] [-pushes 5] [-new 5000] [-load 6m | -long] [-small | -soak [-faults REGEXP]]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"chatmaild/testdata/lab"
	"chatmaild/testdata/lab/debian"
	"chatmaild/testdata/lab/load"
	"chatmaild/testdata/lab/machine"
	"chatmaild/testdata/lab/peer"
)

const (
	// longEvery is how far faults are apart with -long.
	longEvery = 15 * time.Minute
	// fitting is how many accounts fit on the disk of the relay's own.
	fitting = 50_000
	// spare is how long all else may take.
	spare = time.Hour
)

// settings are a relay's that makes accounts as fast as a program asks for them, and takes
// the load of the machine for that of others.
var settings = []string{
	`notify_url = "` + peer.PushURL + `"`,
	"max_network_registrations_per_hour = 1000000", "max_registrations_per_minute = 100000",
}

// options are the flags.
type options struct {
	accounts, sessions int
	rates              load.Rates
	load               time.Duration
	out                string
	faultEvery         time.Duration
	faults             string          // a regular expression
	change             string          // lines of sh
	limits             *machine.Limits // nil: it may have all of this machine
	dir                string          // for what the program makes
}

// The kinds of scenarios.
var (
	costs = kind{"bench-relay", (*bench).costs, options{
		accounts: 4000, sessions: 1000, rates: load.Rates{Messages: 20, Pushes: 5, Accounts: 5000, Visits: 3600}, load: 6 * time.Minute,
	}, 2 * time.Hour}
	tiny = kind{"small", (*bench).small, options{
		accounts: 3000, sessions: 3000, rates: load.Rates{Messages: 10, Pushes: 5, Accounts: 300, Visits: 6000}, load: 8 * time.Minute,
		limits: &machine.Limits{Memory: smallMemory, Processors: "1"},
	}, time.Hour}
	soaking = kind{"soak", (*bench).soak, options{
		accounts: 400, sessions: 200, rates: load.Rates{Messages: 5, Pushes: 2, Accounts: 600, Visits: 600}, faultEvery: 30 * time.Second,
	}, 6 * time.Hour}
)

func main() {
	var o options
	flag.IntVar(&o.accounts, "accounts", 0, "accounts on the disk; as of each size, 0 is what the scenario has")
	flag.IntVar(&o.sessions, "sessions", 0, "people of them who are in IDLE")
	flag.Float64Var(&o.rates.Messages, "messages", 0, "messages a second that are delivered")
	flag.Float64Var(&o.rates.Pushes, "pushes", 0, "notifications a second, of these messages")
	flag.Float64Var(&o.rates.Accounts, "new", 0, "new accounts an hour")
	flag.Float64Var(&o.rates.Visits, "visits", 0, "logins an hour beside them")
	flag.DurationVar(&o.load, "load", 0, "how long the load lasts")
	flag.DurationVar(&o.faultEvery, "every", 0, "how far faults are apart")
	flag.StringVar(&o.faults, "faults", ".", "the faults of -soak whose names match; \"\": none, only time")
	flag.StringVar(&o.change, "change", "", "lines of sh that change the relay before anything is measured")
	small := flag.Bool("small", false, "a relay on a machine of 1 GiB and one processor: 3,000 people, a restart of everything, expiry, a backup, an upgrade")
	soak := flag.Bool("soak", false, "a relay with faults: each of its processes killed, no DNS, packets lost, a full disk")
	long := flag.Bool("long", false, "have it last two hours; of -small, one hour; of -soak, six hours, with a fault each quarter of an hour")
	flag.StringVar(&o.out, "o", "", "the report, and beside it its figures as JSON; \"\": a file in build")
	flag.Parse()
	k := costs
	switch {
	case *small:
		k = tiny
	case *soak:
		k = soaking
	}
	o.choose(k, *long)
	o.limits = k.sizes.limits
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, k.do); err != nil {
		fmt.Fprintln(os.Stderr, "relay:", err)
		os.Exit(1)
	}
}

// A kind is a scenario, and its sizes where no flag sets others.
type kind struct {
	name  string // of its report
	do    scenario
	sizes options
	long  time.Duration // how long its load lasts with -long
}

// choose takes the sizes of a kind for those that no flag sets.
func (o *options) choose(k kind, long bool) {
	sizes := k.sizes
	take := map[string]func(){
		"accounts": func() { o.accounts = sizes.accounts }, "sessions": func() { o.sessions = sizes.sessions }, "load": func() { o.load = sizes.load },
		"messages": func() { o.rates.Messages = sizes.rates.Messages }, "pushes": func() { o.rates.Pushes = sizes.rates.Pushes },
		"new": func() { o.rates.Accounts = sizes.rates.Accounts }, "visits": func() { o.rates.Visits = sizes.rates.Visits },
		"every": func() { o.faultEvery = sizes.faultEvery },
	}
	flag.Visit(func(f *flag.Flag) { delete(take, f.Name) })
	for _, set := range take {
		set()
	}
	if long {
		o.load = k.long
		o.faultEvery = longEvery
	}
	if o.out == "" {
		o.out = "build/" + k.name + ".html"
	}
}

// A scenario is what is done with the relay.
type scenario func(b *bench, ctx, online context.Context, people *sync.WaitGroup) error

func run(ctx context.Context, o options, do scenario) (err error) {
	deb, err := debian.Deb()
	if err != nil {
		return err
	}
	l, err := lab.New(ctx, os.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	l.Limits = o.limits
	if o.dir, err = os.MkdirTemp("", "bench-relay"); err != nil {
		return err
	}
	defer os.RemoveAll(o.dir)
	ctx, cancel := context.WithTimeout(ctx, o.load+spare)
	defer cancel()
	if err := raiseInotify(o.sessions); err != nil {
		return err
	}
	if o.limits != nil {
		// The people's processor; the relay has another one.
		if err := pin(0); err != nil {
			return err
		}
	}
	relay, err := l.StartRelay(ctx, "_bench.test", deb, settings...)
	// On a disk of its own a sync does not wait for what others write, and it can be full.
	if err == nil && o.accounts < fitting {
		err = errors.Join(relay.Shutdown(ctx), relay.OwnDisk(ctx), relay.Boot(ctx))
	}
	if err == nil && o.change != "" {
		_, err = relay.Script(ctx, o.change)
	}
	if err == nil {
		err = measure(ctx, l, relay, o, do)
	}
	if err != nil && relay != nil && ctx.Err() == nil {
		relay.Diagnose(os.Stderr)
	}
	return err
}

// raiseInotify lets all sessions wait for mail: the kernel counts by user, over all
// containers.
func raiseInotify(sessions int) error {
	for file, n := range map[string]int{"max_user_instances": 4096 + 2*sessions, "max_user_watches": 65536 + 8*sessions} {
		if err := os.WriteFile("/proc/sys/fs/inotify/"+file, fmt.Append(nil, n), 0o644); err != nil {
			return err
		}
	}
	return nil
}
