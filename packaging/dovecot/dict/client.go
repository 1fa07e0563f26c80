package dict

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// Client asks a Server, as Dovecot does. It is for one goroutine.
type Client struct {
	net net.Conn
	in  *bufio.Reader
}

// clientTimeout bounds a request without a deadline of its own.
const clientTimeout = 30 * time.Second

// Dial connects to the dict server on a unix socket.
func Dial(ctx context.Context, socket string) (*Client, error) {
	nc, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("connecting to a dict server: %w", err)
	}
	return &Client{net: nc, in: bufio.NewReaderSize(nc, DefaultMaxLine)}, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.net.Close() }

// Commit applies changes in one transaction, on behalf of user.
func (c *Client) Commit(ctx context.Context, user string, changes []Change) error {
	b := appendLine(nil, cmdHello, "3", "2", "0", "", "")
	b = appendLine(b, cmdBegin, "1", user)
	for _, ch := range changes {
		if ch.Unset {
			b = appendLine(b, cmdUnset, "1", ch.Key)
		} else {
			b = appendLine(b, cmdSet, "1", ch.Key, ch.Value)
		}
	}
	b = appendLine(b, cmdCommit, "1")
	r, err := c.ask(ctx, b)
	if err != nil {
		return err
	}
	if r.cmd != replyOK {
		return fmt.Errorf("the dict server refused: %s", r.arg(1))
	}
	return nil
}

// Lookup returns the value of a key; found is false if it has none.
func (c *Client) Lookup(ctx context.Context, key string) (value string, found bool, err error) {
	r, err := c.ask(ctx, appendLine(appendLine(nil, cmdHello, "3", "2", "0", "", ""), cmdLookup, key))
	switch {
	case err != nil:
		return "", false, err
	case r.cmd == replyOK:
		return r.arg(0), true, nil
	case r.cmd == replyNotFound:
		return "", false, nil
	}
	return "", false, fmt.Errorf("the dict server refused: %s", r.arg(0))
}

// Ask looks a key up on a connection of its own. A server without the key has failed.
func Ask(ctx context.Context, socket, key string) (string, error) {
	c, err := Dial(ctx, socket)
	if err != nil {
		return "", err
	}
	defer c.Close()
	value, found, err := c.Lookup(ctx, key)
	if err == nil && !found {
		err = fmt.Errorf("the dict server at %s does not know %s", socket, key)
	}
	return value, err
}

// ask sends requests with one answer among them.
func (c *Client) ask(ctx context.Context, requests []byte) (request, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(clientTimeout)
	}
	if err := c.net.SetDeadline(deadline); err != nil {
		return request{}, fmt.Errorf("asking a dict server: %w", err)
	}
	if _, err := c.net.Write(requests); err != nil {
		return request{}, fmt.Errorf("asking a dict server: %w", err)
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return request{}, fmt.Errorf("reading a dict server's answer: %w", err)
	}
	r, ok := parseRequest(line[:len(line)-1])
	if !ok {
		return request{}, errors.New("the dict server's answer is empty")
	}
	return r, nil
}
