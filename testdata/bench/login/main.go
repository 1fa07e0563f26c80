// Command login measures what people take who are online at a relay of the lab: a login, in
// processor time; a session in IDLE that hibernates, in memory; and its wake-up for a message,
// until that is fetched and deleted.
//
// The relay has one processor and 1 GiB of memory, or what -memory says: sessions hibernate the
// sooner, the less it is. The clients speak IMAP themselves and do no more than that. They share
// the machine with the relay, on another processor where there is one.
//
// To weigh a change, -with and -without are lines of sh for the relay that make it and take it
// back, such as 'sed -i … /etc/dovecot/dovecot.conf; doveadm reload'. Rounds with and without
// take turns; ratios count.
//
// Usage, from the top of the tree, as root: make deb bench-login, or
//
//	go run ./testdata/bench/login [-logins 300] [-sessions 200] [-rounds 3] [-with … -without …] [-hold]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"chatmaild/testdata/lab"
	"chatmaild/testdata/lab/debian"
	"chatmaild/testdata/lab/machine"
)

// timeout bounds all but -hold.
const timeout = 20 * time.Minute

// settings are a relay's that makes accounts as fast as a program asks for them.
var settings = []string{"max_network_registrations_per_hour = 1000000", "max_registrations_per_minute = 100000"}

// options are the flags.
type options struct {
	logins, sessions, abreast, rounds int
	memory                            int64
	with, without                     string
	hold                              bool
}

func main() {
	var o options
	flag.IntVar(&o.logins, "logins", 300, "logins of a round, each with a new connection")
	flag.IntVar(&o.sessions, "sessions", 200, "sessions that are in IDLE at the end of a round")
	flag.IntVar(&o.abreast, "abreast", 8, "how many log in at the same time")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds of each variant")
	flag.Int64Var(&o.memory, "memory", 1<<30, "the relay's memory, in bytes")
	flag.StringVar(&o.with, "with", "", "lines of sh that make a `change` to be weighed")
	flag.StringVar(&o.without, "without", "", "lines of sh that take the `change` back")
	flag.BoolVar(&o.hold, "hold", false, "keep the relay and its sessions until ^C")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "login:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	if (o.with == "") != (o.without == "") {
		return errors.New("-with and -without go together")
	}
	deb, err := debian.Deb()
	if err != nil {
		return err
	}
	l, err := lab.New(ctx, os.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	l.Limits = &machine.Limits{Memory: o.memory, Processors: "1"}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	relay, err := l.StartRelay(bounded, "_login.test", deb, settings...)
	if err == nil {
		err = weigh(ctx, bounded, l, relay, o)
	}
	if err != nil && relay != nil && ctx.Err() == nil {
		relay.Diagnose(os.Stderr)
	}
	return err
}

// weigh measures the rounds of each variant in turn, and prints what they took.
func weigh(ctx, bounded context.Context, l *lab.Lab, relay *lab.Relay, o options) error {
	outside, err := l.AddStation(bounded, "outside")
	if err != nil {
		return err
	}
	c, err := newCrowd(bounded, relay, outside, o.sessions, o.abreast)
	if err != nil {
		return err
	}
	variants := []*variant{{name: "as installed"}}
	if o.with != "" {
		variants = []*variant{{name: "without the change", change: o.without}, {name: "with the change", change: o.with}}
	}
	for round := range o.rounds {
		for i := range variants {
			v := variants[(i+round)%len(variants)] // none always comes first
			hold := o.hold && round == o.rounds-1 && i == len(variants)-1
			if err := v.round(ctx, bounded, c, o.logins, hold); err != nil {
				return fmt.Errorf("%s: %w", v.name, err)
			}
			fmt.Fprintln(os.Stderr, v.name, v.rounds[len(v.rounds)-1])
		}
	}
	return printVariants(os.Stdout, variants)
}
