package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chatmaild/applets/chat/imap"
	"chatmaild/testdata/kit/letter"
	"chatmaild/testdata/lab"
	"chatmaild/testdata/lab/network"
	"chatmaild/testdata/lab/phone"
)

// warm is how many messages each sends before anything counts: the servers start their
// processes, and mailboxes are made.
const warm = 2

// A crowd is some accounts of a relay, each of which writes to the next one, or to one at a
// far relay.
type crowd struct {
	relay  *lab.Relay
	people []*person
	mail   *lab.Arrivals
}

// A person has an account and a connection to send over.
type person struct {
	*phone.Phone
	reader *phone.Phone
	letter *letter.Letter
}

// newCrowd makes a crowd of relay that writes to accounts of far, which may be the same.
func newCrowd(ctx context.Context, relay, far *lab.Relay, outside network.Station, size int) (*crowd, error) {
	c := &crowd{relay: relay}
	name := func(i int, relay *lab.Relay) string { return fmt.Sprintf("bench%04d@%s", i%size, relay.Domain) }
	var to []string
	for i := range size {
		p := &person{}
		var err error
		if p.Phone, err = phone.New(ctx, outside, name(i, relay)); err != nil {
			return c, err
		}
		c.people = append(c.people, p)
		if p.reader, err = phone.New(ctx, outside, name(i+1, far)); err != nil {
			return c, err
		}
		to = append(to, p.reader.Addr)
		if p.letter, err = letter.New(p.Addr, p.reader.Addr, letter.Words, time.Now()); err != nil {
			return c, err
		}
	}
	if err := c.connect(ctx); err != nil {
		return c, err
	}
	var err error
	c.mail, err = far.WatchMail(to...)
	return c, err
}

// send sends the letter, with a Message-ID of its own.
func (p *person) send() error { return p.Send(p.reader.Addr, p.letter.Next()) }

// connect opens everybody's connection for sending again.
func (c *crowd) connect(ctx context.Context) error {
	for _, p := range c.people {
		if err := p.Connect(ctx); err != nil {
			return err
		}
	}
	return nil
}

// empty has everybody delete what has come, as clients do when they have it: mailboxes are to be
// as long in the next round as in this one.
func (c *crowd) empty(ctx context.Context) error {
	for _, p := range c.people {
		inbox, err := p.reader.Session(ctx)
		if err != nil {
			return err
		}
		if err := errors.Join(empty(inbox), inbox.Close()); err != nil {
			return err
		}
	}
	return nil
}

// empty deletes all messages of a mailbox that is not empty.
func empty(inbox *imap.Client) error {
	if _, err := inbox.OK(`STORE 1:* +FLAGS.SILENT (\Deleted)`); err != nil {
		return err
	}
	_, err := inbox.OK("EXPUNGE")
	return err
}

func (c *crowd) close() {
	for _, p := range c.people {
		p.Close()
	}
	if c.mail != nil {
		c.mail.Close()
	}
}
