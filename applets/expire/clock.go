package expire

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"chatmaild/applets/command"
	"chatmaild/auth/machine"
	"chatmaild/store/atomicfile"
	"chatmaild/store/expire"
	"chatmaild/store/safefs"
)

// builtAt is set by the linker to the package's SOURCE_DATE_EPOCH, in seconds.
var builtAt string

// firstBuild is older than any build of this program.
var firstBuild = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// buildTime returns the latest moment that this program is known to be younger
// than: from the package, from the commit it was built from, or firstBuild.
func buildTime() time.Time {
	built := firstBuild
	if seconds, err := strconv.ParseInt(builtAt, 10, 64); err == nil {
		built = time.Unix(seconds, 0)
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if commit, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil && commit.After(built) {
				built = commit
			}
		}
	}
	return built
}

// checkClock stops a run whose clock cannot be right. trusted says that someone
// looked at it: then the time of the last run does not matter, the build's does.
func checkClock(now time.Time, last runStamp, trusted bool) error {
	var stamp stampJSON
	if !trusted {
		var err error
		if stamp, err = last.read(); err != nil {
			return command.WithHint(err, "if the clock is right, run once: chatmaild expire --clock-is-right")
		}
	}
	if err := expire.CheckClock(now, buildTime(), time.Time{}); err != nil {
		return command.WithHint(err, "set the clock; timedatectl shows it")
	}
	err := expire.CheckClock(now, time.Time{}, stamp.LastRun)
	if boot, uptime := bootClock(); err == nil && boot != "" && stamp.Boot == boot {
		err = expire.CheckSet(now, stamp.LastRun, uptime-stamp.Uptime)
	}
	if err != nil {
		return command.WithHint(err, "if the clock is right, run once: chatmaild expire --clock-is-right")
	}
	return nil
}

// runStamp is the file that records when expire last ran.
type runStamp struct{ path string }

type stampJSON struct {
	LastRun time.Time `json:"last_run"`
	// The same moment by a clock that nobody sets, if that is known: how long the
	// machine had been on, and an id of that time.
	Boot   string        `json:"boot,omitempty"`
	Uptime time.Duration `json:"uptime,omitempty"` // nanoseconds
}

// read returns what the last run recorded, or nothing before the first.
func (s runStamp) read() (stampJSON, error) {
	text, err := safefs.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return stampJSON{}, nil
	}
	if err != nil {
		return stampJSON{}, fmt.Errorf("reading the time of the last run: %w", err)
	}
	var stamp stampJSON
	if err := json.Unmarshal(text, &stamp); err != nil {
		return stampJSON{}, fmt.Errorf("reading the time of the last run from %s: %w", s.path, err)
	}
	return stamp, nil
}

func (s runStamp) write(now time.Time) error {
	boot, uptime := bootClock()
	text, err := json.Marshal(stampJSON{now.UTC().Truncate(time.Second), boot, uptime})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return fmt.Errorf("recording the time of this run: %w", err)
	}
	if err := atomicfile.Write(s.path, append(text, '\n'), 0o640, nil); err != nil {
		return fmt.Errorf("recording the time of this run: %w", err)
	}
	return nil
}

// bootClock returns how long the machine has been on, suspended or not, and an id
// of that time (random(4)); no id if either cannot be told.
func bootClock() (boot string, uptime time.Duration) {
	boot = machine.Boot()
	var ts unix.Timespec
	if boot == "" || unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return "", 0
	}
	return boot, time.Duration(ts.Nano())
}
