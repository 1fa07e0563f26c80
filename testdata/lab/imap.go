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

// Select opens the INBOX and returns how many messages are in it.
func (c *IMAP) Select() (messages int, err error) {
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

// WaitMail waits, by IDLE (RFC 2177), until there are more messages than known
// and returns the last one, with its header.
func (c *IMAP) WaitMail(known int) (string, error) {
	if _, err := fmt.Fprint(c.conn, "idle IDLE\r\n"); err != nil {
		return "", err
	}
	for n := known; n <= known; {
		line, err := c.line()
		if err != nil {
			return "", fmt.Errorf("IMAP IDLE: %w", err)
		}
		if got, ok := exists(line); ok {
			n = got
		}
	}
	if _, err := fmt.Fprint(c.conn, "DONE\r\n"); err != nil {
		return "", err
	}
	for line := ""; !strings.HasPrefix(line, "idle "); {
		var err error
		if line, err = c.line(); err != nil {
			return "", fmt.Errorf("IMAP IDLE: %w", err)
		}
	}
	untagged, err := c.OK("FETCH * BODY.PEEK[]")
	if err != nil {
		return "", err
	}
	for _, line := range untagged {
		if _, mail, ok := strings.Cut(line, "}"); ok && strings.Contains(line, " FETCH ") {
			return strings.TrimSuffix(mail, ")"), nil
		}
	}
	return "", fmt.Errorf("IMAP FETCH: no message in %q", untagged)
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
