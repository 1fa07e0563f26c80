package main

import (
	"crypto/tls"
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
		rate, cpu, err := r.through(d.daemon, length)
		if err != nil {
			return fmt.Errorf("logins through imap-login and %s: %w", d.name, err)
		}
		fmt.Printf("logins through imap-login with TLS, %d clients: %.0f a second, CPU of %s %.3f ms each\n", imapConns, rate, d.name, ms(cpu))
	}
	return nil
}

// through measures logins, remembered ones, that a daemon is asked about.
func (r *relay) through(d *daemon, length time.Duration) (rate float64, cpu time.Duration, err error) {
	stop, err := r.startDovecot(d)
	if err != nil {
		return 0, 0, err
	}
	defer stop()
	for i := range seen { // all are to be remembered, and to have their directories
		if err := imapLogin(userName("seen", i)); err != nil {
			return 0, 0, err
		}
	}
	var done atomic.Int64
	var failed atomic.Pointer[error]
	before, start := d.cpu(), time.Now()
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
		return 0, 0, *err
	}
	n := done.Load()
	return float64(n) / time.Since(start).Seconds(), (d.cpu() - before) / time.Duration(n), nil
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
