// Package handback gives a message back to Postfix, which takes it for signed and delivers
// it by its own client (transport = "postfix"). The protocol is go-smtp's, over a unix
// socket that only the transport and Postfix can open.
package handback

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/emersion/go-smtp"

	"chatmaild/applets/transport/smtpout"
)

// Socket is where Postfix listens; its master.cf calls the service "handback".
const Socket = "/var/spool/postfix/public/handback"

// timeout is for each reply of Postfix.
const timeout = 60 * time.Second

// Client hands messages back.
type Client struct {
	Name   string // to say hello with
	Socket string
}

// Deliver hands a message back, and returns Postfix's reply for each recipient. What it does
// not take stays in its queue unsigned, and comes again.
func (c *Client) Deliver(ctx context.Context, _ string, m smtpout.Message) []smtpout.Reply {
	replies, err := c.send(ctx, m)
	if err == nil {
		return replies
	}
	text := "Postfix does not take the signed message back"
	var said *smtp.SMTPError
	if errors.As(err, &said) {
		text += fmt.Sprintf(": %d %s", said.Code, said.Message)
	}
	return slices.Repeat([]smtpout.Reply{{Code: 451, Status: [3]int{4, 3, 0}, Text: text}}, len(m.Recipients))
}

// send is one connection with one message. Whatever Postfix says against a message that was
// in its queue before is for now: it is deferred.
func (c *Client) send(ctx context.Context, m smtpout.Message) ([]smtpout.Reply, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", c.Socket)
	if err != nil {
		return nil, fmt.Errorf("connecting to Postfix: %w", err)
	}
	client := smtp.NewClient(conn)
	defer client.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	client.CommandTimeout, client.SubmissionTimeout = timeout, timeout
	if err := client.Hello(c.Name); err != nil {
		return nil, fmt.Errorf("handing back: %w", err)
	}
	if err := client.Mail(m.Sender, &smtp.MailOptions{Size: m.Size, UTF8: m.UTF8}); err != nil {
		return nil, fmt.Errorf("handing back: %w", err)
	}
	for _, to := range m.Recipients {
		if err := client.Rcpt(to, nil); err != nil {
			return nil, fmt.Errorf("handing back: %w", err)
		}
	}
	text, err := client.Data()
	if err != nil {
		return nil, fmt.Errorf("handing back: %w", err)
	}
	if _, err := io.Copy(text, m.Open()); err != nil {
		return nil, fmt.Errorf("handing back: %w", err)
	}
	taken, err := text.CloseWithResponse()
	if err != nil {
		return nil, fmt.Errorf("handing back: %w", err)
	}
	r := smtpout.Reply{Code: 250, Status: [3]int{2, 0, 0}, Text: taken.StatusText}
	return slices.Repeat([]smtpout.Reply{r}, len(m.Recipients)), nil
}
