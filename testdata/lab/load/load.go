// Package load puts a relay under the load of many people: they are in IDLE, write to each
// other and to groups, send files, log in for a moment, and new ones come. What is sent and
// what arrives is written down, each copy.
//
// Its people do as the Delta Chat core does, as far as a server can see: a session stays in
// IDLE; what comes is fetched and deleted at once; a session that ends is opened again; a
// connection for sending is used again for a minute; a message without a 250 is sent again
// with the same Message-ID, seven times at most.
package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"chatmaild/testdata/kit/letter"
	"chatmaild/testdata/lab"
	"chatmaild/testdata/lab/network"
	"chatmaild/testdata/lab/phone"
)

// stations is over how many addresses the people are spread: a relay limits what it takes
// from one.
const stations = 8

// Rates are how much happens.
type Rates struct {
	Messages float64 // copies that are delivered in a second
	Pushes   float64 // of these, that wake a device, in a second
	Accounts float64 // new ones, in an hour
	Visits   float64 // of people who look and leave, in an hour
}

// Times returns the rates, a factor higher.
func (r Rates) Times(f float64) Rates {
	return Rates{r.Messages * f, r.Pushes * f, r.Accounts * f, r.Visits * f}
}

// A Load is people who use a relay.
type Load struct {
	relay    *lab.Relay
	outside  []network.Station
	people   []*person
	larger   []larger
	accounts int // of whom some visit

	// Mail is what was sent, and what has arrived.
	Mail  *Ledger
	rates atomic.Pointer[Rates]

	mu     sync.Mutex
	events Events
	logins []Took // each from the first try until the mailbox was open
}

// Events is how often what happened.
type Events struct {
	Sessions int // that are open
	Logins   int
	// Refused are logins to which the server said no, with its words; Ended are sessions that
	// ended for another reason than ours.
	Refused, Ended int
	Accounts       int // new ones
	Resent         int // messages that were handed over again
	Failed         int // messages that were given up, or refused for good
	Words          map[string]int
}

// New prepares the accounts: on the relay lies one for each, as a first login makes it. The
// first people of them are online once Start is called.
func New(ctx context.Context, l *lab.Lab, relay *lab.Relay, accounts, people int) (*Load, error) {
	if people > accounts {
		return nil, fmt.Errorf("%d people with %d accounts", people, accounts)
	}
	d := &Load{relay: relay, Mail: newLedger()}
	d.events.Words = map[string]int{}
	d.rates.Store(&Rates{})
	for i := range stations {
		s, err := l.AddStation(ctx, fmt.Sprintf("people%d", i))
		if err != nil {
			return nil, err
		}
		d.outside = append(d.outside, s)
	}
	if err := d.Furnish(ctx, accounts); err != nil {
		return nil, err
	}
	for i := range people {
		p := &person{Phone: phoneOf(d, i), load: d, number: i}
		var err error
		if p.text, err = letter.New(p.Addr, p.Addr, letter.Words, time.Now()); err != nil {
			return nil, err
		}
		d.people = append(d.people, p)
	}
	var err error
	d.larger, err = writeLarger(d.people)
	return d, err
}

// address is that of an account: a name of nine letters.
func address(d *Load, i int) string { return fmt.Sprintf("p%08d@%s", i, d.relay.Domain) }

func phoneOf(d *Load, i int) *phone.Phone {
	return phone.Of(d.outside[i%len(d.outside)], address(d, i))
}

// online tells whether somebody has a session.
func (d *Load) online(addr string) bool {
	var n int
	fmt.Sscanf(addr, "p%08d@", &n)
	return d.people[n].online.Load()
}

// Set sets the rates.
func (d *Load) Set(r Rates) { d.rates.Store(&r) }

// Online has the people come online from one number to another, so many at the same time,
// and waits until each has an open mailbox once. They stay until ctx ends.
func (d *Load) Online(ctx context.Context, group *sync.WaitGroup, from, to, abreast int) error {
	slots, errs := make(chan struct{}, abreast), make(chan error, to-from)
	for _, p := range d.people[from:to] {
		group.Go(func() { p.stay(ctx, slots, errs) })
	}
	var err error
	for range to - from {
		err = errors.Join(err, <-errs)
	}
	return err
}

// Wait waits until so many sessions are open.
func (d *Load) Wait(ctx context.Context, want int) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for d.Events().Sessions < want {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d sessions are open: %w", d.Events().Sessions, want, ctx.Err())
		}
	}
	return nil
}

// Flows is Wait, and then waits until a text has arrived that was sent later.
func (d *Load) Flows(ctx context.Context, sessions int) error {
	if err := d.Wait(ctx, sessions); err != nil {
		return err
	}
	start := time.Now()
	tick := time.NewTicker(rest)
	defer tick.Stop()
	for !d.Mail.fresh(start) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("no text has arrived: %w", ctx.Err())
		}
	}
	return nil
}

// Run has things happen, until ctx ends.
func (d *Load) Run(ctx context.Context) {
	var group sync.WaitGroup
	defer group.Wait()
	for _, each := range []struct {
		rate func(*Rates) float64 // a second
		do   func(context.Context)
	}{
		{func(r *Rates) float64 { return r.Messages / copiesOfPost }, d.post},
		{func(r *Rates) float64 { return r.Accounts / 3600 }, d.join},
		{func(r *Rates) float64 { return r.Visits / 3600 }, d.visit},
	} {
		group.Go(func() { d.repeat(ctx, each.rate, each.do) })
	}
}

// rest is how long one waits before a rate is looked at that was 0.
const rest = 100 * time.Millisecond

// inHand bounds what one rate has going on at the same time: people do not wait for each
// other, but a relay that stands still is not to get more and more.
const inHand = 1000

// repeat does something at a rate, in random distances as if many people did it.
func (d *Load) repeat(ctx context.Context, rate func(*Rates) float64, do func(context.Context)) {
	var group sync.WaitGroup
	defer group.Wait()
	slots := make(chan struct{}, inHand)
	next := time.Now()
	for ctx.Err() == nil {
		r := rate(d.rates.Load())
		if r == 0 {
			next = time.Now().Add(rest)
		} else {
			next = next.Add(time.Duration(rand.ExpFloat64() / r * float64(time.Second)))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(next)):
		}
		if r == 0 {
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		group.Go(func() {
			do(ctx)
			<-slots
		})
	}
}

// join makes a new account.
func (d *Load) join(ctx context.Context) {
	d.mu.Lock()
	n := d.accounts
	d.accounts++
	d.mu.Unlock()
	start := time.Now()
	_, err := phone.New(ctx, d.outside[n%len(d.outside)], address(d, n))
	d.noteLogin(ctx, start, err)
	if err == nil {
		d.note(func(e *Events) { e.Accounts++ })
	}
}

// visit has somebody look into a mailbox and leave.
func (d *Load) visit(ctx context.Context) {
	start := time.Now()
	session, err := phoneOf(d, rand.IntN(len(d.people))).Session(ctx)
	d.noteLogin(ctx, start, err)
	if err == nil {
		session.Close()
	}
}

// note changes the events.
func (d *Load) note(f func(*Events)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(&d.events)
}

// words notes a refusal, without what differs from one to the next.
func (e *Events) words(err error) {
	text := err.Error()
	if i := strings.IndexAny(text, "<@"); i > 0 {
		text = text[:i]
	}
	if len(e.Words) < 50 {
		e.Words[text[:min(len(text), 120)]]++
	}
}

// Events is what has happened so far.
func (d *Load) Events() Events {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.events
	e.Words = map[string]int{}
	for text, n := range d.events.Words {
		e.Words[text] = n
	}
	return e
}

// Logins is how long logins took that ended in a time.
func (d *Load) Logins(from, until time.Time) (all []time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.logins {
		if !t.At.Before(from) && t.At.Before(until) {
			all = append(all, t.In)
		}
	}
	return all
}

// Settle waits until each message that got its 250 has arrived.
func (d *Load) Settle(ctx context.Context) error {
	tick := time.NewTicker(rest)
	defer tick.Stop()
	for {
		a := d.Mail.Account()
		if a.Lost == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d messages have not arrived: %w", a.Lost, a.Accepted, ctx.Err())
		}
	}
}
