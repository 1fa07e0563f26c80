// Command road measures the way from a relay of the lab to others, as the transport has it:
//
//   - dead: the time that a message takes to a good host, while others that do not answer have
//     mail each minute, against the time without them, and while as many good ones have;
//   - ipv6: the time of the first message, and of the next, to hosts whose IPv6 address does
//     not answer, against hosts that have none;
//   - large: the time that a large message takes to another relay, and the transport's memory
//     meanwhile, against OpenDKIM and Postfix's own client.
//
// A time is that from MAIL to when the host has accepted the message, or, of large ones, to
// when it lies in the mailbox. Usage, from the top of the tree, as root: make deb bench-road, or
//
//	go run ./testdata/bench/road [-parts dead,ipv6,large] [-dead 150] [-minutes 4] [-hosts 10] [-size 25000000] [-rounds 3]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"chatmaild/testdata/kit/letter"
	"chatmaild/testdata/lab"
	"chatmaild/testdata/lab/debian"
	"chatmaild/testdata/lab/network"
	"chatmaild/testdata/lab/phone"
	"chatmaild/testdata/lab/program"
)

// timeout bounds the whole.
const timeout = 30 * time.Minute

// unlimited lets one client send what otherwise many would.
var unlimited = []string{"max_user_send_per_minute = 1000000", "max_user_send_burst_size = 1000000"}

// options are the flags.
type options struct {
	parts                              string
	dead, minutes, hosts, size, rounds int
	pause                              time.Duration
}

// road is a relay, and somebody who writes from it.
type road struct {
	options
	lab           *lab.Lab
	deb           string
	relay         *lab.Relay
	writer        *phone.Phone
	letter        *letter.Letter
	outside, void network.Station // where phones are, and where nothing answers
	pid           string          // of the transport, inside of the relay; "" if it is not known
}

func main() {
	var o options
	flag.StringVar(&o.parts, "parts", "dead,ipv6,large", "what is measured")
	flag.IntVar(&o.dead, "dead", 150, "hosts that do not answer")
	flag.IntVar(&o.minutes, "minutes", 4, "how long they have mail; before that, as long without, and as long others that are good")
	flag.IntVar(&o.hosts, "hosts", 10, "hosts of each kind in the part about IPv6")
	flag.IntVar(&o.size, "size", 25_000_000, "size of a large message, in bytes")
	flag.IntVar(&o.rounds, "rounds", 3, "large messages of each variant")
	flag.DurationVar(&o.pause, "pause", 200*time.Millisecond, "pause between messages to the good host")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "road:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	parts := map[string]func(*road, context.Context) error{"dead": (*road).deadHosts, "ipv6": (*road).deadIPv6, "large": (*road).large}
	for part := range strings.SplitSeq(o.parts, ",") {
		if parts[part] == nil {
			return fmt.Errorf("-parts: %q is not one of dead, ipv6 and large", part)
		}
	}
	r := &road{options: o}
	if r.deb, err = debian.Deb(); err != nil {
		return err
	}
	if r.lab, err = lab.New(ctx, os.Stderr); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.lab.Close()) }()
	if err := r.start(ctx); err != nil {
		return err
	}
	defer r.writer.Close()
	for part := range strings.SplitSeq(o.parts, ",") {
		if err := parts[part](r, ctx); err != nil {
			r.relay.Diagnose(os.Stderr)
			return fmt.Errorf("%s: %w", part, err)
		}
	}
	return nil
}

func (r *road) start(ctx context.Context) (err error) {
	if r.relay, err = r.lab.StartRelay(ctx, "_road.test", r.deb, unlimited...); err != nil {
		return err
	}
	outside, err := r.lab.AddStation(ctx, "outside")
	if err != nil {
		return err
	}
	if r.void, err = r.lab.AddStation(ctx, "void"); err != nil {
		return err
	}
	const rules = "table inet lab {\n chain input {\n type filter hook input priority 0\n tcp dport { 25, 443 } drop\n }\n}\n"
	if _, err := program.Run(ctx, "ip", "netns", "exec", r.void.Netns, "nft", rules); err != nil {
		return err
	}
	if r.writer, err = phone.New(ctx, outside, "writer123@"+r.relay.Domain); err != nil {
		return err
	}
	if r.letter, err = letter.New(r.writer.Addr, "reader@there.test", letter.Words, time.Now()); err != nil {
		return err
	}
	r.outside = outside
	return r.writer.Connect(ctx)
}
