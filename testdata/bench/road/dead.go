package main

import (
	"context"
	"errors"
	"fmt"
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

// deadHosts measures a good host beside dead ones.
func (r *road) deadHosts(ctx context.Context) error {
	const domain = "_good.test"
	g, err := r.startGood(ctx, domain)
	if err != nil {
		return err
	}
	defer g.Close()
	for n := range r.dead {
		if err := r.lab.Zone.Set(deadDomain(n), "A", r.void.IPv4.String()); err != nil {
			return err
		}
	}
	length := time.Duration(r.minutes) * time.Minute
	without, err := r.paced(ctx, g, domain, length)
	if err != nil {
		return err
	}
	w, err := r.writer.Other(ctx)
	if err != nil {
		return err
	}
	defer w.Close()
	dying, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.writeToDead(dying, w) }()
	first, err := r.paced(ctx, g, domain, time.Minute)
	var later []time.Duration
	if err == nil {
		later, err = r.paced(ctx, g, domain, length-time.Minute)
	}
	stop()
	if err := errors.Join(err, <-ended); err != nil {
		return err
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\nto a good host, ms\tp50\tp95\tmax\tmessages\tp95, ratio\t\n")
	for _, part := range []struct {
		name  string
		times []time.Duration
	}{
		{"without dead hosts", without},
		{fmt.Sprintf("%d dead ones have mail for the first time", r.dead), first},
		{"and each minute", later},
		{"all of the time with dead ones", append(first, later...)},
	} {
		p95 := lab.Quantile(part.times, 0.95)
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%.2f\t\n", part.name, ms(lab.Quantile(part.times, 0.5)), ms(p95), ms(lab.Quantile(part.times, 1)),
			len(part.times), float64(p95)/float64(lab.Quantile(without, 0.95)))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err = r.relay.Script(ctx, "postsuper -d ALL")
	return err
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

// writeToDead has each dead host get a message each minute: one after the other, evenly, as
// people write.
func (r *road) writeToDead(ctx context.Context, w *phone.Phone) error {
	tick := time.NewTicker(time.Minute / time.Duration(r.dead))
	defer tick.Stop()
	for n := 0; ; n = (n + 1) % r.dead {
		if err := w.Send("reader@"+deadDomain(n), r.letter.Next()); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func deadDomain(n int) string { return fmt.Sprintf("_dead%d.test", n) }

func ms(d time.Duration) string { return fmt.Sprintf("%.0f", float64(d)/float64(time.Millisecond)) }
