package host

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Moment is one moment by two clocks: the one that tells the time, and one that
// nobody can set.
type Moment struct {
	Wall      time.Time
	Monotonic time.Duration // since some moment before the machine started
}

// Set returns by how much the clock was set between two moments; a clock that was
// set back gives less than 0. Slewing, as time services do it, is not a setting.
func (m Moment) Set(later Moment) time.Duration {
	// Round(0) takes away Go's own monotonic reading, by which Sub would not see the setting.
	return later.Wall.Round(0).Sub(m.Wall.Round(0)) - (later.Monotonic - m.Monotonic)
}

// Now returns this moment.
func Now() (Moment, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return Moment{}, fmt.Errorf("reading the monotonic clock: %w", err)
	}
	return Moment{time.Now(), time.Duration(ts.Nano())}, nil
}

// Started returns when systemd started.
func (s Systemd) Started(ctx context.Context) (Moment, error) {
	return s.moment(ctx, "UserspaceTimestamp")
}

// LastRun returns when a job that a timer starts ended last: if it has not since
// the timer started, the moment when that did.
func (s Systemd) LastRun(ctx context.Context, job, timer string) (Moment, error) {
	// systemd keeps this over a reload of its units, but not over a reboot.
	m, err := s.moment(ctx, "InactiveEnterTimestamp", "--", job)
	if err != nil || !m.Wall.IsZero() {
		return m, err
	}
	return s.moment(ctx, "ActiveEnterTimestamp", "--", timer)
}

// moment asks systemd for one that it has noted; nothing if there was none yet.
func (s Systemd) moment(ctx context.Context, property string, of ...string) (Moment, error) {
	args := append([]string{"show", "--timestamp=us+utc", "--property=" + property + "," + property + "Monotonic"}, of...)
	out, err := s.systemctl(ctx, args...)
	if err != nil {
		return Moment{}, fmt.Errorf("asking systemd: %w", err)
	}
	m, err := parseMoment(out, property)
	if err != nil {
		return Moment{}, fmt.Errorf("asking systemd for %s: %w", property, err)
	}
	return m, nil
}

// parseMoment parses two assignments of systemctl show: the time, empty if there is
// none, and microseconds of CLOCK_MONOTONIC.
func parseMoment(out, property string) (m Moment, err error) {
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch {
		case key == property && value != "":
			if m.Wall, err = time.Parse(systemdTime, value); err != nil {
				return Moment{}, err
			}
		case key == property+"Monotonic":
			µs, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return Moment{}, err
			}
			m.Monotonic = time.Duration(µs) * time.Microsecond
		}
	}
	return m, nil
}

// maxClockError is what the kernel says of a clock that it knows nothing of, in
// microseconds (NTP_PHASE_LIMIT in linux/timex.h); that is also where setting
// one by hand puts it. timedatectl(1) draws the line there as well.
const maxClockError = 16_000_000

// ClockKept reports whether a time service keeps the clock right, as the kernel
// has it (adjtimex(2)).
func ClockKept() (bool, error) {
	var state unix.Timex
	if _, err := unix.Adjtimex(&state); err != nil {
		return false, fmt.Errorf("asking the kernel about the clock: %w", err)
	}
	return state.Maxerror < maxClockError, nil
}
