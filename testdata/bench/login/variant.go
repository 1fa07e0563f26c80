package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"chatmaild/testdata/kit/measure"
	"chatmaild/testdata/lab"
	"chatmaild/testdata/lab/phone"
	"chatmaild/testdata/lab/usage"
)

// A variant is the relay as it is, or with a change, and what its rounds took.
type variant struct {
	name   string
	change string // lines of sh that make the relay this variant; "": none
	rounds []round
}

// A round is what was measured once.
type round struct {
	loginCPU, wakeCPU     map[string]float64 // ms for one, of each service
	logins, wakes         []time.Duration
	idle                  map[string]float64 // KiB of memory for a session, of each program
	processes, imapMemory float64            // imap processes that are left when all sessions hibernate; MiB
}

func (r round) String() string {
	return fmt.Sprintf("login %.1f ms, wake-up %.1f ms, idle session %.1f KiB", sum(r.loginCPU), sum(r.wakeCPU), sum(r.idle))
}

// round makes the relay this variant and measures once.
func (v *variant) round(ctx, bounded context.Context, c *crowd, logins int, hold bool) (err error) {
	if v.change != "" {
		if _, err := c.relay.Script(bounded, v.change); err != nil {
			return err
		}
	}
	var r round
	if _, err := c.logIn(bounded, len(c.phones)); err != nil {
		return fmt.Errorf("first logins: %w", err)
	}
	r.loginCPU, err = c.spent(logins, func() (err error) {
		r.logins, err = c.logIn(bounded, logins)
		return err
	})
	if err != nil {
		return fmt.Errorf("logins: %w", err)
	}
	sleepers := make([]*phone.Sleeper, len(c.phones))
	defer func() {
		for _, s := range sleepers {
			if s != nil {
				s.Close()
			}
		}
	}()
	var memory [2]usage.Usage
	half := len(c.phones) / 2
	for i, to := range []int{half, len(c.phones)} {
		if err := c.comeOnline(bounded, sleepers, i*half, to); err != nil {
			return fmt.Errorf("sessions: %w", err)
		}
		if err := c.relay.WaitHibernated(bounded); err != nil {
			return err
		}
		if memory[i], err = usage.Read(c.relay.Host); err != nil {
			return err
		}
	}
	r.idle = map[string]float64{}
	for name, is := range memory[1].Services["dovecot"].Programs {
		was := memory[0].Services["dovecot"].Programs[name]
		if name == "imap" {
			r.processes, r.imapMemory = float64(is.Processes), float64(is.PSS)/(1<<20)
			continue // how many are left is chance
		}
		if kib := float64(is.PSS-was.PSS) / 1024 / float64(len(c.phones)-half); kib > 0.2 || kib < -0.2 {
			r.idle[name] = kib
		}
	}
	r.wakeCPU, err = c.spent(len(sleepers), func() (err error) {
		r.wakes, err = c.wake(sleepers)
		return err
	})
	if err != nil {
		return fmt.Errorf("wake-ups: %w", err)
	}
	v.rounds = append(v.rounds, r)
	if hold {
		fmt.Fprintln(os.Stderr, "the relay and its sessions stay until ^C")
		<-ctx.Done()
	}
	return nil
}

func sum(of map[string]float64) (all float64) {
	for _, v := range of {
		all += v
	}
	return all
}

// printVariants prints the medians of all variants side by side, and the ratio of the last to
// the first.
func printVariants(w io.Writer, variants []*variant) error {
	first, last := variants[0], variants[len(variants)-1]
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "\t")
	for _, v := range variants {
		fmt.Fprintf(t, "%s\t", v.name)
	}
	fmt.Fprintln(t)
	line := func(name string, figure func(round) float64) {
		fmt.Fprintf(t, "%s\t", name)
		of := func(v *variant) float64 { return measure.Median(v.rounds, figure) }
		for _, v := range variants {
			fmt.Fprintf(t, "%.2f\t", of(v))
		}
		if len(variants) > 1 {
			fmt.Fprintf(t, "%.2f\t", of(last)/of(first))
		}
		fmt.Fprintln(t)
	}
	parts := func(name string, least float64, of func(round) map[string]float64) {
		line(name+": all", func(r round) float64 { return sum(of(r)) })
		var names []string
		for _, v := range variants {
			for _, r := range v.rounds {
				for n, value := range of(r) {
					if value >= least && !slices.Contains(names, n) {
						names = append(names, n)
					}
				}
			}
		}
		slices.Sort(names)
		for _, n := range names {
			line("· "+n, func(r round) float64 { return of(r)[n] })
		}
	}
	times := func(name string, of func(round) []time.Duration) {
		for _, q := range []float64{0.5, 0.95} {
			line(fmt.Sprintf("%s, p%.0f ms", name, 100*q), func(r round) float64 {
				return float64(lab.Quantile(of(r), q)) / float64(time.Millisecond)
			})
		}
	}
	parts("CPU ms for a login", 0.1, func(r round) map[string]float64 { return r.loginCPU })
	times("login and SELECT", func(r round) []time.Duration { return r.logins })
	parts("CPU ms for a wake-up", 0.1, func(r round) map[string]float64 { return r.wakeCPU })
	times("message to EXISTS, hibernated", func(r round) []time.Duration { return r.wakes })
	parts("KiB for a hibernated session", 0.2, func(r round) map[string]float64 { return r.idle })
	line("imap processes left", func(r round) float64 { return r.processes })
	line("· their memory, MiB", func(r round) float64 { return r.imapMemory })
	return t.Flush()
}
