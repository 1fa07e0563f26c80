package authserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"chatmaild/packaging/dovecot/authproto"
	"chatmaild/packaging/dovecot/tabline"
)

// conn is a connection of either side. Only its own goroutine reads; any may send.
type conn struct {
	net   net.Conn
	lines *tabline.Reader

	sending sync.Mutex
}

func newConn(nc net.Conn) *conn {
	return &conn{net: nc, lines: tabline.NewReader(nc, authproto.MaxLine)}
}

func (c *conn) close() {
	c.net.Close()
	c.lines.Close()
}

// ended reports whether err is an end in order: the peer has gone, or we go.
func (c *conn) ended(ctx context.Context, err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, net.ErrClosed) || ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded)
}

// send writes whole lines. If they cannot be written, the connection is closed: its
// peer would wait for them.
func (c *conn) send(lines []byte) error {
	c.sending.Lock()
	defer c.sending.Unlock()
	if err := c.net.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return fmt.Errorf("answering: %w", err)
	}
	if _, err := c.net.Write(lines); err != nil {
		c.net.Close()
		return fmt.Errorf("answering: %w", err)
	}
	return nil
}

// next reads and parses the next line.
func (c *conn) next() (authproto.Line, error) {
	text, err := c.lines.Next()
	if err != nil {
		return authproto.Line{}, fmt.Errorf("reading a request: %w", err)
	}
	return authproto.ParseLine(text)
}

// expect reads a line that must be of this command.
func (c *conn) expect(command string) (authproto.Line, error) {
	line, err := c.next()
	if err == nil && line.Command != command {
		err = fmt.Errorf("%w: no %s at its beginning", authproto.ErrBroken, command)
	}
	return line, err
}

// greet sends our handshake and reads the peer's version.
func (c *conn) greet(handshake []byte) error {
	if err := c.send(handshake); err != nil {
		return err
	}
	line, err := c.expect(authproto.CmdVersion)
	if err != nil {
		return err
	}
	major, err := line.MajorVersion()
	if err == nil && major != authproto.Major {
		err = fmt.Errorf("%w: its version is %d, want %d", authproto.ErrBroken, major, authproto.Major)
	}
	return err
}

// deadline closes the connection unless the returned function is called in time.
func (c *conn) deadline(d time.Duration) (met func() bool) {
	return time.AfterFunc(d, func() { c.net.Close() }).Stop
}

// unknown is the error of a command that does not belong on a connection.
func unknown(line authproto.Line) error {
	return fmt.Errorf("%w: unexpected command %s", authproto.ErrBroken, line.Command)
}
