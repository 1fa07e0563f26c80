// Package smtp is the raw dialogue of tests with an SMTP or LMTP server (RFC 5321, RFC
// 2033). It sends what no client would, and shows replies as they came. What admin commands
// say to a server of others is applets/admin/remote: that bounds each reply, and takes it
// apart.
package smtp

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"unicode/utf8"
)

// A Client is one session.
type Client struct {
	Greeting string

	conn net.Conn
	text *textproto.Conn
}

// New reads the greeting of the server at the other end of conn. The dialogue has to end
// when ctx does.
func New(ctx context.Context, conn net.Conn) (*Client, error) {
	c := &Client{conn: conn, text: textproto.NewConn(conn)}
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	var err error
	if _, c.Greeting, err = c.text.ReadResponse(220); err != nil {
		c.Close()
		return nil, fmt.Errorf("SMTP greeting: %w", err)
	}
	return c, nil
}

// Command sends a line and returns the reply: "250 text", lines apart by \n.
func (c *Client) Command(format string, args ...any) (string, error) {
	if err := c.text.PrintfLine(format, args...); err != nil {
		return "", err
	}
	return c.reply()
}

func (c *Client) reply() (string, error) {
	code, text, err := c.text.ReadResponse(0)
	if err != nil {
		return "", fmt.Errorf("reading an SMTP reply: %w", err)
	}
	return fmt.Sprintf("%d %s", code, text), nil
}

// Raw sends bytes as they are and returns the reply.
func (c *Client) Raw(text string) (string, error) {
	if _, err := io.WriteString(c.conn, text); err != nil {
		return "", err
	}
	return c.reply()
}

// StartTLS turns the connection into a secure one (RFC 3207).
func (c *Client) StartTLS(ctx context.Context, config *tls.Config) error {
	reply, err := c.Command("STARTTLS")
	if err != nil {
		return err
	}
	if reply[:3] != "220" {
		return fmt.Errorf("STARTTLS: %s", reply)
	}
	secure := tls.Client(c.conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("STARTTLS: %w", err)
	}
	c.conn, c.text = secure, textproto.NewConn(secure)
	return nil
}

// Login logs in by AUTH PLAIN (RFC 4616) and returns the reply.
func (c *Client) Login(user, password string) (string, error) {
	return c.Command("AUTH PLAIN %s", base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+password)))
}

// Send is SendAll for one recipient.
func (c *Client) Send(from, to, message string) (string, error) {
	return c.SendAll(from, []string{to}, message)
}

// SendAll hands a message over and returns the last reply: that to the message,
// or the first refusal before it. Line ends are made CRLF, dots are doubled, and an
// address in UTF-8 is declared (RFC 6531).
func (c *Client) SendAll(from string, to []string, message string) (string, error) {
	type step struct{ line, want string }
	parameter := ""
	if strings.ContainsFunc(from+strings.Join(to, ""), func(r rune) bool { return r >= utf8.RuneSelf }) {
		parameter = " SMTPUTF8"
	}
	steps := []step{{"MAIL FROM:<" + from + ">" + parameter, "250"}}
	for _, addr := range to {
		steps = append(steps, step{"RCPT TO:<" + addr + ">", "250"})
	}
	for _, step := range append(steps, step{"DATA", "354"}) {
		reply, err := c.Command("%s", step.line)
		if err != nil || reply[:3] != step.want {
			return reply, err
		}
	}
	return c.Body(message)
}

// Body hands over what follows DATA and returns the reply to the message.
func (c *Client) Body(message string) (string, error) {
	w := c.text.DotWriter()
	if _, err := w.Write([]byte(message)); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return c.reply()
}

// Close ends the connection.
func (c *Client) Close() error { return c.text.Close() }
