package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"chatmaild/testdata/lab"
	"chatmaild/testdata/lab/load"
	"chatmaild/testdata/lab/peer"
	"chatmaild/testdata/lab/usage"
)

const (
	// awakeSessions are measured before they hibernate, and half of them: they have to log in
	// within the 10 s that a session stays awake.
	awakeSessions = 100
	// abreast is how many log in at the same time.
	abreast = 20
	// warmUp is how long a rate lasts before it counts.
	warmUp = 10 * time.Second
	// leastLoad is how long the load lasts at least: a fourth of it is a phase.
	leastLoad = 2 * time.Minute
	// every is how far samples are apart.
	every = 5 * time.Second
)

// A cost is what one of something takes: the slope between two sizes.
type cost struct {
	Name  string  `json:"name"`
	Of    string  `json:"of"` // how it was measured
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

// A bench is one measurement.
type bench struct {
	options
	relay  *lab.Relay
	load   *load.Load
	pushes *peer.PushService
	watch  *watch
	late   *lateness
	report *report
	up     time.Time // when the servers had been restarted, of -small
}

// measure has the relay do all that the options say, and writes the report.
func measure(ctx context.Context, l *lab.Lab, relay *lab.Relay, o options, do scenario) error {
	pushes, err := startPushes(ctx, l, relay)
	if err != nil {
		return err
	}
	defer pushes.Stop()
	d, err := load.New(ctx, l, relay, max(o.accounts/2, o.sessions), o.sessions)
	if err != nil {
		return err
	}
	b := &bench{o, relay, d, pushes, &watch{relay: relay, load: d, pushes: pushes, every: every}, &lateness{}, newReport("A relay under load"), time.Time{}}
	online, leave := context.WithCancel(ctx)
	var people, watching sync.WaitGroup
	defer people.Wait()
	defer leave()
	watching.Go(func() { b.watch.run(online) })
	watching.Go(func() { b.late.run(online) })
	err = do(b, ctx, online, &people)
	leave()
	watching.Wait()
	b.report.end(d, b.watch.all())
	err = errors.Join(err, b.report.print(os.Stdout), b.report.write(o.out))
	if err == nil && len(b.report.Wrong) > 0 {
		err = fmt.Errorf("%d things are not as they must be", len(b.report.Wrong))
	}
	return err
}

// costs measures what one of each takes.
func (b *bench) costs(ctx, online context.Context, people *sync.WaitGroup) error {
	if err := b.accounts(ctx); err != nil {
		return err
	}
	if err := b.sessions(ctx, online, people); err != nil {
		return err
	}
	return b.messages(ctx)
}

// startPushes starts the service that the relay notifies.
func startPushes(ctx context.Context, l *lab.Lab, relay *lab.Relay) (*peer.PushService, error) {
	p, err := peer.AddPushService(ctx, l.Network)
	if err != nil {
		return nil, err
	}
	if err := relay.TrustRoot(ctx, "lab-push", p.Root); err != nil {
		return nil, err
	}
	if _, err := relay.Run(ctx, "systemctl", "restart", "chatmaild-metadata.service"); err != nil {
		return nil, err
	}
	return p, p.Start()
}

// accounts measures what an account takes on the disk.
func (b *bench) accounts(ctx context.Context) error {
	if b.options.sessions < 2*awakeSessions || b.options.accounts < 2*b.options.sessions {
		return fmt.Errorf("-sessions must be at least %d, and -accounts twice as many", 2*awakeSessions)
	}
	if b.options.load < leastLoad {
		return fmt.Errorf("-load must be at least %v", leastLoad)
	}
	half, err := b.load.Disk()
	if err != nil {
		return err
	}
	if err := b.load.Furnish(ctx, b.options.accounts); err != nil {
		return err
	}
	all, err := b.load.Disk()
	if err != nil {
		return err
	}
	first, second := b.options.accounts/2, b.options.accounts
	b.report.cost("account on disk", fmt.Sprintf("blocks of %d and of %d accounts, new and without messages", first, second),
		float64(all-half)/float64(second-first)/1024, "KiB")
	return nil
}

// sessions measures what a session takes, awake and in hibernation.
func (b *bench) sessions(ctx, online context.Context, people *sync.WaitGroup) error {
	if err := b.relay.WaitHibernated(ctx); err != nil { // the echo bot's
		return err
	}
	var memory []parts
	read := func() error {
		u, err := usage.Read(b.relay.Host)
		memory = append(memory, memoryOf(u))
		return err
	}
	from := 0
	come := func(to int) error {
		err := b.load.Online(online, people, from, to, abreast)
		from = to
		if err == nil {
			err = read()
		}
		return err
	}
	sleep := func() error {
		if err := b.relay.WaitHibernated(ctx); err != nil {
			return err
		}
		return read()
	}
	for _, do := range []func() error{
		read,
		func() error { return come(awakeSessions / 2) },
		func() error { return come(awakeSessions) },
		func() error { return come(b.options.sessions / 2) }, sleep,
		func() error { return come(b.options.sessions) }, sleep,
	} {
		if err := do(); err != nil {
			return err
		}
	}
	const awakeHalf, awakeAll, asleepHalf, asleepAll = 1, 2, 4, 6
	b.report.cost("awake session", fmt.Sprintf("memory with %d and with %d of them", awakeSessions/2, awakeSessions),
		1024*(memory[awakeAll].All-memory[awakeHalf].All)/(awakeSessions-awakeSessions/2), "KiB")
	first, second := b.options.sessions/2, b.options.sessions
	b.report.cost(idleSession, fmt.Sprintf("memory with %d and with %d of them, which hibernate", first, second),
		1024*(memory[asleepAll].All-memory[asleepHalf].All)/float64(second-first), "KiB")
	b.report.Rest, b.report.Idle = memory[0].All, memory[asleepAll].All
	return nil
}

// A phase is what was done in a time at the same rates.
type phase struct {
	seconds          float64
	cpu              parts
	messages, pushes float64 // a second
}

// phase keeps the rates for a time, and measures but for the beginning.
func (b *bench) phase(ctx context.Context, r load.Rates, long time.Duration) (p phase, err error) {
	b.load.Set(r)
	var states [2]state
	for i, wait := range []time.Duration{warmUp, long - warmUp} {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return p, ctx.Err()
		}
		u, err := usage.ReadCPU(b.relay.Host)
		if err != nil {
			return p, err
		}
		states[i] = state{u, b.load.Mail.Arrived(), b.pushes.Count()}
	}
	p.seconds = states[1].At.Sub(states[0].At).Seconds()
	p.cpu = cpuOf(states[1].Usage).minus(cpuOf(states[0].Usage)).times(1 / p.seconds)
	p.messages = float64(states[1].arrived-states[0].arrived) / p.seconds
	p.pushes = float64(states[1].pushes-states[0].pushes) / p.seconds
	return p, nil
}

// messages measures what messages and notifications take, at rates that stay the same
// otherwise.
func (b *bench) messages(ctx context.Context) error {
	running, end := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { b.load.Run(running) })
	defer group.Wait()
	defer end()
	half, quiet := b.rates, b.rates
	half.Messages, half.Pushes, quiet.Pushes = b.rates.Messages/2, 0, 0
	b.report.steady.from = time.Now()
	var phases []phase
	for _, p := range []struct {
		rates load.Rates
		part  time.Duration
	}{{half, 5}, {quiet, 5}, {b.rates, 10}} { // the last one is what the report is about
		measured, err := b.phase(ctx, p.rates, b.options.load*p.part/20)
		if err != nil {
			return err
		}
		phases = append(phases, measured)
	}
	if err := b.stages(ctx, time.Now().Add(-b.options.load/2)); err != nil {
		return err
	}
	b.load.Set(load.Rates{})
	if err := b.load.Settle(ctx); err != nil {
		return err
	}
	one, two, three := phases[0], phases[1], phases[2]
	message := two.cpu.minus(one.cpu).times(1000 / (two.messages - one.messages))
	b.report.cost(perMessage, fmt.Sprintf("processor time at %.1f and at %.1f a second: Dovecot %.1f, Postfix %.1f, others %.1f", one.messages, two.messages,
		message.Dovecot, message.Postfix, message.Ours), message.All, "ms")
	push := 1000 * (three.cpu.All - two.cpu.All - message.All/1000*(three.messages-two.messages)) / (three.pushes - two.pushes)
	b.report.cost(perPush, fmt.Sprintf("processor time at %.1f and at %.1f a second", two.pushes, three.pushes), push, "ms")
	b.report.Last = three
	return nil
}
