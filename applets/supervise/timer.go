package supervise

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"chatmaild/applets/supervise/unit"
	"chatmaild/store/atomicfile"
)

// clockPoll bounds how long a timer sleeps: the clock may be set meanwhile.
const clockPoll = 10 * time.Minute

// timer fires as a timer unit says. When it did last is kept in stateDir.
func timer(ctx context.Context, stateDir string, u *unit.Unit, fire func()) error {
	if u.OnClockChange {
		return clockChanges(ctx, fire)
	}
	if !u.Daily {
		return errors.New("it has no time")
	}
	stamp := filepath.Join(stateDir, "stamp-"+u.Name)
	delay, last, err := readStamp(stamp)
	if errors.Is(err, fs.ErrNotExist) {
		// It fires first at the next midnight, and keeps its delay.
		delay, last = rand.N(max(u.MaxDelay, 1)), time.Now()
		err = writeStamp(stamp, delay)
	}
	for err == nil {
		wait := min(time.Until(nextDaily(last, delay)), clockPoll)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		if time.Now().Before(nextDaily(last, delay)) {
			continue
		}
		last = time.Now()
		// Before, not after: a job that never ends well is not started over and over.
		if err = writeStamp(stamp, delay); err == nil {
			fire()
		}
	}
	return err
}

// nextDaily is the first midnight after last, by the local time, and delay later; one whose
// turn has passed while the relay was down is at once (Persistent=true).
func nextDaily(last time.Time, delay time.Duration) time.Time {
	y, m, d := last.Add(-delay).Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, last.Location()).Add(delay)
}

// readStamp returns a timer's delay, and when it fired last.
func readStamp(path string) (delay time.Duration, last time.Time, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, last, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, last, err
	}
	delay, err = time.ParseDuration(strings.TrimSpace(string(text)))
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return delay, info.ModTime(), err
}

func writeStamp(path string, delay time.Duration) error {
	return atomicfile.Write(path, []byte(delay.String()+"\n"), 0o644, nil)
}

// clockChanges fires whenever the clock is set (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET).
func clockChanges(ctx context.Context, fire func()) error {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("waiting for a clock change: %w", err)
	}
	f := os.NewFile(uintptr(fd), "timerfd")
	defer f.Close()
	defer context.AfterFunc(ctx, func() { f.Close() })()
	far := unix.ItimerSpec{Value: unix.Timespec{Sec: 1<<33 - 1}} // in the year 2242
	for {
		if err := unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, &far, nil); err != nil && ctx.Err() == nil {
			return fmt.Errorf("waiting for a clock change: %w", err)
		}
		var buf [8]byte
		_, err := f.Read(buf[:])
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, unix.ECANCELED):
			fire()
		default:
			return fmt.Errorf("waiting for a clock change: %w", err)
		}
	}
}
