package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"chatmaild/testdata/lab/debian"
	"chatmaild/testdata/lab/load"
	"chatmaild/testdata/lab/machine"
)

const (
	// smallMemory is what the small machine has, in bytes.
	smallMemory = 1 << 30
	// smallText is what 95 % of the texts must be faster than, in milliseconds, and
	// smallBack is how soon everybody must be back after a restart of everything.
	smallText = 500
	smallBack = 3 * time.Minute
	// smallAvailable is min_available_memory's default: below it no accounts are created.
	smallAvailable = 200 << 20

	restartAll = `systemctl restart "$1" dovecot.service nginx.service 'chatmaild-*.service'`

	smallNote = "The relay was held to 1 GiB of memory and one processor by cgroups, without swap; the people were on another processor. " +
		"In a virtual machine of that size the kernel itself takes some 60 to 100 MiB of it, and what boots the machine; here these are the host's. " +
		"Page cache and sockets count in both. A text counts if its recipient was logged in when it was handed over; during the storm, if it was begun once the servers were up again."
)

// pin keeps this program to a processor, before others there: that it waits is not to count
// as the relay's time.
func pin(processor int) error {
	const priority = -15
	var set unix.CPUSet
	set.Set(processor)
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, task := range tasks {
		var id int
		if _, err := fmt.Sscan(task.Name(), &id); err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, &set); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("keeping to processor %d: %w", processor, err)
		}
		if err := unix.Setpriority(unix.PRIO_PROCESS, id, priority); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("setting the priority: %w", err)
		}
	}
	return nil
}

// small is the day of a small relay.
func (b *bench) small(ctx, online context.Context, people *sync.WaitGroup) error {
	b.report.Title = "A relay on a small machine"
	b.report.Notes = append(b.report.Notes, smallNote)
	next, err := b.nextVersion(ctx)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := b.load.Online(online, people, 0, b.options.sessions, abreast); err != nil {
		return err
	}
	b.report.step(start, "log in", "%d people within %v", b.options.sessions, time.Since(start).Round(time.Second))
	running, end := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { b.load.Run(running) })
	defer group.Wait()
	defer end()
	b.load.Set(b.rates)
	for _, p := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"nothing else", b.nothing},
		{"everything restarts", b.restartAll},
		{"expiry", b.script("systemctl start chatmaild-expire.service")},
		{"backup", b.script("chatmaild backup /srv/relay.backup && chatmaild backup --verify /srv/relay.backup")},
		{"upgrade", func(ctx context.Context) error { return b.relay.InstallDeb(ctx, next) }},
	} {
		if err := b.during(ctx, p.name, b.options.load/5, p.do); err != nil {
			return err
		}
	}
	b.load.Set(load.Rates{})
	if err := b.load.Settle(ctx); err != nil {
		b.report.wrong("%v", err)
	}
	return b.judgeSmall(ctx)
}

// nextVersion is the package of another version.
func (b *bench) nextVersion(ctx context.Context) (string, error) {
	deb, err := debian.Deb()
	if err != nil {
		return "", err
	}
	return debian.Repack(ctx, deb, b.dir, "9.0.0", `printf next >>"$1/usr/sbin/chatmaild"`)
}

func (b *bench) nothing(context.Context) error { return nil }

// script runs lines of sh on the relay.
func (b *bench) script(lines string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := b.relay.Script(ctx, lines)
		return err
	}
}

// restartAll restarts all servers at the same time, and waits until all sessions are open
// again.
func (b *bench) restartAll(ctx context.Context) error {
	before := b.load.Events()
	start := time.Now()
	if _, err := b.relay.Run(ctx, "sh", "-euc", restartAll, "restart", b.relay.PostfixUnit()); err != nil {
		return err
	}
	b.up = time.Now()
	down := b.up.Sub(start)
	wait, cancel := context.WithTimeout(ctx, 2*smallBack)
	defer cancel()
	if err := b.load.Wait(wait, b.options.sessions); err != nil {
		b.report.wrong("%v", err)
	}
	back := time.Since(start)
	after := b.load.Events()
	logins := b.load.Logins(start, time.Now())
	b.report.step(start, "login storm", "systemctl took %v; all %d sessions were open again after %v; a login took %.0f ms (half), %.0f ms (95 %%), %.0f ms at most; %d refused",
		down.Round(100*time.Millisecond), b.options.sessions, back.Round(100*time.Millisecond), quantile(logins, 0.5), quantile(logins, 0.95), quantile(logins, 1),
		after.Refused-before.Refused)
	for _, s := range b.load.Mail.Stages(b.up, time.Now()) {
		b.report.stage("storm: "+s.Name, s.Took)
	}
	if back > smallBack {
		b.report.wrong("after a restart of everything, all were back after %v: want %v at most", back.Round(time.Second), smallBack)
	}
	return nil
}

// during does something under load, and waits until a time has passed; the texts of that
// time are judged.
func (b *bench) during(ctx context.Context, name string, long time.Duration, do func(context.Context) error) error {
	start := time.Now()
	if err := do(ctx); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	took := time.Since(start)
	select {
	case <-time.After(long - took):
	case <-ctx.Done():
		return ctx.Err()
	}
	texts := b.load.Mail.Texts(start, time.Now())
	if b.up.After(start) {
		b.report.step(start, name, "%d texts until all were back: 95 %% within %.0f ms; what follows is of those that were begun when the servers were up again", len(texts), quantile(texts, 0.95))
		texts = b.load.Mail.Sent(b.up, time.Now())
	}
	p95 := quantile(texts, 0.95)
	b.report.step(start, name, "took %v; %d texts in %v: half within %.0f ms, 95 %% within %.0f ms, all within %.0f ms",
		took.Round(100*time.Millisecond), len(texts), time.Since(start).Round(time.Second), quantile(texts, 0.5), p95, quantile(texts, 1))
	if p95 > smallText {
		b.report.wrong("%s: 95 %% of the texts within %.0f ms, want %d", name, p95, smallText)
	}
	return nil
}

// judgeSmall looks whether the machine was large enough.
func (b *bench) judgeSmall(ctx context.Context) error {
	m, err := machine.ReadMemory(b.relay.Host)
	if err != nil {
		return err
	}
	if m.Killed > 0 {
		b.report.wrong("%d processes were killed for want of memory", m.Killed)
	}
	least := float64(m.Limit)
	for _, s := range b.watch.all() {
		least = min(least, s.Available*(1<<20))
	}
	b.report.step(time.Now(), "memory", "at least %.0f MiB of %d were available at any time; %d processes killed for want of it", least/(1<<20), m.Limit>>20, m.Killed)
	if least < smallAvailable {
		b.report.wrong("only %.0f MiB of memory were available: below 200 MiB no accounts are created", least/(1<<20))
	}
	if e := b.load.Events(); e.Refused > 0 {
		b.report.wrong("%d logins were refused", e.Refused)
	}
	status, err := b.relay.Exec(ctx, nil, "chatmaild", "status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(status.Stdout) {
		if strings.Contains(line, "machine") {
			b.report.step(time.Now(), "chatmaild status", "%s", strings.TrimSpace(line))
		}
	}
	return nil
}
