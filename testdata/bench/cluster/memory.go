package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"chatmaild/testdata/lab/phone"
	"chatmaild/testdata/lab/usage"
)

// memory measures it with everybody of one side in IDLE, and then of the other.
func memory(ctx context.Context, c *cluster) error {
	direct, passed, err := c.sides(ctx, "sleeper", c.sessions)
	if err != nil {
		return err
	}
	for _, s := range []*side{direct, passed} {
		if err := s.sleep(ctx, c); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "by way of a\t%s\t%s\tadded\t\n", direct.name, passed.name)
	a, b := sum(direct.idle)/(1<<20), sum(passed.idle)/(1<<20)
	fmt.Fprintf(t, "all, with %d in IDLE, MiB\t%.1f\t%.1f\t%+.1f %%\t\n", c.sessions, a, b, 100*(b/a-1))
	for _, row := range []struct {
		what     string
		from, to int
	}{{"one session more, KiB", 0, machines}, {"· on a", 0, 1}, {"· on b", 1, 2}} {
		a, b := direct.more(row.from, row.to), passed.more(row.from, row.to)
		fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%+.1f\t\n", row.what, a, b, b-a)
	}
	return t.Flush()
}

// sleep measures the memory with half of them in IDLE, and with all.
func (s *side) sleep(ctx context.Context, c *cluster) (err error) {
	sleepers := make([]*phone.Sleeper, len(s.people))
	defer func() {
		for _, sleeper := range sleepers {
			if sleeper != nil {
				sleeper.Close()
			}
		}
	}()
	half := len(s.people) / 2
	online := func(from, to int) error {
		return phone.Each(to-from, c.abreast, func(i int) (err error) {
			sleepers[from+i], err = s.people[from+i].Sleep(ctx)
			return err
		})
	}
	if err := online(0, half); err != nil {
		return err
	}
	if s.half, err = c.pss(ctx); err != nil {
		return err
	}
	if err := online(half, len(s.people)); err != nil {
		return err
	}
	s.idle, err = c.pss(ctx)
	return err
}

// more is what one session more takes on the machines from one to another, in KiB.
func (s *side) more(from, to int) float64 {
	return (sum(s.idle[from:to]) - sum(s.half[from:to])) / 1024 / float64(len(s.people)-len(s.people)/2)
}

// pss is what all services of each machine take once all sessions hibernate and nothing has
// happened for a while, but for imap processes: how many of them are left is chance.
func (c *cluster) pss(ctx context.Context) (sums []int64, err error) {
	for _, r := range c.Machines {
		if err := r.WaitHibernated(ctx); err != nil {
			return nil, err
		}
	}
	select {
	case <-time.After(c.rest):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for _, r := range c.Machines {
		u, err := usage.Read(r.Host)
		if err != nil {
			return nil, err
		}
		sums = append(sums, u.Sum().PSS-u.Services["dovecot"].Programs["imap"].PSS)
	}
	return sums, nil
}

func sum(of []int64) (all float64) {
	for _, n := range of {
		all += float64(n)
	}
	return all
}
