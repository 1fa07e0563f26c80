package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"text/tabwriter"
	"time"

	"chatmaild/testdata/lab"
	"chatmaild/testdata/lab/peer"
	"chatmaild/testdata/lab/phone"
)

// A good host accepts messages by HTTPS, and says when.
type good struct {
	peer.Host
	at chan time.Time
}

func (r *road) startGood(ctx context.Context, domain string) (*good, error) {
	g := &good{at: make(chan time.Time, 1)}
	g.HTTPS = func(w http.ResponseWriter, req *http.Request) {
		g.TakeHTTPS(w, req)
		g.at <- time.Now()
	}
	_, err := g.Start(ctx, r.lab.Network, domain)
	return g, err
}

// takes is how long a message takes to a good host.
func (r *road) takes(ctx context.Context, g *good, domain string) (time.Duration, error) {
	start := time.Now()
	if err := r.writer.Send("reader@"+domain, r.letter.Next()); err != nil {
		return 0, err
	}
	select {
	case at := <-g.at:
		return at.Sub(start), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("waiting for a message to %s: %w", domain, ctx.Err())
	}
}

// deadHosts measures a good host beside dead ones; and, since more mail takes time by itself,
// beside as many others that are good.
func (r *road) deadHosts(ctx context.Context) error {
	const domain = "_good.test"
	g, err := r.startGood(ctx, domain)
	if err != nil {
		return err
	}
	defer g.Close()
	crowd := &peer.Host{HTTPS: func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
	}}
	station, err := crowd.Start(ctx, r.lab.Network, "_crowd.test")
	if err != nil {
		return err
	}
	defer crowd.Close()
	for n := range r.dead {
		if err := errors.Join(r.lab.Zone.Set(deadDomain(n), "A", r.void.IPv4.String()),
			r.lab.Zone.Set(livingDomain(n), "A", station.IPv4.String())); err != nil {
			return err
		}
	}
	length := time.Duration(r.minutes) * time.Minute
	var without, living, first, later []time.Duration
	if without, err = r.paced(ctx, g, domain, length); err != nil {
		return err
	}
	err = r.beside(ctx, livingDomain, func() (err error) {
		living, err = r.paced(ctx, g, domain, length)
		return err
	})
	if err != nil {
		return err
	}
	err = r.beside(ctx, deadDomain, func() (err error) {
		if first, err = r.paced(ctx, g, domain, time.Minute); err == nil {
			later, err = r.paced(ctx, g, domain, length-time.Minute)
		}
		return err
	})
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\nto a good host, ms\tp50\tp95\tmax\tmessages\tp95, ratio\tto others that are good\t\n")
	for _, part := range []struct {
		name  string
		times []time.Duration
	}{
		{"by itself", without},
		{fmt.Sprintf("%d others that are good have mail each minute", r.dead), living},
		{fmt.Sprintf("%d dead ones have mail for the first time", r.dead), first},
		{"and each minute", later},
		{"all of the time with dead ones", append(first, later...)},
	} {
		if len(part.times) == 0 { // of a single minute, all is the first time
			continue
		}
		p95 := lab.Quantile(part.times, 0.95)
		ratio := func(to []time.Duration) float64 { return float64(p95) / float64(lab.Quantile(to, 0.95)) }
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%.2f\t%.2f\t\n", part.name, ms(lab.Quantile(part.times, 0.5)), ms(p95), ms(lab.Quantile(part.times, 1)),
			len(part.times), ratio(without), ratio(living))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err = r.relay.Script(ctx, "postsuper -d ALL")
	return err
}

// beside measures while other hosts have mail.
func (r *road) beside(ctx context.Context, domain func(int) string, measure func() error) error {
	w, err := r.writer.Other(ctx)
	if err != nil {
		return err
	}
	defer w.Close()
	writing, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.writeTo(writing, w, domain) }()
	err = measure()
	stop()
	return errors.Join(err, <-ended)
}

// paced measures for some time, with pauses.
func (r *road) paced(ctx context.Context, g *good, domain string, length time.Duration) (times []time.Duration, err error) {
	for end := time.Now().Add(length); time.Now().Before(end); {
		took, err := r.takes(ctx, g, domain)
		if err != nil {
			return times, err
		}
		times = append(times, took)
		select {
		case <-time.After(r.pause):
		case <-ctx.Done():
			return times, ctx.Err()
		}
	}
	return times, nil
}

// writeTo has each of many hosts get a message each minute: one after the other, evenly, as
// people write.
func (r *road) writeTo(ctx context.Context, w *phone.Phone, domain func(int) string) error {
	tick := time.NewTicker(time.Minute / time.Duration(r.dead))
	defer tick.Stop()
	for n := 0; ; n = (n + 1) % r.dead {
		if err := w.Send("reader@"+domain(n), r.letter.Next()); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func deadDomain(n int) string   { return fmt.Sprintf("_dead%d.test", n) }
func livingDomain(n int) string { return fmt.Sprintf("_living%d.test", n) }

// ms is a time in milliseconds.
func ms(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond)) }
