package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"chatmaild/testdata/kit/nameserver"
	"chatmaild/testdata/lab/load"
	"chatmaild/testdata/lab/usage"
)

const (
	// faultLasts is how long a fault stays that does not end by itself, or less if the next one
	// is near.
	faultLasts = 30 * time.Second
	// trace is how long after a fault a message may come twice: what has stored it could not
	// say so (RFC 1047).
	trace = 2 * time.Minute
	// soakRest is how long the relay rests before its memory is read: a connection for sending
	// is closed after 75 s at most, and Postfix's process ends 100 s later (max_idle).
	// backTimeout is how long everybody may take to be back.
	soakRest    = 200 * time.Second
	backTimeout = 3 * time.Minute

	soakNote = "Faults came one after the other. A clock that jumps is not among them: the relay's is this machine's (TestClock has a virtual machine for that)."

	// lossRules drop 5 % of what reaches the relay from outside.
	lossRules = "table inet loss {\n chain input {\n type filter hook input priority 0\n iifname \"eth0\" numgen random mod 20 0 drop\n }\n}\n"
	healRules = "delete table inet loss"

	// fillDisk leaves no room on the relay's disk, and goes on with what comes free.
	fillDisk = `systemd-run --quiet --unit=filler sh -c 'while :; do cat /dev/zero >>/srv/filler; sleep 0.2; done 2>/dev/null'`
	freeDisk = `systemctl stop filler; rm /srv/filler`
)

// daemons are ours, each of which is killed; programs are processes of Postfix, Dovecot and
// nginx, all of which with a name are killed at once.
var (
	daemons = strings.Fields("doveauth metadata lastlogin filtermail-out filtermail-in web maillog metrics transport echobot")
	servers = strings.Fields("dovecot.service nginx.service")

	programs = strings.Fields("imap-login imap imap-hibernate lmtp anvil stats log smtpd cleanup qmgr trivial-rewrite")
)

// A fault is something that breaks a relay for a time.
type fault struct {
	name  string
	cause func(context.Context) error
	heal  func(context.Context) error // nil: it heals by itself
}

// faults are those that were asked for, in order.
func (b *bench) faults() ([]fault, error) {
	if b.options.faults == "" {
		return nil, nil
	}
	wanted, err := regexp.Compile(b.options.faults)
	if err != nil {
		return nil, fmt.Errorf("-faults: %w", err)
	}
	all := slices.DeleteFunc(b.allFaults(), func(f fault) bool { return !wanted.MatchString(f.name) })
	if len(all) == 0 {
		return nil, fmt.Errorf("-faults: no fault is named %q", b.options.faults)
	}
	return all, nil
}

// allFaults are all of them.
func (b *bench) allFaults() []fault {
	var all []fault
	kill := func(what, line string) {
		all = append(all, fault{name: "kill -9 of " + what, cause: b.script(line)})
	}
	for i, d := range daemons {
		kill(d, "systemctl kill --signal=KILL chatmaild-"+d)
		if i < len(programs) {
			kill("all "+programs[i], "pkill -KILL -x '"+programs[i]+"' || true")
		}
	}
	for _, s := range append(servers, b.relay.PostfixUnit()) {
		kill(s, "systemctl kill --signal=KILL "+s)
	}
	outside := func(rules string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := b.relay.InNetns(ctx, "nft", rules)
			return err
		}
	}
	zone := func(f nameserver.Fault) func(context.Context) error {
		return func(context.Context) error {
			b.relay.Zone.SetFault(f)
			return nil
		}
	}
	return append(all,
		fault{"no DNS", zone(nameserver.Silent), zone(nameserver.Healthy)},
		fault{"5 % of packets lost", outside(lossRules), outside(healRules)},
		fault{"full disk", b.script(fillDisk), b.script(freeDisk)},
	)
}

// soak has people use the relay for hours, while faults come.
func (b *bench) soak(ctx, online context.Context, people *sync.WaitGroup) error {
	b.report.Title = "A relay for hours"
	all, err := b.faults()
	if err != nil {
		return err
	}
	if len(all) > 0 {
		b.report.Title = "A relay for hours, with faults"
		b.report.Notes = append(b.report.Notes, soakNote)
	}
	if err := b.load.Online(online, people, 0, b.options.sessions, abreast); err != nil {
		return err
	}
	running, end := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { b.load.Run(running) })
	defer group.Wait()
	defer end()
	b.load.Set(b.rates)
	// What starts with the first load is there before it counts.
	if err := pause(ctx, b.faultEvery); err != nil {
		return err
	}
	before, err := b.atRest(ctx)
	if err != nil {
		return err
	}
	b.load.Set(b.rates)
	b.report.steady.from = time.Now()
	var times []time.Time
	for n := 0; time.Since(b.report.Time) < b.options.load || n < len(all); n++ {
		start := time.Now()
		if len(all) > 0 {
			times = append(times, start)
			if err := b.hit(ctx, all[n%len(all)]); err != nil {
				return err
			}
		}
		if err := pause(ctx, b.faultEvery-time.Since(start)); err != nil {
			return err
		}
	}
	b.report.steady.to = time.Now()
	after, err := b.atRest(ctx)
	if err != nil {
		return err
	}
	b.compare(before, after)
	b.judgeDoubles(times)
	failed, err := b.relay.Run(ctx, "systemctl", "--failed", "--plain", "--no-legend")
	if failed != "" {
		b.report.wrong("units failed: %s", failed)
	}
	return err
}

// pause waits for a time.
func pause(ctx context.Context, long time.Duration) error {
	select {
	case <-time.After(long):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hit causes a fault, heals it, and waits until everybody is back.
func (b *bench) hit(ctx context.Context, f fault) error {
	start, events := time.Now(), b.load.Events()
	if err := f.cause(ctx); err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	if f.heal != nil {
		err := pause(ctx, min(faultLasts, b.faultEvery/2))
		if healErr := f.heal(context.WithoutCancel(ctx)); err == nil {
			err = healErr
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	healed := time.Now()
	back, cancel := context.WithTimeout(ctx, backTimeout)
	defer cancel()
	if err := b.load.Flows(back, b.options.sessions); err != nil {
		b.report.wrong("%s: %v", f.name, err)
	}
	texts, now := b.load.Mail.Texts(start, time.Now()), b.load.Events()
	b.report.step(start, f.name, "all works %v after it was over; %d sessions ended, %d messages handed over again, %d logins refused; of %d texts the last within %.1f s",
		time.Since(healed).Round(100*time.Millisecond), now.Ended-events.Ended, now.Resent-events.Resent, now.Refused-events.Refused, len(texts), quantile(texts, 1)/1000)
	return nil
}

// atRest has nothing happen, waits until all has arrived, and reads what the relay takes.
func (b *bench) atRest(ctx context.Context) (usage.Usage, error) {
	b.load.Set(load.Rates{})
	settled, cancel := context.WithTimeout(ctx, backTimeout)
	defer cancel()
	if err := b.load.Settle(settled); err != nil {
		b.report.wrong("%v", err)
	}
	if err := pause(ctx, soakRest); err != nil {
		return usage.Usage{}, err
	}
	// A session whose mailbox could not be read while the disk was full hears nothing more from
	// Dovecot until its client asks, and stays awake.
	asleep, cancel := context.WithTimeout(ctx, backTimeout)
	defer cancel()
	if err := b.relay.WaitHibernated(asleep); err != nil && ctx.Err() == nil {
		b.report.wrong("%v", err)
	}
	return usage.Read(b.relay.Host)
}

// compare looks for what has grown between two times of rest.
func (b *bench) compare(before, after usage.Usage) {
	const mib = 1 << 20
	for name, s := range after.Services {
		was, is := before.Services[name].Sum(), s.Sum()
		grown := float64(is.PSS-was.PSS) / mib
		files := is.Descriptors - was.Descriptors
		if was.Processes == 0 || name == "systemd-journald" {
			continue // it runs at times; the journal that it has mapped grows
		}
		if grown > 1 || files > 5 {
			b.report.step(after.At, "grown: "+name, "%+.1f MiB, from %.1f; %+d descriptors, from %d; %+d processes", grown, float64(was.PSS)/mib, files, was.Descriptors, is.Processes-was.Processes)
		}
		if is.PSS > was.PSS*6/5+8*mib || files > was.Descriptors/10+20 {
			b.report.wrong("%s has grown by %.1f MiB and %d descriptors", name, grown, files)
		}
	}
	was, is := before.Sum(), after.Sum()
	b.report.step(after.At, "at rest", "%.1f MiB and %d descriptors; before the faults %.1f MiB and %d", float64(is.PSS)/mib, is.Descriptors, float64(was.PSS)/mib, was.Descriptors)
}

// judgeDoubles wants what came twice to be explained by a fault.
func (b *bench) judgeDoubles(faults []time.Time) {
	unexplained := 0
	for _, at := range b.load.Mail.Account().Doubles {
		explained := false
		for _, f := range faults {
			explained = explained || at.After(f) && at.Before(f.Add(trace))
		}
		if !explained {
			unexplained++
		}
	}
	if unexplained > 0 {
		b.report.wrong("%d messages were delivered twice with no fault near", unexplained)
	}
}
