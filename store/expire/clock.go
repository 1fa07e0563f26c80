package expire

import (
	"fmt"
	"time"
)

const layout = "2006-01-02 15:04 MST"

// MaxGap is how long after the last run a run still believes the clock. A relay
// that was off for longer has someone who can say that the clock is right.
const MaxGap = 7 * day

// MaxSet is by how much the clock may be set ahead between two runs: what then goes
// goes less than a day early.
const MaxSet = day

// CheckSet returns an error if the clock was set ahead by more than MaxSet since
// the last run, after which elapsed has passed by a clock that nobody sets.
func CheckSet(now, last time.Time, elapsed time.Duration) error {
	ahead := now.Sub(last) - elapsed
	if ahead <= MaxSet {
		return nil
	}
	return fmt.Errorf("the clock says %s, and was set ahead by %.1f days since the last run: nothing was deleted",
		now.UTC().Format(layout), ahead.Hours()/24)
}

// CheckClock returns an error if now cannot be true: before the program was
// built, or more than MaxGap after the last run. A zero time is unknown. A clock
// that went back deletes too little, which the next run makes good.
func CheckClock(now, built, last time.Time) error {
	if now.Before(built) {
		return fmt.Errorf("the clock says %s, but this program was built on %s: nothing was deleted",
			now.UTC().Format(layout), built.UTC().Format(layout))
	}
	if gap := now.Sub(last); !last.IsZero() && gap > MaxGap {
		return fmt.Errorf("the clock says %s, %d days after the last run of %s: nothing was deleted",
			now.UTC().Format(layout), int(gap/day), last.UTC().Format(layout))
	}
	return nil
}
