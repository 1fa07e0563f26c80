package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"chatmaild/testdata/kit/letter"
	"chatmaild/testdata/lab"
	"chatmaild/testdata/lab/debian"
	"chatmaild/testdata/lab/phone"
)

// memoryPoll is how often the transport's memory is read.
const memoryPoll = 10 * time.Millisecond

// large measures large messages to another relay, by the transport and as before.
func (r *road) large(ctx context.Context) error {
	far, err := r.lab.StartRelay(ctx, "_far.test", r.deb, unlimited...)
	if err != nil {
		return err
	}
	if err := lab.InstallPackages(ctx, os.Stderr, r.relay.Host, debian.OpenDKIM); err != nil {
		return err
	}
	reader, err := phone.New(ctx, r.outside, "reader123@"+far.Domain)
	if err != nil {
		return err
	}
	to := reader.Addr
	mail, err := far.WatchMail(to)
	if err != nil {
		return err
	}
	defer mail.Close()
	heavy, err := letter.New(r.writer.Addr, to, letter.Noise(r.size), time.Now())
	if err != nil {
		return err
	}
	variants := []struct {
		name   string
		change func(*lab.Relay, context.Context) error
		times  []time.Duration
		peak   int // KiB
	}{
		{name: "OpenDKIM, Postfix", change: (*lab.Relay).SignByOpenDKIM},
		{name: "transport", change: func(relay *lab.Relay, ctx context.Context) error {
			_, err := relay.Script(ctx, "chatmaild run --skip-dns-check")
			return err
		}},
	}
	for range r.rounds {
		for i := range variants {
			v := &variants[i]
			if err := errors.Join(v.change(r.relay, ctx), r.writer.Connect(ctx)); err != nil {
				return err
			}
			peak, stop := r.watchMemory(ctx)
			start := time.Now()
			err := r.writer.Send(to, heavy.Next())
			var arrived time.Time
			if err == nil {
				arrived, err = mail.After(ctx, to, start)
			}
			stop()
			if err != nil {
				return err
			}
			v.times, v.peak = append(v.times, arrived.Sub(start)), max(v.peak, <-peak)
		}
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\n%d bytes to another relay, ms\tp50\tmax\ttransport's PSS at most, MiB\tp50, ratio\t\n", r.size)
	for _, v := range variants {
		p50 := lab.Quantile(v.times, 0.5)
		fmt.Fprintf(t, "%s\t%s\t%s\t%.1f\t%.2f\t\n", v.name, ms(p50), ms(slices.Max(v.times)), float64(v.peak)/1024,
			float64(p50)/float64(lab.Quantile(variants[0].times, 0.5)))
	}
	return t.Flush()
}

// watchMemory reads the transport's proportional set size again and again until stop is
// called; then peak has the largest, in KiB. It is 0 where there is no transport.
func (r *road) watchMemory(ctx context.Context) (peak <-chan int, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	result := make(chan int, 1)
	go func() {
		tick := time.NewTicker(memoryPoll)
		defer tick.Stop()
		most := 0
		for {
			most = max(most, r.memory(ctx))
			select {
			case <-tick.C:
			case <-ctx.Done():
				result <- most
				return
			}
		}
	}()
	return result, cancel
}

// memory is the transport's proportional set size in KiB.
func (r *road) memory(ctx context.Context) (kib int) {
	leader, err := r.relay.Leader()
	if err != nil {
		return 0
	}
	if r.pid == "" {
		out, err := r.relay.Script(ctx, "systemctl show --property=MainPID --value chatmaild-transport.service")
		if err != nil {
			return 0
		}
		r.pid = strings.TrimSpace(out)
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/root/proc/%s/smaps_rollup", leader, r.pid))
	if err != nil {
		r.pid = "" // it has been restarted
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscanf(line, "Pss: %d kB", &kib); err == nil {
			return kib
		}
	}
	return 0
}
