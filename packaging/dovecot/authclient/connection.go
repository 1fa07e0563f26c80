package authclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"chatmaild/packaging/dovecot/authproto"
	"chatmaild/packaging/dovecot/tabline"
)

// maxGreeting is how many lines a server may begin with.
const maxGreeting = 64

var errEnded = errors.New("the authentication server has ended the connection")

// connection is a connection to the server.
type connection struct {
	net   net.Conn
	lines *tabline.Reader

	mu      sync.Mutex // also of writing
	last    uint32     // the id of the last login
	waiting map[uint32]chan<- authproto.Answer
	err     error // why no more can be asked
}

// greet exchanges the handshakes.
func greet(ctx context.Context, nc net.Conn, pid int) (*connection, error) {
	defer context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })()
	if _, err := nc.Write(authproto.AppendServerHandshake(nil, pid)); err != nil {
		return nil, fmt.Errorf("greeting the authentication server: %w", err)
	}
	lines := tabline.NewReader(nc, authproto.MaxLine)
	if err := readGreeting(lines); err != nil {
		lines.Close()
		return nil, fmt.Errorf("greeting the authentication server: %w", err)
	}
	return &connection{net: nc, lines: lines, waiting: map[uint32]chan<- authproto.Answer{}}, nil
}

// readGreeting reads what a server begins with: its version first, DONE at last.
func readGreeting(lines *tabline.Reader) error {
	for n := range maxGreeting {
		text, err := lines.Next()
		if err != nil {
			return err
		}
		line, err := authproto.ParseLine(text)
		switch {
		case err != nil:
			return err
		case (n == 0) != (line.Command == authproto.CmdVersion):
			return fmt.Errorf("%w: it does not begin with one version", authproto.ErrBroken)
		case line.Command == authproto.CmdDone:
			return nil
		case n == 0:
			if major, err := line.MajorVersion(); err != nil || major != authproto.Major {
				return fmt.Errorf("%w: its version is %d (%v), want %d", authproto.ErrBroken, major, err, authproto.Major)
			}
		}
	}
	return fmt.Errorf("%w: its greeting does not end", authproto.ErrBroken)
}

// ask sends a login and waits for the answer.
func (c *connection) ask(ctx context.Context, service string, credentials authproto.Credentials, client netip.Addr) (authproto.Answer, error) {
	answer := make(chan authproto.Answer, 1)
	id, err := c.send(answer, service, credentials, client)
	if err != nil {
		return authproto.Answer{}, err
	}
	select {
	case a, ok := <-answer:
		if !ok {
			return authproto.Answer{}, errEnded
		}
		return a, nil
	case <-ctx.Done():
		c.cancel(id)
		return authproto.Answer{}, ctx.Err()
	}
}

func (c *connection) send(answer chan<- authproto.Answer, service string, credentials authproto.Credentials, client netip.Addr) (uint32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	if c.last++; c.last == 0 {
		c.last++ // which none may have
	}
	c.waiting[c.last] = answer
	if err := c.write(authproto.AppendAuth(nil, c.last, service, credentials, client)); err != nil {
		delete(c.waiting, c.last)
		return 0, err
	}
	return c.last, nil
}

// cancel ends the wait for an answer.
func (c *connection) cancel(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting[id] != nil {
		delete(c.waiting, id)
		_ = c.write(authproto.AppendCancel(nil, id))
	}
}

// write writes a line. If that fails, run ends.
func (c *connection) write(line []byte) error {
	err := c.net.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err == nil {
		_, err = c.net.Write(line)
	}
	if err != nil {
		c.net.Close()
		return fmt.Errorf("asking the authentication server: %w", err)
	}
	return nil
}

// run hands out the answers until the connection ends.
func (c *connection) run() {
	err := c.read()
	c.net.Close()
	c.lines.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = fmt.Errorf("%w: %w", errEnded, err)
	for id, answer := range c.waiting {
		close(answer)
		delete(c.waiting, id)
	}
}

func (c *connection) read() error {
	for {
		text, err := c.lines.Next()
		if err != nil {
			return err
		}
		line, err := authproto.ParseLine(text)
		if err != nil {
			return err
		}
		if line.Command != authproto.CmdOK && line.Command != authproto.CmdFail {
			continue // a client ignores what it does not know
		}
		a, err := line.Answer()
		if err != nil {
			return err
		}
		c.mu.Lock()
		answer := c.waiting[a.ID]
		delete(c.waiting, a.ID)
		c.mu.Unlock()
		if answer != nil { // nil: it was cancelled
			answer <- a
		}
	}
}
