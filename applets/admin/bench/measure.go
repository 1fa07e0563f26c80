package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"chatmaild/applets/admin/remote"
)

// Options are what a measurement depends on.
type Options struct {
	Relay    *remote.Relay
	Accounts int           // that share the load, at least 2
	Messages int           // of which the delivery is timed, one after the other
	Level    time.Duration // for so long each level of load lasts
	Invite   string        // token for a relay that asks for one, of a use for each account; may be ""

	// PerMinute is how many messages an account may send in a minute, and Burst
	// how many at once after a pause. A PerMinute of 0 means no limit.
	PerMinute, Burst int

	// Progress is told what is being done; it must not be nil.
	Progress func(format string, args ...any)
}

// Bounds of a measurement.
const (
	MaxAccounts = 150 // a relay lets one address have 200 connections for sending
	maxWorkers  = 128
	// settle is how long messages in progress may still take after a level.
	settle = 20 * time.Second
	// stepTimeout bounds what happens once: a login, the end.
	stepTimeout = 30 * time.Second
)

// Report is what was measured.
type Report struct {
	Domain   string    `json:"domain"`
	Version  string    `json:"version"` // of the chatmaild that measured
	Time     time.Time `json:"time"`
	Seconds  float64   `json:"seconds"` // that all of it took
	Accounts int       `json:"accounts"`
	Limit    int       `json:"limit_per_minute"` // of each account; 0: none

	Connect  Series  `json:"connect"`     // TCP, TLS, greeting
	First    Series  `json:"first_login"` // makes the account
	Known    Series  `json:"login"`
	Delivery Series  `json:"delivery"` // from MAIL until the receiver's IDLE tells
	Untold   int     `json:"untold"`   // messages that arrived, but IDLE did not tell in time
	Levels   []Level `json:"levels"`
	Best     float64 `json:"messages_per_second"` // of the best level
	Stopped  string  `json:"stopped"`             // why there are no more levels
}

// Run measures a relay. It takes a minute or so.
func Run(ctx context.Context, o Options) (*Report, error) {
	b := &bench{Options: o, arrivals: newArrivals()}
	start := time.Now()
	b.report = &Report{
		Domain: o.Relay.Domain, Time: start.UTC().Truncate(time.Second), Accounts: o.Accounts, Limit: o.PerMinute,
	}
	defer b.close()
	for _, phase := range []func(context.Context) error{b.logIn, b.deliver, b.load} {
		if err := phase(ctx); err != nil {
			return nil, err
		}
	}
	b.report.Seconds = time.Since(start).Round(100 * time.Millisecond).Seconds()
	return b.report, nil
}

// bench is one measurement, and what it has made so far.
type bench struct {
	Options
	report    *Report
	accounts  []*account
	allowance *allowance
	arrivals  *arrivals
	receivers sync.WaitGroup
}

// logIn makes the accounts, one after the other, and logs each in again.
func (b *bench) logIn(ctx context.Context) error {
	// One at a time: a relay also limits how many accounts a network creates, and to be refused
	// here would be no measurement.
	for i := range b.Accounts {
		b.Progress("logging in: %d of %d", i+1, b.Accounts)
		c := &account{}
		b.accounts = append(b.accounts, c)
		if err := b.enter(ctx, c); err != nil {
			return fmt.Errorf("account %d of %d: %w", i+1, b.Accounts, err)
		}
	}
	for i, c := range b.accounts {
		if err := c.write(b.accounts[(i+1)%len(b.accounts)], time.Now()); err != nil {
			return err
		}
		b.receivers.Go(func() { _ = c.receive(b.arrivals) }) // what does not come is missing
	}
	b.allowance = newAllowance(b.accounts, b.PerMinute, b.Burst)
	return nil
}

// enter opens the sessions of an account that nobody has.
func (b *bench) enter(ctx context.Context, c *account) (err error) {
	if c.Account, err = b.Relay.SignUp(ctx, b.Invite); err != nil {
		return fmt.Errorf("asking for it: %w", err)
	}
	first, connected, took, err := login(ctx, b.Relay, c.Account)
	if err != nil {
		return fmt.Errorf("first login: %w", err)
	}
	b.report.Connect, b.report.First = append(b.report.Connect, connected), append(b.report.First, took)
	if err := first.Close(); err != nil {
		return err
	}
	if c.inbox, connected, took, err = login(ctx, b.Relay, c.Account); err != nil {
		return fmt.Errorf("second login: %w", err)
	}
	b.report.Connect, b.report.Known = append(b.report.Connect, connected), append(b.report.Known, took)
	// Before anything is sent: what is there at a SELECT is not told in IDLE.
	if c.known, err = c.inbox.Select(); err != nil {
		return fmt.Errorf("opening the inbox: %w", err)
	}
	c.out, err = b.Relay.Submit(ctx, remote.Submissions, "", c.Account)
	return err
}

// deliver times one message after the other.
func (b *bench) deliver(ctx context.Context) error {
	for i := range b.Messages {
		b.Progress("delivering: %d of %d", i+1, b.Messages)
		c, err := b.allowance.take(ctx)
		if err != nil {
			return err
		}
		_, err = c.send(b.arrivals)
		if errors.Is(err, errSlower) {
			b.allowance.spent(c, time.Now())
		} else if err != nil {
			return fmt.Errorf("sending: %w", err)
		}
		b.allowance.give(c)
		got := b.collect(ctx)
		b.report.Delivery = append(b.report.Delivery, got.took...)
		b.report.Untold += got.untold
		if got.missing > 0 {
			return fmt.Errorf("a message that the relay accepted did not arrive within %v", settle)
		}
	}
	b.allowance.waited()
	return nil
}

// outcome is what became of messages that the relay took.
type outcome struct {
	took            Series
	last            time.Time // when the last one came
	untold, missing int
}

// collect waits for what is on its way.
func (b *bench) collect(ctx context.Context) outcome {
	limited, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	b.arrivals.wait(limited)
	took, last, missing := b.arrivals.take()
	o := outcome{took: took, last: last}
	if len(missing) > 0 && ctx.Err() == nil {
		o.untold = b.untold(ctx, missing)
	}
	o.missing = len(missing) - o.untold
	return o
}

// close leaves the relay as it was, but for the accounts.
func (b *bench) close() {
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	b.Progress("deleting what was sent")
	var group sync.WaitGroup
	slots := make(chan struct{}, closers)
	for _, c := range b.accounts {
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			c.close(ctx, b.Relay)
		})
	}
	group.Wait()
	b.receivers.Wait()
}

const closers = 8
