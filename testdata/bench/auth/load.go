package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// load is what clients send.
type load struct {
	name      string
	conns     int
	redial    bool // a new connection for each request
	oneCore   bool // shared by the clients and the daemon
	lastlogin bool // to lastlogin instead of doveauth
	request   func(*rand.Rand) (lines, answer string)
}

// result is what came of one run.
type result struct {
	rate     float64 // requests a second
	p50, p99 time.Duration
	cpu      float64 // the daemon's seconds for each request
}

// handedOn asks for an account whose hash Dovecot checks, as the peers have it.
func handedOn(r *rand.Rand) (string, string) {
	u := userName("old", r.IntN(oldUsers))
	return fmt.Sprintf("Lshared/passdb/some password\"%s\"192.0.2.1\t%s\n", u, u), "O{"
}

// remembered asks for an account that doveauth checks, with the right password.
func remembered(r *rand.Rand) (string, string) {
	u := userName("new", r.IntN(newUsers))
	return fmt.Sprintf("Lshared/passdb/%s\"%s\"192.0.2.1\t%s\n", password, u, u), "O{"
}

func wrong(r *rand.Rand) (string, string) {
	u := userName("new", r.IntN(newUsers))
	return fmt.Sprintf("Lshared/passdb/a wrong password\"%s\"192.0.2.1\t%s\n", u, u), "O{"
}

func create(r *rand.Rand) (string, string) {
	u := fmt.Sprintf("c%012x@%s", r.Uint64()>>16, domain)
	return fmt.Sprintf("Lshared/passdb/%s\"%s\"192.0.2.1\t%s\n", password, u, u), "O{"
}

func lastLogin(r *rand.Rand) (string, string) {
	u := userName("old", r.IntN(oldUsers))
	return fmt.Sprintf("B1\t%s\nS1\tshared/last-login/%s\t%d\nC1\n", u, u, time.Now().Unix()), "O"
}

// of returns the daemon that the load is for.
func (l load) of(r *relay) *daemon {
	if l.lastlogin {
		return r.lastlogin
	}
	return r.doveauth
}

// measure runs the load on the cores that it is for.
func (l load) measure(d *daemon, length time.Duration) (r result, err error) {
	if !l.oneCore {
		return l.run(d, length)
	}
	err = onOneCore(d.cmd.Process.Pid, func() error {
		r, err = l.run(d, length)
		return err
	})
	return r, err
}

func (l load) run(d *daemon, length time.Duration) (result, error) {
	var mu sync.Mutex
	var all []time.Duration
	var failure error
	var clients sync.WaitGroup
	cpu, start := d.cpu(), time.Now()
	for range l.conns {
		clients.Go(func() {
			took, err := l.client(d.socket, start.Add(length))
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
			if err != nil {
				failure = err
			}
		})
	}
	clients.Wait()
	seconds := time.Since(start).Seconds()
	if failure != nil || len(all) == 0 {
		return result{}, fmt.Errorf("%d requests were answered, then: %w", len(all), failure)
	}
	slices.Sort(all)
	return result{
		rate: float64(len(all)) / seconds,
		p50:  all[len(all)/2], p99: all[len(all)*99/100],
		cpu: (d.cpu() - cpu).Seconds() / float64(len(all)),
	}, nil
}

// client sends requests until the time is over.
func (l load) client(socket string, until time.Time) (took []time.Duration, err error) {
	r := rand.New(rand.NewPCG(rand.Uint64(), 0))
	var c net.Conn
	var in *bufio.Reader
	defer func() {
		if c != nil {
			c.Close()
		}
	}()
	for time.Now().Before(until) {
		lines, want := l.request(r)
		start := time.Now()
		if c == nil {
			if c, err = net.Dial("unix", socket); err != nil {
				return took, err
			}
			in = bufio.NewReader(c)
			lines = "H3\t2\t0\t\tauth\n" + lines
		}
		if _, err := c.Write([]byte(lines)); err != nil {
			return took, err
		}
		answer, err := in.ReadString('\n')
		if err != nil {
			return took, err
		}
		if !strings.HasPrefix(answer, want) {
			return took, fmt.Errorf("%q is answered with %q", lines, answer)
		}
		took = append(took, time.Since(start))
		if l.redial {
			c.Close()
			c = nil
		}
	}
	return took, nil
}
