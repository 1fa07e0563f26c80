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
)

// A side is people who all connect to a, and have their mailboxes on one machine.
type side struct {
	name          string
	people        []*phone.Phone
	logins, texts []time.Duration
	half, idle    []pss // memory of each machine with half of them, and all, in IDLE
}

// sides are people with mailboxes on a, and on b, whose names begin with some letters.
func (c *cluster) sides(ctx context.Context, name string, people int) (direct, passed *side, err error) {
	direct, passed = &side{name: "mailbox on a"}, &side{name: "mailbox on b"}
	for i, s := range []*side{direct, passed} {
		home := c.Name(i)
		if s.people, err = c.people(ctx, name+home, people, home, func(int) int { return 0 }); err != nil {
			return nil, nil, err
		}
	}
	return direct, passed, nil
}

// proxy measures the times of both sides in turn. Who writes is at home on a.
func proxy(ctx context.Context, c *cluster) error {
	direct, passed, err := c.sides(ctx, "reader", 1)
	if err != nil {
		return err
	}
	writers, err := c.people(ctx, "writer", 1, "a", func(int) int { return 0 })
	if err != nil {
		return err
	}
	sides := []*side{direct, passed}
	for round := range c.rounds {
		for i := range sides {
			s := sides[(i+round)%len(sides)] // none always comes first
			if err := s.round(ctx, writers[0], c.texts); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "by way of a, ms\t%s\t%s\tadded\t\n", direct.name, passed.name)
	for _, row := range []struct {
		what string
		of   func(*side) []time.Duration
	}{
		{"login and SELECT", func(s *side) []time.Duration { return s.logins }},
		{"text, sent to fetched", func(s *side) []time.Duration { return s.texts }},
	} {
		for _, q := range []float64{0.5, 0.95} {
			a, b := lab.Quantile(row.of(direct), q), lab.Quantile(row.of(passed), q)
			fmt.Fprintf(t, "%s, p%.0f\t%.1f\t%.1f\t%+.1f\t\n", row.what, 100*q, ms(a), ms(b), ms(b-a))
		}
	}
	return t.Flush()
}

// round logs in as often as texts are written, and then waits for these: each is
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

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
