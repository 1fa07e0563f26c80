package status

import (
	"context"
	"fmt"
	"time"

	"chatmaild/applets/admin/host"
	"chatmaild/applets/command"
)

// clockNews is by how much a clock has to be set for status to speak of it: more than a
// time service corrects at a start.
const clockNews = 5 * time.Second

// clock tells of a clock that was set, or that nobody keeps.
func (e *examiner) clock(ctx context.Context) {
	// A clock that is wrong makes certificates invalid, lets notifications expire and mail be
	// deleted too early or never; nothing in the logs says so.
	kept, err := host.ClockKept()
	if err != nil {
		e.say("clock", notice, "", "%v", err)
		return
	}
	ahead, err := e.clockSet(ctx)
	if err != nil {
		e.say("clock", trouble, "check: systemctl status", "%v", err)
		return
	}
	e.findings = append(e.findings, clockFinding(e.now, ahead, kept))
}

// clockSet is by how much the clock was set since the machine started.
func (e *examiner) clockSet(ctx context.Context) (time.Duration, error) {
	started, err := e.machine.Systemd().Started(ctx)
	if err != nil {
		return 0, err
	}
	now, err := host.Now()
	return started.Set(now), err
}

// clockFinding judges a clock that was set so far ahead since the machine started.
// One that a time service keeps may have been set right.
func clockFinding(now time.Time, ahead time.Duration, kept bool) finding {
	const hint = "timedatectl shows it; a time service keeps it right: apt install systemd-timesyncd"
	told := now.UTC().Format("2006-01-02 15:04:05 MST")
	switch {
	case kept:
		return finding{"clock", fine, told + ", kept by a time service", ""}
	case ahead >= clockNews:
		return finding{"clock", notice, fmt.Sprintf("%s, set %s ahead since this machine started, and no time service keeps it", told, command.FormatDuration(ahead)), hint}
	case ahead <= -clockNews:
		return finding{"clock", notice, fmt.Sprintf("%s, set %s back since this machine started, and no time service keeps it", told, command.FormatDuration(-ahead)), hint}
	}
	return finding{"clock", fine, told + "; no time service keeps it", ""}
}
