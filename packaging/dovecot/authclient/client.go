// Package authclient asks an authentication server (authserver) whether logins are right, by
// Dovecot's protocol (authproto).
//
// All logins share one connection, and are answered as they are done. It stays open; when the
// server has been restarted, those that were not answered are asked again on a new one, so
// that nobody hears of the restart. Waiting is bounded by the caller's context, and by
// patience.
package authclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"chatmaild/packaging/dovecot/authproto"
)

const (
	// patience is how long a login may take. The server itself takes 25 s at most, and a
	// client of SMTP waits for minutes.
	patience = 40 * time.Second
	// firstPause and lastPause are between attempts to reach the server; each is twice the
	// one before.
	firstPause = 20 * time.Millisecond
	lastPause  = time.Second
	// writeTimeout is how long the server may leave questions unread.
	writeTimeout = 10 * time.Second
)

// errUnavailable is that the server cannot be asked. Its details are logged.
var errUnavailable = errors.New("the authentication server does not answer")

// Client asks the server behind a unix socket. All fields are required.
type Client struct {
	Socket  string
	Service string // what users log in to, as the protocol names it
	PID     int    // of this process
	Log     *slog.Logger

	dialing sync.Mutex // held while a connection is made
	mu      sync.Mutex
	open    *connection // nil: none
	bad     atomic.Bool // the server did not answer, the last time
}

// Login says whose login it is: user is the account's name as the mailbox has it. It is not ok
// if the password is wrong. The error is an authproto.TryLater if the server wants the user to
// come again, and else says that it could not be asked. Client is where the login comes from,
// if that is known.
func (c *Client) Login(ctx context.Context, credentials authproto.Credentials, client netip.Addr) (user string, ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		a, err := c.ask(ctx, credentials, client)
		if err == nil {
			c.answers(true, nil)
			return a.User, a.User != "", a.Later
		}
		if ctx.Err() == nil && wait(ctx, pause) {
			continue
		}
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			c.answers(false, err)
		}
		return "", false, fmt.Errorf("%w: %w", errUnavailable, err)
	}
}

// wait waits, and reports whether ctx goes on.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// ask asks once.
func (c *Client) ask(ctx context.Context, credentials authproto.Credentials, client netip.Addr) (authproto.Answer, error) {
	conn, err := c.connection(ctx)
	if err != nil {
		return authproto.Answer{}, err
	}
	return conn.ask(ctx, c.Service, credentials, client)
}

// connection is the open one, or a new one.
func (c *Client) connection(ctx context.Context) (*connection, error) {
	if conn := c.current(); conn != nil {
		return conn, nil
	}
	c.dialing.Lock()
	defer c.dialing.Unlock()
	if conn := c.current(); conn != nil {
		return conn, nil
	}
	var d net.Dialer
	nc, err := d.DialContext(ctx, "unix", c.Socket)
	if err != nil {
		return nil, fmt.Errorf("connecting to the authentication server: %w", err)
	}
	conn, err := greet(ctx, nc, c.PID)
	if err != nil {
		nc.Close()
		return nil, err
	}
	c.mu.Lock()
	c.open = conn
	c.mu.Unlock()
	go func() {
		conn.run()
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.open == conn {
			c.open = nil
		}
	}()
	return conn, nil
}

func (c *Client) current() *connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}

// Close ends the connection, and with it the logins that are waiting.
func (c *Client) Close() {
	if conn := c.current(); conn != nil {
		conn.net.Close()
	}
}

// answers notes whether the server answers, and logs when that changes.
func (c *Client) answers(now bool, err error) {
	if c.bad.Load() == !now || c.bad.Swap(!now) == !now {
		return
	}
	if now {
		c.Log.Info("the authentication server answers again", "socket", c.Socket)
	} else {
		c.Log.Warn("the authentication server does not answer; users cannot log in to send", "socket", c.Socket, "error", err)
	}
}
