package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"chatmaild/applets/chat/imap"
)

const (
	imapConns    = 8           // clients at once
	loginTimeout = time.Minute // more than any login takes
)

// throughDovecot measures logins of clients with TLS, from the first byte to the OK of
// LOGIN, which a new imap process sends; and what they take of the floor in doveauth's
// place.
//
// A login is five events for the daemon, each of which wakes it from rest: the login, and of
// the new imap process connection, greeting, request and end. So this is above all the
// price of waking a process of Go's: through the authentication socket, where requests come
// faster than it can rest, the same login takes a tenth. The wanted 0.03 ms is less than the
// five events take of the kernel: a server in C with one thread that answers from nothing took
// 0.24 ms where doveauth took 1.33 and the floor 1.02, and 0.46 where these took 2.28 and 1.99.
func (r *relay) throughDovecot(bare *daemon, length time.Duration) error {
	fmt.Println()
	if !canDovecot() {
		fmt.Println("logins through imap-login: not measured, they need root and dovecot-imapd")
		return nil
	}
	for _, d := range []struct {
		name   string
		daemon *daemon
	}{{"doveauth (wanted: 0.03)", r.doveauth}, {"the floor", bare}} {
		rate, cpu, switches, err := r.through(d.daemon, length)
		if err != nil {
			return fmt.Errorf("logins through imap-login and %s: %w", d.name, err)
		}
		fmt.Printf("logins through imap-login with TLS, %d clients: %.0f a second, CPU of %s %.3f ms each, %.1f switches\n",
			imapConns, rate, d.name, ms(cpu), switches)
	}
	return nil
}

// through measures logins, remembered ones, that a daemon is asked about: how many a second,
// and for each the daemon's processor time, and how often it gave up a processor to wait.
func (r *relay) through(d *daemon, length time.Duration) (rate float64, cpu time.Duration, switches float64, err error) {
	dovecot, err := r.startDovecot(d)
	if err != nil {
		return 0, 0, 0, err
	}
	defer dovecot.Stop()
	for i := range seen { // all are to be remembered, and to have their directories
		if err := imapLogin(userName("seen", i)); err != nil {
			return 0, 0, 0, err
		}
	}
	var done atomic.Int64
	var failed atomic.Pointer[error]
	woken, before, err := d.took()
	if err != nil {
		return 0, 0, 0, err
	}
	start := time.Now()
	var clients sync.WaitGroup
	for range imapConns {
		clients.Go(func() {
			for time.Since(start) < length {
				if err := imapLogin(userName("seen", int(done.Add(1))%seen)); err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	clients.Wait()
	if err := failed.Load(); err != nil {
		return 0, 0, 0, *err
	}
	n := done.Load()
	rate = float64(n) / time.Since(start).Seconds()
	wokenAfter, after, err := d.took()
	return rate, (after - before) / time.Duration(n), float64(wokenAfter-woken) / float64(n), err
}

// took is how often the daemon has given up a processor to wait, and its processor time.
func (d *daemon) took() (switches int, cpu time.Duration, err error) {
	switches, err1 := d.Switches()
	cpu, err2 := d.CPU()
	return switches, cpu, errors.Join(err1, err2)
}

// imapLogin logs in once.
func imapLogin(user string) error {
	conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", imapsPort), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(loginTimeout))
	c, err := imap.New(conn)
	if err != nil {
		return err
	}
	return c.Login(user, password)
}
