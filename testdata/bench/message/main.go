// Command message measures what a text costs on a relay of the lab, and where its time
// goes: the memory of all services at rest, the processor time of each for a message of
// some 1.5 KB from submission to mailbox, a burst from many clients, and the way of
// single texts through SMTP, queue, LMTP, IDLE and FETCH.
//
// The clients speak SMTP and IMAP themselves and do no more than that, so that the times
// are the servers'; testdata/lab/latency has those of the real client.
//
// With -far, the messages go to a second relay, and the processor time is the first one's, the
// sender's. With -former, what a relay takes is weighed against OpenDKIM, which signs all
// messages, and Postfix's own client.
//
// To weigh a change, -with and -without are lines of sh for the relay that make it and take it
// back, such as 'postconf -e …; postfix reload'. Rounds with and without it take
// turns, since a machine that others use too is not as fast at all times: ratios count. What
// the sync of a delivery costs, for one, a drop-in of chatmaild-metadata.service shows that has
// the kernel leave it out ("SystemCallFilter=~fsync:0 syncfs:0").
//
// Usage, from the top of the tree, as root: make deb bench-message, or
//
//	go run ./testdata/bench/message [-messages 1000] [-clients 10] [-texts 50] [-pause 0] [-rounds 3] [-far] [-former] [-hold]
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
)

const (
	domain, farDomain = "_message.test", "_far.test"
	// timeout bounds all but -hold.
	timeout = 30 * time.Minute
)

// unlimited lets one client send what otherwise many would.
var unlimited = []string{"max_user_send_per_minute = 1000000", "max_user_send_burst_size = 1000000"}

// options are the flags.
type options struct {
	messages, clients, texts, rounds int
	rest, pause                      time.Duration
	with, without                    string
	hold, far, former                bool
}

func main() {
	var o options
	flag.IntVar(&o.messages, "messages", 1000, "messages of a burst")
	flag.IntVar(&o.clients, "clients", 10, "who sends them at the same time, each over one connection with TLS")
	flag.IntVar(&o.texts, "texts", 50, "texts whose way is traced, one after the other")
	flag.DurationVar(&o.pause, "pause", 0, "before each text; 1.5s: its reader's session hibernates meanwhile, as a phone's does")
	flag.IntVar(&o.rounds, "rounds", 3, "bursts and traces, of each variant; 0: only the memory at rest")
	flag.DurationVar(&o.rest, "rest", time.Minute, "how long the relay rests before its memory is read")
	flag.StringVar(&o.with, "with", "", "lines of sh that make a `change` to be weighed")
	flag.StringVar(&o.without, "without", "", "lines of sh that take the `change` back")
	flag.BoolVar(&o.far, "far", false, "write to a second relay")
	flag.BoolVar(&o.former, "former", false, "weigh against OpenDKIM and Postfix's client")
	flag.BoolVar(&o.hold, "hold", false, "keep the relay running until ^C")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "message:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	if (o.with == "") != (o.without == "") || o.with != "" && o.former {
		return errors.New("-with and -without go together, and not with -former")
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
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	relay, err := l.StartRelay(bounded, domain, deb, unlimited...)
	far := relay
	if err == nil && o.far {
		far, err = l.StartRelay(bounded, farDomain, deb, unlimited...)
	}
	if err == nil {
		err = weigh(bounded, l, relay, far, o)
	}
	if err != nil && relay != nil && ctx.Err() == nil {
		relay.Diagnose(os.Stderr)
	}
	if o.hold && relay != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "the relay keeps running until ^C")
		<-ctx.Done()
	}
	return err
}

// weigh prints the memory at rest, then what the rounds of each variant took.
func weigh(ctx context.Context, l *lab.Lab, relay, far *lab.Relay, o options) error {
	select {
	case <-time.After(o.rest):
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := printMemory(os.Stdout, relay); err != nil || o.rounds == 0 {
		return err
	}
	outside, err := l.AddStation(ctx, "outside")
	if err != nil {
		return err
	}
	c, err := newCrowd(ctx, relay, far, outside, o.clients)
	if err != nil {
		return err
	}
	defer c.close()
	variants := []*variant{{name: "as installed"}}
	switch {
	case o.with != "":
		variants = []*variant{{name: "without the change", change: lines(o.without)}, {name: "with the change", change: lines(o.with)}}
	case o.former:
		if err := lab.InstallPackages(ctx, os.Stderr, relay.Host, debian.OpenDKIM); err != nil {
			return err
		}
		variants = []*variant{
			{name: "OpenDKIM, Postfix", change: (*lab.Relay).SignByOpenDKIM},
			{name: "transport", change: lines("chatmaild run --skip-dns-check")},
		}
	}
	for round := range o.rounds {
		for i := range variants {
			v := variants[(i+round)%len(variants)] // none always comes first
			if err := v.round(ctx, c, o); err != nil {
				return fmt.Errorf("%s: %w", v.name, err)
			}
		}
	}
	return printVariants(os.Stdout, variants)
}

// lines is a change that lines of sh make.
func lines(script string) func(*lab.Relay, context.Context) error {
	return func(relay *lab.Relay, ctx context.Context) error {
		_, err := relay.Script(ctx, script)
		return err
	}
}
