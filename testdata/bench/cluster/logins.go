package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"chatmaild/testdata/kit/measure"
	"chatmaild/testdata/lab/phone"
	"chatmaild/testdata/lab/usage"
)

// services are those whose processor time is shown; the rest is one figure. Postgresql is the
// directory, which doveauth reads.
var services = []string{"dovecot", "doveauth", "postgresql"}

// A storm is people who log in as fast as they can.
type storm struct {
	name   string
	people []*phone.Phone
	rounds []rush
}

// A rush is a round of them.
type rush struct {
	rate float64            // logins a second
	cpu  map[string]float64 // ms for a login, of each service on all machines; "": of all
}

// logins measures both storms in turn.
func logins(ctx context.Context, c *cluster) error {
	// Homes in turn, and each third at the same machine: a third of all is not passed on.
	spread := func(i int) int { return i / machines % machines }
	storms := []*storm{{name: "one machine"}, {name: "three machines"}}
	var err error
	if storms[0].people, err = c.people(ctx, "onestorm", c.sessions, "a", func(int) int { return 0 }); err != nil {
		return err
	}
	if storms[1].people, err = c.people(ctx, "allstorm", c.sessions, "abc", spread); err != nil {
		return err
	}
	for round := range c.rounds {
		for i := range storms {
			s := storms[(i+round)%len(storms)]
			if err := s.rush(ctx, c); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	return printStorms(storms[0], storms[1])
}

// rush has everybody log in and leave.
func (s *storm) rush(ctx context.Context, c *cluster) error {
	before, err := c.used()
	if err != nil {
		return err
	}
	start := time.Now()
	err = phone.Each(c.logins, c.abreast*machines, func(i int) error {
		session, err := s.people[i%len(s.people)].Session(ctx)
		if err != nil {
			return err
		}
		return session.Close()
	})
	if err != nil {
		return err
	}
	r := rush{rate: float64(c.logins) / time.Since(start).Seconds(), cpu: map[string]float64{}}
	after, err := c.used()
	for name, used := range after {
		r.cpu[name] = ms(used-before[name]) / float64(c.logins)
	}
	s.rounds = append(s.rounds, r)
	return err
}

// used is the processor time that services have used on all machines.
func (c *cluster) used() (map[string]time.Duration, error) {
	used := map[string]time.Duration{}
	for _, r := range c.Machines {
		u, err := usage.ReadCPU(r.Host)
		if err != nil {
			return nil, err
		}
		for name, s := range u.Services {
			name, _, _ = strings.Cut(name, "@") // an instance, such as postgresql@17-main
			used[name] += s.CPU
		}
		used[""] += u.CPU()
	}
	return used, nil
}

func printStorms(one, three *storm) error {
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\t%s\t%s\tratio\t\n", one.name, three.name)
	line := func(what string, of func(rush) float64) {
		a, b := measure.Median(one.rounds, of), measure.Median(three.rounds, of)
		fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%.2f\t\n", what, a, b, b/a)
	}
	line("logins a second", func(r rush) float64 { return r.rate })
	line("CPU ms for one, all services", func(r rush) float64 { return r.cpu[""] })
	for _, name := range services {
		line("· "+name, func(r rush) float64 { return r.cpu[name] })
	}
	return t.Flush()
}
