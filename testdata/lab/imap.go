package lab

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

const (
	imapsPort       = "993"
	submissionsPort = "465"

	maxLiteral = 64 << 20
)

// An IMAP is a raw dialogue with an IMAP server (RFC 3501), for what the core
// does not show.
type IMAP struct {
	Greeting string

	conn net.Conn
	r    *bufio.Reader
	tag  int
}

// IMAP connects by TLS to port 993. The dialogue has to end when ctx does.
func (s Station) IMAP(ctx context.Context, host string) (*IMAP, error) {
	conn, err := s.DialTLS(ctx, net.JoinHostPort(host, imapsPort))
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	c := &IMAP{conn: conn, r: bufio.NewReader(conn)}
	if c.Greeting, err = c.line(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("IMAP greeting: %w", err)
	}
	return c, nil
}

// Command sends a command and returns what came before the tagged reply, with
// literals in place, and the tagged reply without its tag: "OK …", "NO …".
func (c *IMAP) Command(format string, args ...any) (untagged []string, status string, err error) {
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
func (c *IMAP) OK(format string, args ...any) (untagged []string, err error) {
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
func (c *IMAP) Login(user, password string) error {
	_, err := c.OK("LOGIN %q %q", user, password)
	return err
}

// Close ends the connection.
func (c *IMAP) Close() error { return c.conn.Close() }

// line reads one response; literals (section 4.3) are part of it.
func (c *IMAP) line() (string, error) {
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
