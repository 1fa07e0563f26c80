package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"chatmaild/testdata/lab"
	"chatmaild/testdata/lab/network"
	"chatmaild/testdata/lab/phone"
	"chatmaild/testdata/lab/usage"
)

// settled is how long a service may go on with what it was asked for, after the last answer.
const settled = time.Second

// A crowd is people who have accounts at a relay.
type crowd struct {
	relay   *lab.Relay
	phones  []*phone.Phone
	abreast int
}

// newCrowd makes their accounts.
func newCrowd(ctx context.Context, relay *lab.Relay, outside network.Station, size, abreast int) (*crowd, error) {
	c := &crowd{relay: relay, phones: make([]*phone.Phone, size), abreast: abreast}
	return c, c.each(size, func(i int) (err error) {
		c.phones[i], err = phone.New(ctx, outside, fmt.Sprintf("login%04d@%s", i, relay.Domain))
		return err
	})
}

// each does something for n people, so many at a time.
func (c *crowd) each(n int, do func(i int) error) error { return phone.Each(n, c.abreast, do) }

// logIn has people log in, open the mailbox and leave, and returns how long each took.
func (c *crowd) logIn(ctx context.Context, logins int) ([]time.Duration, error) {
	took := make([]time.Duration, logins)
	return took, c.each(logins, func(i int) error {
		start := time.Now()
		session, err := c.phones[i%len(c.phones)].Session(ctx)
		if err != nil {
			return err
		}
		took[i] = time.Since(start)
		return session.Close()
	})
}

// comeOnline opens sessions, in IDLE, from one number to another.
func (c *crowd) comeOnline(ctx context.Context, sleepers []*phone.Sleeper, from, to int) error {
	return c.each(to-from, func(i int) (err error) {
		sleepers[from+i], err = c.phones[from+i].Sleep(ctx)
		return err
	})
}

// message is what wakes a session.
const message = "From: <a@login.test>\r\nTo: <b@login.test>\r\nMessage-ID: <1@login.test>\r\nSubject: [...]\r\n\r\nhello\r\n"

// wake puts a message into the mailbox of each, as Dovecot does, and returns how long it took
// until that was announced.
func (c *crowd) wake(sleepers []*phone.Sleeper) ([]time.Duration, error) {
	leader, err := c.relay.Leader()
	if err != nil {
		return nil, err
	}
	took := make([]time.Duration, len(sleepers))
	return took, c.each(len(sleepers), func(i int) error {
		dir := fmt.Sprintf("/proc/%d/root/home/vmail/mail/%s/%s", leader, c.relay.Domain, c.phones[i].Addr)
		start := time.Now()
		if err := deliver(dir); err != nil {
			return err
		}
		select {
		case err := <-sleepers[i].Woken:
			took[i] = time.Since(start)
			if err != nil {
				return err
			}
		case <-time.After(time.Minute):
			return errors.New("a message was not announced within a minute")
		}
		return <-sleepers[i].Done
	})
}

// deliver puts the message into a mailbox.
func deliver(dir string) error {
	name := fmt.Sprintf("%d.M%d.login", time.Now().Unix(), time.Now().Nanosecond())
	fresh := filepath.Join(dir, "tmp", name)
	if err := os.WriteFile(fresh, []byte(message), 0o600); err != nil {
		return err
	}
	var owner unix.Stat_t
	if err := unix.Stat(dir, &owner); err != nil {
		return err
	}
	if err := os.Chown(fresh, int(owner.Uid), int(owner.Gid)); err != nil {
		return err
	}
	return os.Rename(fresh, filepath.Join(dir, "new", name))
}

// spent is the processor time of each service that doing something for n people took, in ms
// for one.
func (c *crowd) spent(n int, do func() error) (map[string]float64, error) {
	before, err := usage.ReadCPU(c.relay.Host)
	if err != nil {
		return nil, err
	}
	if err := do(); err != nil {
		return nil, err
	}
	time.Sleep(settled)
	after, err := usage.ReadCPU(c.relay.Host)
	if err != nil {
		return nil, err
	}
	ms := map[string]float64{}
	for name, s := range after.Services {
		ms[name] = (s.CPU - before.Services[name].CPU).Seconds() * 1000 / float64(n)
	}
	return ms, nil
}
