// Package imap is the raw dialogue of tests with an IMAP server (RFC 3501): for what a
// client's library does not show.
package imap

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// maxLiteral bounds a literal, in bytes.
const maxLiteral = 64 << 20

// A Client is one session.
type Client struct {
	Greeting string

	conn net.Conn
	r    *bufio.Reader
	tag  int
}

// New reads the greeting of the server at the other end of conn. The dialogue has to end
// when ctx does.
func New(ctx context.Context, conn net.Conn) (*Client, error) {
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	c := &Client{conn: conn, r: bufio.NewReader(conn)}
	var err error
	if c.Greeting, err = c.line(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("IMAP greeting: %w", err)
	}
	return c, nil
}

// Command sends a command and returns what came before the tagged reply, with
// literals in place, and the tagged reply without its tag: "OK …", "NO …".
func (c *Client) Command(format string, args ...any) (untagged []string, status string, err error) {
	c.tag++
	tag := "t" + strconv.Itoa(c.tag) + " "
	if _, err := fmt.Fprintf(c.conn, tag+format+"\r\n", args...); err != nil {
		return nil, "", err
	}
	for {
		line, err := c.line()
		if err != nil {
			return untagged, "", err
		}
		if status, ok := strings.CutPrefix(line, tag); ok {
			return untagged, status, nil
		}
		untagged = append(untagged, line)
	}
}

// OK is Command for commands that have to succeed.
func (c *Client) OK(format string, args ...any) (untagged []string, err error) {
	untagged, status, err := c.Command(format, args...)
	if err == nil && !strings.HasPrefix(status, "OK") {
		err = errors.New(status)
	}
	if err != nil {
		verb, _, _ := strings.Cut(format, " ")
		return untagged, fmt.Errorf("IMAP %s: %w", verb, err)
	}
	return untagged, nil
}

// Login logs in; the text of a refusal is the error.
func (c *Client) Login(user, password string) error {
	_, err := c.OK("LOGIN %q %q", user, password)
	return err
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// line reads one response; literals (section 4.3) are part of it.
func (c *Client) line() (string, error) {
	var b strings.Builder
	for {
		text, err := c.r.ReadString('\n')
		if err != nil {
			return b.String(), err
		}
		text = strings.TrimRight(text, "\r\n")
		b.WriteString(text)
		start := strings.LastIndexByte(text, '{')
		if start < 0 || !strings.HasSuffix(text, "}") {
			return b.String(), nil
		}
		size, err := strconv.Atoi(text[start+1 : len(text)-1])
		if err != nil || size > maxLiteral {
			return b.String(), nil // an ordinary brace
		}
		if _, err := io.CopyN(&b, c.r, int64(size)); err != nil {
			return b.String(), err
		}
	}
}

// Select opens the INBOX and returns how many messages are in it.
func (c *Client) Select() (messages int, err error) {
	untagged, err := c.OK("SELECT INBOX")
	if err != nil {
		return 0, err
	}
	for _, line := range untagged {
		if n, ok := exists(line); ok {
			messages = n
		}
	}
	return messages, nil
}

// Idle waits (RFC 2177) until what the server tells meets a condition, and ends that.
func (c *Client) Idle(met func(line string) bool) error {
	if _, err := fmt.Fprint(c.conn, "idle IDLE\r\n"); err != nil {
		return err
	}
	for line := ""; !met(line); {
		var err error
		if line, err = c.line(); err != nil {
			return fmt.Errorf("IMAP IDLE: %w", err)
		}
	}
	if _, err := fmt.Fprint(c.conn, "DONE\r\n"); err != nil {
		return err
	}
	for line := ""; !strings.HasPrefix(line, "idle "); {
		var err error
		if line, err = c.line(); err != nil {
			return fmt.Errorf("IMAP IDLE: %w", err)
		}
	}
	return nil
}

// WaitMail waits until there are more messages than known and returns the last one, with
// its header.
func (c *Client) WaitMail(known int) (string, error) {
	n := known
	if err := c.Idle(func(line string) bool {
		if got, ok := exists(line); ok {
			n = got
		}
		return n > known
	}); err != nil {
		return "", err
	}
	mails, err := c.Fetch("*")
	if err != nil {
		return "", err
	}
	return mails[0], nil
}

// Fetch returns the messages of a set, as "3:*", with their headers. There has to be one.
func (c *Client) Fetch(set string) (mails []string, err error) {
	untagged, err := c.OK("FETCH %s BODY.PEEK[]", set)
	if err != nil {
		return nil, err
	}
	for _, line := range untagged {
		if _, mail, ok := strings.Cut(line, "}"); ok && strings.Contains(line, " FETCH ") {
			mails = append(mails, strings.TrimSuffix(mail, ")"))
		}
	}
	if mails == nil {
		return nil, fmt.Errorf("IMAP FETCH %s: no message in %q", set, untagged)
	}
	return mails, nil
}

// exists reads "* 3 EXISTS".
func exists(line string) (n int, ok bool) {
	fields := strings.Fields(line)
	if len(fields) != 3 || fields[2] != "EXISTS" {
		return 0, false
	}
	n, err := strconv.Atoi(fields[1])
	return n, err == nil
}
