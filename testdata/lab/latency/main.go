// Command latency measures a relay in the lab: text messages between two real
// clients with fixed and with random pauses, and one to a large group.
//
//	go run ./testdata/lab/latency [-count 50] [-pause 700ms] [-random 2s-40s] [-group 60] [-far]
//
// With -far, texts to a client on a second relay take turns with those to one on the
// same relay, and the ratio of their times is printed. A part whose flag is empty or 0 is left out. With random pauses, 50 messages take some 18 minutes.
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
	far := flags.Bool("far", false, "text to a client on a second relay, too")
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
	alice, err := signUp(ctx, l, relay, "alice")
	if err != nil {
		return err
	}
	roads := []*way{{name: "on one relay", relay: relay}}
	if second != relay {
		roads = append(roads, &way{name: "between two relays", relay: second})
	}
	for i, w := range roads {
		if w.profile, err = signUp(ctx, l, w.relay, fmt.Sprintf("bob%d", i)); err != nil {
			return err
		}
		if _, err := w.profile.SecureJoin(ctx, alice, nil); err != nil {
			return err
		}
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
		if err := texts(ctx, relay, alice, roads, p); err != nil {
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

func signUp(ctx context.Context, l *lab.Lab, relay *lab.Relay, name string) (*core.Profile, error) {
	client, err := l.StartClient(ctx, name)
	if err != nil {
		return nil, err
	}
	return client.SignUp(ctx, name, relay.SignUpQR())
}

// A way is from Alice to somebody, and back.
type way struct {
	name    string
	relay   *lab.Relay
	profile *core.Profile
	samples []lab.Sample
}

// turn is how many texts go one way before it is another's turn: what else the machine does
// meanwhile is the same for all.
const turn = 10

// texts measures texts on all ways, and prints what they took, and the ratio of the last way
// to the first.
func texts(ctx context.Context, relay *lab.Relay, alice *core.Profile, ways []*way, pauses []time.Duration) error {
	err := takeTurns(ctx, relay, alice, ways, pauses)
	for _, w := range ways {
		fmt.Println(w.name)
		err = errors.Join(err, report(w.samples))
	}
	if first, last := ways[0], ways[len(ways)-1]; err == nil && first != last {
		for _, q := range []float64{0.5, 0.95} {
			fmt.Printf("p%.0f, ratio: %.2f\n", 100*q, float64(event(last.samples, q))/float64(event(first.samples, q)))
		}
	}
	return err
}

func takeTurns(ctx context.Context, relay *lab.Relay, alice *core.Profile, ways []*way, pauses []time.Duration) error {
	for _, w := range ways {
		w.samples = nil
	}
	for some := range slices.Chunk(pauses, turn) {
		for _, w := range ways {
			samples, err := relay.Latency(ctx, alice, w.relay, w.profile, some)
			w.samples = append(w.samples, samples...)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// event is a quantile of the times until the receiver's core tells of a text.
func event(samples []lab.Sample, q float64) time.Duration {
	var all []time.Duration
	for _, s := range samples {
		all = append(all, s.Event)
	}
	return lab.Quantile(all, q)
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
