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
//	go run ./testdata/bench/relay [-accounts 4000] [-sessions 1000] [-messages 20] [-pushes 5] [-new 5000] [-load 6m | -long] [-small]
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
	// longLoad is how long the load lasts with -long.
	longLoad = 2 * time.Hour
	// longSmall is that of the small machine.
	longSmall = time.Hour
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
	limits             *machine.Limits
	dir                string // for what the program makes
}

func main() {
	var o options
	flag.IntVar(&o.accounts, "accounts", 4000, "accounts on the disk")
	flag.IntVar(&o.sessions, "sessions", 1000, "people of them who are in IDLE")
	flag.Float64Var(&o.rates.Messages, "messages", 20, "messages a second that are delivered")
	flag.Float64Var(&o.rates.Pushes, "pushes", 5, "notifications a second, of these messages")
	flag.Float64Var(&o.rates.Accounts, "new", 5000, "new accounts an hour")
	flag.Float64Var(&o.rates.Visits, "visits", 3600, "logins an hour beside them")
	flag.DurationVar(&o.load, "load", 6*time.Minute, "how long the load lasts")
	long := flag.Bool("long", false, "have it last two hours")
	tiny := flag.Bool("small", false, "hold it to 1 GiB and one processor, with 3,000 people, restarts, a backup and an upgrade")
	flag.StringVar(&o.out, "o", "", "the report, and beside it its figures as JSON; \"\": a file in build")
	flag.Parse()
	o.choose(*tiny, *long)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	scenario := func() error { return run(ctx, o, (*bench).costs) }
	if *tiny {
		scenario = func() error { return small(ctx, o) }
	}
	if err := scenario(); err != nil {
		fmt.Fprintln(os.Stderr, "relay:", err)
		os.Exit(1)
	}
}

// choose takes the sizes of a scenario for those that no flag sets.
func (o *options) choose(small, long bool) {
	set := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { set[f.Name] = true })
	name := "bench-relay"
	if small {
		name = "small"
		sizes := options{accounts: 3000, sessions: 3000, rates: load.Rates{Messages: 10, Pushes: 5, Accounts: 300, Visits: 6000}, load: 8 * time.Minute}
		for flag, take := range map[string]func(){
			"accounts": func() { o.accounts = sizes.accounts }, "sessions": func() { o.sessions = sizes.sessions }, "load": func() { o.load = sizes.load },
			"messages": func() { o.rates.Messages = sizes.rates.Messages }, "pushes": func() { o.rates.Pushes = sizes.rates.Pushes },
			"new": func() { o.rates.Accounts = sizes.rates.Accounts }, "visits": func() { o.rates.Visits = sizes.rates.Visits },
		} {
			if !set[flag] {
				take()
			}
		}
	}
	if long {
		o.load = longLoad
		if small {
			o.load = longSmall
		}
	}
	if o.out == "" {
		o.out = "build/" + name + ".html"
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
	relay, err := l.StartRelay(ctx, "_bench.test", deb, settings...)
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
