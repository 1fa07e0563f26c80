package lab

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"unicode/utf8"
)

// An SMTP is a raw dialogue with an SMTP server (RFC 5321).
type SMTP struct {
	Greeting string

	conn net.Conn
	host string
	text *textproto.Conn
}

// SMTP connects to a port, with TLS from the start on port 465. The dialogue
// has to end when ctx does.
func (s Station) SMTP(ctx context.Context, host, port string) (c *SMTP, err error) {
	c = &SMTP{host: host}
	address := net.JoinHostPort(host, port)
	if port == submissionsPort {
		c.conn, err = s.DialTLS(ctx, address)
	} else {
		c.conn, err = s.DialContext(ctx, "tcp", address)
	}
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		c.conn.SetDeadline(deadline)
	}
	c.text = textproto.NewConn(c.conn)
	if _, c.Greeting, err = c.text.ReadResponse(220); err != nil {
		c.Close()
		return nil, fmt.Errorf("SMTP greeting: %w", err)
	}
	return c, nil
}

// Command sends a line and returns the reply: "250 text", lines apart by \n.
func (c *SMTP) Command(format string, args ...any) (string, error) {
	if err := c.text.PrintfLine(format, args...); err != nil {
		return "", err
	}
	return c.reply()
}

func (c *SMTP) reply() (string, error) {
	code, text, err := c.text.ReadResponse(0)
	if err != nil {
		return "", fmt.Errorf("reading an SMTP reply: %w", err)
	}
	return fmt.Sprintf("%d %s", code, text), nil
}

// StartTLS turns the connection into a secure one (RFC 3207).
func (c *SMTP) StartTLS(ctx context.Context) error {
	reply, err := c.Command("STARTTLS")
	if err != nil {
		return err
	}
	if reply[:3] != "220" {
		return fmt.Errorf("STARTTLS: %s", reply)
	}
	secure := tls.Client(c.conn, insecure(c.host))
	if err := secure.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("STARTTLS: %w", err)
	}
	c.conn, c.text = secure, textproto.NewConn(secure)
	return nil
}

// Login logs in by AUTH PLAIN (RFC 4616) and returns the reply.
func (c *SMTP) Login(user, password string) (string, error) {
	return c.Command("AUTH PLAIN %s", base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+password)))
}

// Send is SendAll for one recipient.
func (c *SMTP) Send(from, to, message string) (string, error) {
	return c.SendAll(from, []string{to}, message)
}

// SendAll hands a message over and returns the last reply: that to the message,
// or the first refusal before it. Line ends are made CRLF, dots are doubled, and an
// address in UTF-8 is declared (RFC 6531).
func (c *SMTP) SendAll(from string, to []string, message string) (string, error) {
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
func (c *SMTP) Body(message string) (string, error) {
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
func (c *SMTP) Close() error { return c.text.Close() }
