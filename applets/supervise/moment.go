package supervise

import (
	"time"

	"golang.org/x/sys/unix"
)

// systemdTime is how systemctl writes a time with --timestamp=us+utc.
const systemdTime = "Mon 2006-01-02 15:04:05.000000 MST"

// moment is one by two clocks: the one that tells the time, and one that nobody can set.
type moment struct {
	wall      time.Time
	monotonic time.Duration
}

func now() moment {
	var ts unix.Timespec
	// It fails for clocks that there are not.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return moment{time.Now(), time.Duration(ts.Nano())}
}
