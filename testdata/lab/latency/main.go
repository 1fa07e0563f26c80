// Command latency measures a relay in the lab: text messages between two real
// clients with fixed and with random pauses, and one to a large group.
//
//	go run ./testdata/lab/latency [-count 50] [-pause 700ms] [-random 2s-40s] [-group 60] [-far]
//
// With -far, one of the two clients is on a second relay. A part whose flag is
// empty or 0 is left out. With random pauses, 50 messages take some 18 minutes.
// The exit status is 1 if a message was not announced.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"chatmaild/testdata/lab"
	"chatmaild/testdata/lab/core"
	"chatmaild/testdata/lab/debian"
)

// timeout bounds the whole.
const timeout = 2 * time.Hour

// The default rate limit of a user is below one message in 0.7 s.
const noRateLimit = "max_user_send_per_minute = 6000"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "latency:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("latency", flag.ExitOnError)
	count := flags.Int("count", 50, "messages of each part")
	pause := flags.Duration("pause", 700*time.Millisecond, "pause between messages")
	random := flags.String("random", "", "random pauses, such as 2s-40s")
	group := flags.Int("group", 60, "members of the large group")
	far := flags.Bool("far", false, "one of the two who text is on a second relay")
	if err := flags.Parse(args); err != nil {
		return err
	}
	low, high, err := parseRange(*random)
	if err != nil {
		return err
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
	relay, err := l.StartRelay(ctx, "_latency.test", deb, noRateLimit)
	second := relay
	if err == nil && *far {
		second, err = l.StartRelay(ctx, "_far.test", deb, noRateLimit)
	}
	if err == nil {
		err = measure(ctx, l, relay, second, *count, *pause, low, high, *group)
	}
	if err != nil && relay != nil {
		relay.Diagnose(os.Stderr)
	}
	return err
}

func measure(ctx context.Context, l *lab.Lab, relay, second *lab.Relay, count int, pause, low, high time.Duration, group int) error {
	var profiles [2]*core.Profile
	for i, user := range []struct {
		name  string
		relay *lab.Relay
	}{{"alice", relay}, {"bob", second}} {
		client, err := l.StartClient(ctx, user.name)
		if err != nil {
			return err
		}
		if profiles[i], err = client.SignUp(ctx, user.name, user.relay.SignUpQR()); err != nil {
			return err
		}
	}
	alice, bob := profiles[0], profiles[1]
	if _, err := bob.SecureJoin(ctx, alice, nil); err != nil {
		return err
	}
	var parts [][]time.Duration
	if pause > 0 {
		parts = append(parts, pauses(count, pause, pause))
	}
	if high > 0 {
		parts = append(parts, pauses(count, low, high))
	}
	for _, p := range parts {
		fmt.Printf("\ntext messages, pauses of %v to %v\n", slices.Min(p).Round(time.Millisecond), slices.Max(p).Round(time.Millisecond))
		samples, err := relay.Latency(ctx, alice, second, bob, p)
		if err := errors.Join(err, report(samples)); err != nil {
			return err
		}
	}
	if group == 0 {
		return nil
	}
	crowd, err := relay.StartCrowd(ctx, alice, group)
	if err != nil {
		return err
	}
	for _, text := range []string{"first (it carries all members' keys)", "second", "third"} {
		fmt.Printf("\n%s message to a group of %d\n", text, group)
		samples, err := crowd.Say(ctx, text)
		if err := errors.Join(err, report(samples)); err != nil {
			return err
		}
	}
	return nil
}

func report(samples []lab.Sample) error {
	if err := lab.WriteSamples(os.Stdout, samples); err != nil {
		return err
	}
	for _, s := range samples {
		if s.Late {
			return errors.New("a message woke nobody")
		}
	}
	return nil
}

func pauses(n int, low, high time.Duration) []time.Duration {
	list := make([]time.Duration, n)
	for i := range list {
		list[i] = low + rand.N(high-low+1)
	}
	return list
}

// parseRange reads "2s-40s"; "" means none.
func parseRange(text string) (low, high time.Duration, err error) {
	if text == "" {
		return 0, 0, nil
	}
	from, to, ok := strings.Cut(text, "-")
	if !ok {
		return 0, 0, fmt.Errorf("random pauses %q: want two durations, such as 2s-40s", text)
	}
	if low, err = time.ParseDuration(from); err != nil {
		return 0, 0, err
	}
	if high, err = time.ParseDuration(to); err != nil {
		return 0, 0, err
	}
	if low < 0 || high < low {
		return 0, 0, fmt.Errorf("random pauses %q: the second is shorter", text)
	}
	return low, high, nil
}
