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
	all := func(s *side) (mib float64) {
		for _, p := range s.idle {
			mib += float64(p.all) / (1 << 20)
		}
		return mib
	}
	a, b := all(direct), all(passed)
	fmt.Fprintf(t, "all services, with %d in IDLE, MiB\t%.1f\t%.1f\t%+.1f %%\t\n", c.sessions, a, b, 100*(b/a-1))
	for _, row := range []struct {
		what     string
		from, to int
	}{{"Dovecot, one session more, KiB", 0, machines}, {"· on a", 0, 1}, {"· on b", 1, 2}} {
		a, b := direct.more(row.from, row.to), passed.more(row.from, row.to)
		fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%+.1f\t\n", row.what, a, b, b-a)
	}
	return t.Flush()
}

// sleep measures the memory with half of them in IDLE, and with all. Dovecot is restarted before:
// what it keeps of former sessions takes in the next ones.
func (s *side) sleep(ctx context.Context, c *cluster) (err error) {
	sleepers := make([]*phone.Sleeper, len(s.people))
	defer func() {
		for _, sleeper := range sleepers {
			if sleeper != nil {
				sleeper.Close()
			}
		}
	}()
	for _, r := range c.Machines {
		if _, err := r.Run(ctx, "systemctl", "restart", "dovecot"); err != nil {
			return err
		}
	}
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

// more is what one session more takes of Dovecot on the machines from one to another, in KiB.
func (s *side) more(from, to int) (kib float64) {
	for i := from; i < to; i++ {
		kib += float64(s.idle[i].dovecot-s.half[i].dovecot) / 1024 / float64(len(s.people)-len(s.people)/2)
	}
	return kib
}

// A pss is what services of a machine take, in bytes: all of them, and Dovecot.
type pss struct{ all, dovecot int64 }

// pss is what they take once all sessions hibernate and nothing has happened for a while, but
// for imap processes: how many of them are left is chance.
func (c *cluster) pss(ctx context.Context) (of []pss, err error) {
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
		dovecot := u.Services["dovecot"]
		imap := dovecot.Programs["imap"].PSS
		of = append(of, pss{u.Sum().PSS - imap, dovecot.Sum().PSS - imap})
	}
	return of, nil
}
