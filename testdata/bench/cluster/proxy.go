package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"chatmaild/testdata/kit/letter"
	"chatmaild/testdata/lab"
	"chatmaild/testdata/lab/phone"
	"chatmaild/testdata/lab/usage"
)

// A side is people who all connect to a, and have their mailboxes on one machine.
type side struct {
	name          string
	people        []*phone.Phone
	logins, texts []time.Duration
	half, idle    []int64 // memory of each machine with half of them, and all, in IDLE, in bytes
}

// proxy measures both sides in turn, and prints them beside each other. Who writes is at home
// on a.
func proxy(ctx context.Context, c *cluster) error {
	toFirst := func(int) int { return 0 }
	writers, err := c.people(ctx, "writer", 1, "a", toFirst)
	if err != nil {
		return err
	}
	sides := []*side{{name: "direct"}, {name: "passed on"}}
	for i, s := range sides {
		if s.people, err = c.people(ctx, []string{"direct", "passed"}[i], c.sessions, c.Name(i), toFirst); err != nil {
			return err
		}
	}
	for round := range c.rounds {
		for i := range sides {
			s := sides[(i+round)%len(sides)] // none always comes first
			if err := s.round(ctx, writers[0], c.texts); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	for _, s := range sides {
		if err := s.sleep(ctx, c); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return printSides(c, sides[0], sides[1])
}

// round has somebody log in as often as texts are written, and then wait for these: each is
// written when the one before has been fetched.
func (s *side) round(ctx context.Context, writer *phone.Phone, texts int) (err error) {
	reader := s.people[0]
	for range texts {
		start := time.Now()
		session, err := reader.Session(ctx)
		if err != nil {
			return err
		}
		s.logins = append(s.logins, time.Since(start))
		if err := session.Close(); err != nil {
			return err
		}
	}
	if err := writer.Connect(ctx); err != nil {
		return err
	}
	defer writer.Close()
	text, err := letter.New(writer.Addr, reader.Addr, letter.Words, time.Now())
	if err != nil {
		return err
	}
	sleeper, err := reader.Sleep(ctx)
	if err != nil {
		return err
	}
	defer sleeper.Close()
	for range texts {
		start := time.Now()
		if err := writer.Send(reader.Addr, text.Next()); err != nil {
			return err
		}
		for _, told := range []chan error{sleeper.Woken, sleeper.Done} {
			select {
			case err := <-told:
				if err != nil {
					return err
				}
			case <-time.After(time.Minute):
				return errors.New("a text was not there within a minute")
			}
		}
		s.texts = append(s.texts, time.Since(start))
	}
	return nil
}

// sleep measures the memory with everybody in IDLE.
func (s *side) sleep(ctx context.Context, c *cluster) error {
	sleepers := make([]*phone.Sleeper, len(s.people))
	defer func() {
		for _, sleeper := range sleepers {
			if sleeper != nil {
				sleeper.Close()
			}
		}
	}()
	half := len(s.people) / 2
	for _, part := range []struct {
		from, to int
		memory   *[]int64
	}{{0, half, &s.half}, {half, len(s.people), &s.idle}} {
		err := phone.Each(part.to-part.from, c.abreast, func(i int) (err error) {
			sleepers[part.from+i], err = s.people[part.from+i].Sleep(ctx)
			return err
		})
		if err != nil {
			return err
		}
		if *part.memory, err = c.memory(ctx); err != nil {
			return err
		}
	}
	return nil
}

// memory is what all services of each machine take once all sessions hibernate and nothing has
// happened for a while, but for imap processes: how many of them are left is chance.
func (c *cluster) memory(ctx context.Context) (sums []int64, err error) {
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

func printSides(c *cluster, sides ...*side) error {
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "by way of machine a\tmailbox on a\tmailbox on b\tadded\t")
	times := func(what string, q float64, of func(*side) []time.Duration) {
		direct, passed := lab.Quantile(of(sides[0]), q), lab.Quantile(of(sides[1]), q)
		fmt.Fprintf(t, "%s, p%.0f ms\t%.1f\t%.1f\t%+.1f\t\n", what, 100*q, ms(direct), ms(passed), ms(passed-direct))
	}
	for _, q := range []float64{0.5, 0.95} {
		times("login and SELECT", q, func(s *side) []time.Duration { return s.logins })
	}
	for _, q := range []float64{0.5, 0.95} {
		times("text, sent to fetched", q, func(s *side) []time.Duration { return s.texts })
	}
	sum := func(of []int64) (all int64) {
		for _, n := range of {
			all += n
		}
		return all
	}
	direct, passed := sum(sides[0].idle), sum(sides[1].idle)
	fmt.Fprintf(t, "memory with %d in IDLE, MiB\t%.1f\t%.1f\t%+.1f %%\t\n", c.sessions, mib(direct), mib(passed), 100*(mib(passed)/mib(direct)-1))
	more := func(s *side, of ...int) (kib float64) {
		for _, i := range of {
			kib += float64(s.idle[i]-s.half[i]) / 1024 / float64(len(s.people)-len(s.people)/2)
		}
		return kib
	}
	for _, row := range []struct {
		what string
		of   []int
	}{{"one session more, KiB", []int{0, 1, 2}}, {"· on a", []int{0}}, {"· on b", []int{1}}} {
		direct, passed := more(sides[0], row.of...), more(sides[1], row.of...)
		fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%+.1f\t\n", row.what, direct, passed, passed-direct)
	}
	return t.Flush()
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }
