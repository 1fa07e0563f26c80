// Command push measures the metadata daemon: token sets and notifications a second
// with the durable queue, latency, a million queued notifications, idle memory.
//
// A bare loop of POSTs in a process of its own is the floor of the notifications.
//
// It is Dovecot (a dict client) and notification service (TLS, HTTP/2) itself, and
// runs the daemon as a process of its own. All share the machine's cores, so rates of
// two machines, or of a busy one, are not comparable.
//
// Usage, from the top of the tree: go run ./testdata/bench/push -chatmaild build/bin/chatmaild
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"text/tabwriter"
	"time"
)

func main() {
	binary := flag.String("chatmaild", "build/bin/chatmaild", "the `program` to measure")
	clients := flag.Int("clients", 10, "how many connections Dovecot has")
	devices := flag.Int("devices", 20000, "how many tokens, and notifications in a row")
	queued := flag.Int("queued", 1_000_000, "how many notifications wait during an outage; 0: leave that out")
	floorOf := flag.String("post", "", "internal: be the floor that POSTs to this `URL`")
	flag.Parse()
	if *floorOf != "" {
		count, err := strconv.ParseInt(flag.Arg(0), 10, 64)
		if err == nil {
			err = floor(*floorOf, count)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "push:", err)
			os.Exit(1)
		}
		return
	}
	if err := bench(*binary, *clients, *devices, *queued); err != nil {
		fmt.Fprintln(os.Stderr, "push:", err)
		os.Exit(1)
	}
}

func bench(binary string, clients, devices, queued int) error {
	dir, err := os.MkdirTemp("", "bench-push")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	service, err := startService(dir)
	if err != nil {
		return err
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer out.Flush()
	fmt.Fprintf(out, "what\tmeasured\twanted\n")
	for _, step := range []func() error{
		func() error { return benchIdle(out, binary, dir, service) },
		func() error { return benchRates(out, binary, dir, service, clients, devices) },
		func() error { return benchLatency(out, binary, dir, service) },
		func() error { return benchOutage(out, binary, dir, service, queued) },
	} {
		if err := step(); err != nil {
			return err
		}
		out.Flush()
	}
	return nil
}

func benchIdle(out *tabwriter.Writer, binary, dir string, s *service) error {
	d, err := startDaemon(binary, filepath.Join(dir, "idle"), s)
	if err != nil {
		return err
	}
	defer d.Stop()
	memory, err := d.idle()
	fmt.Fprintf(out, "idle memory (PSS), the only chatmaild here\t%.1f MiB\t10 MiB at most\n", memory)
	return err
}

func benchRates(out *tabwriter.Writer, binary, dir string, s *service, clients, devices int) error {
	d, err := startDaemon(binary, filepath.Join(dir, "rates"), s)
	if err != nil {
		return err
	}
	defer d.Stop()
	for _, n := range []int{clients, 5 * clients} {
		took, err := d.feed(n, devices, func(i int) string { return setToken(fmt.Sprintf("token-%d-%08d", n, i)) })
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "token sets a second, %d connections\t%.0f\t10000 at least\n", n, float64(devices)/took.Seconds())
	}
	// Each account has two tokens now.
	accounts := devices / 2
	for _, load := range []struct {
		delay time.Duration
		want  string
	}{{0, "4000 at least"}, {50 * time.Millisecond, "1200 at least"}, {100 * time.Millisecond, "1150 at least"}} {
		s.answerAfter(load.delay)
		before, err := d.CPU()
		if err != nil {
			return err
		}
		start := time.Now()
		s.reset()
		if _, err := d.feed(clients, accounts, func(int) string { return newMessage }); err != nil {
			return err
		}
		last, err := s.wait(2*accounts, time.Minute)
		if err != nil {
			return err
		}
		after, err := d.CPU()
		if err != nil {
			return err
		}
		perPost := (after - before).Seconds() * 1e6 / float64(2*accounts)
		rate := float64(2*accounts) / last.Sub(start).Seconds()
		bare, err := floorRate(s, 2*accounts)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "POSTs a second, endpoint at %v\t%.0f, %.0f %% of a bare loop's %.0f (%.0f µs of CPU each)\t%s\n",
			load.delay, rate, 100*rate/bare, bare, perPost, load.want)
	}
	s.answerAfter(0)
	return nil
}

func benchLatency(out *tabwriter.Writer, binary, dir string, s *service) error {
	d, err := startDaemon(binary, filepath.Join(dir, "latency"), s)
	if err != nil {
		return err
	}
	defer d.Stop()
	const devices = 300
	if _, err := d.feed(1, devices, func(i int) string { return setToken(fmt.Sprintf("token-%08d", i)) }); err != nil {
		return err
	}
	s.reset()
	var times []time.Duration
	for i := range devices {
		start := time.Now()
		if _, err := d.feedFrom(1, i, 1, func(int) string { return newMessage }); err != nil {
			return err
		}
		at, err := s.wait(i+1, time.Minute)
		if err != nil {
			return err
		}
		times = append(times, at.Sub(start))
		time.Sleep(time.Millisecond)
	}
	fmt.Fprintf(out, "set to POST, unloaded\tp50 %v, p95 %v\tmedian 2ms at most\n", percentile(times, 50), percentile(times, 95))
	return nil
}

func benchOutage(out *tabwriter.Writer, binary, dir string, s *service, queued int) error {
	if queued == 0 {
		return nil
	}
	s.die(true)
	defer s.die(false)
	d, err := startDaemon(binary, filepath.Join(dir, "outage"), s)
	if err != nil {
		return err
	}
	const clients = 200
	took, err := d.feed(clients, queued, func(i int) string {
		return setToken(fmt.Sprintf("token-%08d", i)) + newMessage
	})
	if err != nil {
		return err
	}
	during, err := d.idle()
	if err != nil {
		return err
	}
	peak, err := d.Peak()
	if err != nil {
		return err
	}
	d.Kill()
	again, err := startDaemon(binary, filepath.Join(dir, "outage"), s)
	if err != nil {
		return err
	}
	defer again.Stop()
	memory, err1 := again.idle()
	peakAgain, err2 := again.Peak()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d queued in an outage, in %v\tPSS %.0f MiB, peak RSS %.0f MiB\t200 MiB at most\n",
		queued, took.Round(time.Second), during, peak)
	fmt.Fprintf(out, "after a restart\tPSS %.0f MiB, peak RSS %.0f MiB\t200 MiB at most\n", memory, peakAgain)
	fmt.Fprintf(out, "ready after kill -9\t%v\t3s at most\n", again.ready.Round(time.Millisecond))
	return nil
}
