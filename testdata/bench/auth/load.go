package main

import (
	"bufio"
	"encoding/base64"
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
	name    string
	conns   int
	redial  bool // a new connection for each request
	oneCore bool // shared by the clients and the daemon
	protocol
	request func(r *rand.Rand, id int) (lines, answer string)
}

// protocol is what a daemon is asked by, and at which of its sockets.
type protocol struct {
	socket string
	hello  string // what a client says first
	ready  string // what the last line begins with that the daemon says first
}

var (
	sasl      = protocol{"auth-submission", "VERSION\t1\t2\nCPID\t1\n", "DONE"}
	userdb    = protocol{"auth-userdb", "VERSION\t1\t2\n", "SPID"}
	lastlogin = protocol{"lastlogin", "H3\t2\t0\t\tauth\n", ""}
)

// result is what came of one run.
type result struct {
	rate     float64 // requests a second
	p50, p99 time.Duration
	cpu      float64 // the daemon's seconds for each request
}

// remembered logs in an account whose login doveauth remembers.
func remembered(r *rand.Rand, id int) (string, string) {
	return login(userName("new", r.IntN(newUsers)), id)
}

// create logs in an account that there is not.
func create(r *rand.Rand, id int) (string, string) {
	return login(fmt.Sprintf("c%012x@%s", r.Uint64()>>16, domain), id)
}

// login is a login as Postfix sends it.
func login(user string, id int) (string, string) {
	response := base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
	return fmt.Sprintf("AUTH\t%d\tPLAIN\tservice=smtp\tnologin\trip=192.0.2.1\tsecured\tresp=%s\n", id, response), "OK\t"
}

// lookUp asks for an account as lmtp does.
func lookUp(r *rand.Rand, id int) (string, string) {
	return fmt.Sprintf("USER\t%d\t%s\tservice=lmtp\n", id, userName("old", r.IntN(oldUsers))), "USER\t"
}

func lastLogin(r *rand.Rand, _ int) (string, string) {
	u := userName("old", r.IntN(oldUsers))
	return fmt.Sprintf("B1\t%s\nS1\tshared/last-login/%s\t%d\nC1\n", u, u, time.Now().Unix()), "O"
}

// of returns the daemon that the load is for.
func (l load) of(r *relay) *daemon {
	if l.protocol == lastlogin {
		return r.lastlogin
	}
	return r.doveauth
}

// measure runs the load on the cores that it is for.
func (l load) measure(d *daemon, length time.Duration) (r result, err error) {
	if !l.oneCore {
		return l.run(d, length)
	}
	err = onOneCore(d.PID(), func() error {
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
	before, err := d.CPU()
	if err != nil {
		return result{}, err
	}
	start := time.Now()
	for range l.conns {
		clients.Go(func() {
			took, err := l.client(d.at(l.socket), start.Add(length))
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
	after, err := d.CPU()
	if err != nil {
		return result{}, err
	}
	if failure != nil || len(all) == 0 {
		return result{}, fmt.Errorf("%d requests were answered, then: %w", len(all), failure)
	}
	slices.Sort(all)
	return result{
		rate: float64(len(all)) / seconds,
		p50:  all[len(all)/2], p99: all[len(all)*99/100],
		cpu: (after - before).Seconds() / float64(len(all)),
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
	for id := 1; time.Now().Before(until); id++ {
		lines, want := l.request(r, id)
		start := time.Now()
		if c == nil {
			if c, in, err = l.dial(socket); err != nil {
				return took, err
			}
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

// dial connects, and returns when both sides have introduced themselves.
func (p protocol) dial(socket string) (net.Conn, *bufio.Reader, error) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return nil, nil, err
	}
	if _, err := c.Write([]byte(p.hello)); err != nil {
		return nil, nil, err
	}
	in := bufio.NewReader(c)
	for line := ""; !strings.HasPrefix(line, p.ready); {
		if line, err = in.ReadString('\n'); err != nil {
			return nil, nil, err
		}
	}
	return c, in, nil
}
