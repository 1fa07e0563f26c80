// Package phone is a client of benchmarks: it speaks SMTP and IMAP itself, over TLS, and does
// no more than that, so that the times are the servers'. The real client is package core.
package phone

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"chatmaild/applets/chat/imap"
	"chatmaild/testdata/kit/smtp"
	"chatmaild/testdata/lab/network"
)

const (
	submissions, imaps = "465", "993"
	password           = "a long and random one"
)

// A Phone is that of a user who has an address on a relay of the lab.
type Phone struct {
	Addr string
	Via  string       // the machine to connect to, if not the one that the domain's name leads to
	Out  *smtp.Client // to send over, once connected

	outside network.Station
}

// Of is the phone of an account that there is already, by the password of all.
func Of(outside network.Station, addr string) *Phone { return &Phone{Addr: addr, outside: outside} }

// New makes an account, whose first session also makes the mailbox.
func New(ctx context.Context, outside network.Station, addr string) (*Phone, error) {
	p := Of(outside, addr)
	session, err := p.Session(ctx)
	if err != nil {
		return nil, err
	}
	return p, session.Close()
}

// Session logs in and selects the inbox.
func (p *Phone) Session(ctx context.Context) (*imap.Client, error) {
	conn, err := p.dial(ctx, imaps)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	session, err := imap.New(conn)
	if err == nil {
		err = session.Login(p.Addr, password)
	}
	if err == nil {
		_, err = session.Select()
	}
	if !stop() {
		err = errors.Join(ctx.Err(), err)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return session, nil
}

// Connect opens the connection for sending again, as after a restart of Postfix.
func (p *Phone) Connect(ctx context.Context) error {
	p.Close()
	conn, err := p.dial(ctx, submissions)
	if err != nil {
		return err
	}
	// That it has to be open soon is not to end it later.
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if p.Out, err = smtp.New(context.WithoutCancel(ctx), conn); err != nil {
		p.Out = nil
		return err
	}
	if _, err := p.Out.Command("EHLO bench"); err != nil {
		return err
	}
	if reply, err := p.Out.Login(p.Addr, password); err != nil || reply[:3] != "235" {
		return fmt.Errorf("AUTH: %s, %w", reply, err)
	}
	return nil
}

// Other is the same user's with another connection for sending.
func (p *Phone) Other(ctx context.Context) (*Phone, error) {
	o := Of(p.outside, p.Addr)
	o.Via = p.Via
	return o, o.Connect(ctx)
}

// Send sends a message, which must be accepted.
func (p *Phone) Send(to, message string) error {
	reply, err := p.Out.Send(p.Addr, to, message)
	if err == nil && reply[:3] != "250" {
		err = errors.New("a message was refused: " + reply)
	}
	return err
}

// Close hangs up.
func (p *Phone) Close() {
	if p.Out != nil {
		p.Out.Close()
		p.Out = nil
	}
}

// dial connects to the relay. One that is being restarted is waited for.
func (p *Phone) dial(ctx context.Context, port string) (net.Conn, error) {
	host := p.Via
	if host == "" {
		_, host, _ = strings.Cut(p.Addr, "@")
	}
	for {
		conn, err := p.outside.DialTLS(ctx, net.JoinHostPort(host, port))
		if err == nil {
			return conn, nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, err
		}
	}
}
