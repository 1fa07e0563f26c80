package applets

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"chatmaild/applets/command"
	"chatmaild/store/atomicfile"
	store "chatmaild/store/expire"
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

// checkClock stops a run whose clock cannot be right. trusted says that somebody
// looked at it: then the time of the last run does not matter, the build's does.
func checkClock(now time.Time, last runStamp, trusted bool) error {
	var lastRun time.Time
	if !trusted {
		var err error
		if lastRun, err = last.read(); err != nil {
			return command.WithHint(err, "if the clock is right, run once: chatmaild expire --clock-is-right")
		}
	}
	if err := store.CheckClock(now, buildTime(), time.Time{}); err != nil {
		return command.WithHint(err, "set the clock; timedatectl shows it")
	}
	if err := store.CheckClock(now, time.Time{}, lastRun); err != nil {
		return command.WithHint(err, "if the clock is right, run once: chatmaild expire --clock-is-right")
	}
	return nil
}

// runStamp is the file that records when expire last ran.
type runStamp struct{ path string }

type stampJSON struct {
	LastRun time.Time `json:"last_run"`
}

// read returns the time of the last run, or the zero time before the first.
func (s runStamp) read() (time.Time, error) {
	text, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the time of the last run: %w", err)
	}
	var stamp stampJSON
	if err := json.Unmarshal(text, &stamp); err != nil {
		return time.Time{}, fmt.Errorf("reading the time of the last run from %s: %w", s.path, err)
	}
	return stamp.LastRun, nil
}

func (s runStamp) write(now time.Time) error {
	text, err := json.Marshal(stampJSON{now.UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	if err := atomicfile.Write(s.path, append(text, '\n'), 0o640, nil); err != nil {
		return fmt.Errorf("recording the time of this run: %w", err)
	}
	return nil
}
