package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"time"

	"chatmaild/applets/chat"
	"chatmaild/applets/chat/imap"
	"chatmaild/testdata/kit/smtp"
	"chatmaild/testdata/lab"
	"chatmaild/testdata/lab/network"
)

const (
	submissions, imaps = "465", "993"
	password           = "a long and random one"
	// warm is how many messages each sends before anything counts: the servers start their
	// processes, and mailboxes are made.
	warm = 2
)

// words are what people write to each other.
const words = "Shall we meet at the bridge at six? I'll bring the bread, and something to drink."

// A crowd is some accounts of a relay, each of which writes to the next one.
type crowd struct {
	relay   *lab.Relay
	outside network.Station
	people  []*person
	mail    *lab.Arrivals
}

// A person has an account and a connection to send over.
type person struct {
	addr, to string
	out      *smtp.Client
	letter   string // but for the Message-ID
	id       string // the one in letter
}

func newCrowd(ctx context.Context, relay *lab.Relay, outside network.Station, size int) (*crowd, error) {
	c := &crowd{relay: relay, outside: outside}
	var addrs []string
	for i := range size {
		addrs = append(addrs, fmt.Sprintf("bench%04d@%s", i, relay.Domain))
	}
	for i, addr := range addrs {
		p := &person{addr: addr, to: addrs[(i+1)%size]}
		c.people = append(c.people, p)
		if err := p.write(time.Now()); err != nil {
			return c, err
		}
		// The first session makes the mailbox.
		session, err := c.session(ctx, addr)
		if err != nil {
			return c, err
		}
		session.Close()
	}
	if err := c.connect(ctx); err != nil {
		return c, err
	}
	var err error
	c.mail, err = relay.WatchMail(addrs...)
	return c, err
}

// write makes the letter of a person, with real keys: the filter is to have as much to do
// as with a client's.
func (p *person) write(now time.Time) error {
	mine, err := chat.GenerateKey(p.addr, now)
	if err != nil {
		return err
	}
	other, err := chat.GenerateKey(p.to, now)
	if err != nil {
		return err
	}
	m := &chat.Message{Date: now, Subject: "bench", Text: words, Header: textproto.MIMEHeader{"Chat-Version": {"1.0"}}}
	raw, err := (&chat.Self{Addr: p.addr, Key: mine}).Encrypt(m, []*chat.Cert{other.Cert()})
	p.letter, p.id = string(raw), m.ID
	return err
}

// next is the letter with a Message-ID of its own.
func (p *person) next() string {
	return strings.Replace(p.letter, p.id, strings.ToLower(rand.Text())+"@localhost", 1)
}

// connect opens everybody's connection for sending again, as after a restart of Postfix,
// and sends the first messages over it.
func (c *crowd) connect(ctx context.Context) error {
	for _, p := range c.people {
		if p.out != nil {
			p.out.Close()
		}
		conn, err := c.dial(ctx, submissions)
		if err != nil {
			return err
		}
		if p.out, err = smtp.New(ctx, conn); err != nil {
			return err
		}
		if _, err := p.out.Command("EHLO bench"); err != nil {
			return err
		}
		if reply, err := p.out.Login(p.addr, password); err != nil || reply[:3] != "235" {
			return fmt.Errorf("AUTH: %s, %v", reply, err)
		}
	}
	return nil
}

// dial connects with TLS, which is what a phone does. A server that is being restarted is
// waited for.
func (c *crowd) dial(ctx context.Context, port string) (net.Conn, error) {
	for {
		conn, err := c.outside.DialTLS(ctx, c.relay.Domain+":"+port)
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

// session logs an account in.
func (c *crowd) session(ctx context.Context, addr string) (*imap.Client, error) {
	conn, err := c.dial(ctx, imaps)
	if err != nil {
		return nil, err
	}
	session, err := imap.New(conn)
	if err != nil {
		return nil, err
	}
	if err := session.Login(addr, password); err != nil {
		return nil, err
	}
	if _, err := session.Select(); err != nil {
		return nil, err
	}
	return session, nil
}

func (c *crowd) close() {
	for _, p := range c.people {
		if p.out != nil {
			p.out.Close()
		}
	}
	if c.mail != nil {
		c.mail.Close()
	}
}
