package supervise

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"chatmaild/applets/supervise/unit"
)

// state is what systemd calls ActiveState.
type state string

const (
	inactive     state = "inactive"
	activating   state = "activating"
	active       state = "active"
	deactivating state = "deactivating"
	failed       state = "failed"
)

// status is what "systemctl show" tells of a unit.
type status struct {
	state    state
	restarts int    // after failures
	entered  moment // when it became active last
	left     moment // when it became inactive last, or failed
	changed  moment // when it last changed, or was reloaded
}

// set changes the state, and notes when.
func (s *status) set(to state) {
	if s.state == to {
		return
	}
	s.state, s.changed = to, now()
	switch to {
	case active:
		s.entered = s.changed
	case inactive, failed:
		s.left = s.changed
	}
}

// record is the unit of a part, and its state. Each part has one.
type record struct {
	mu   sync.Mutex
	unit *unit.Unit
	now  status
}

func (r *record) look() status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *record) renew(u *unit.Unit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unit = u
}

func (r *record) current() *unit.Unit {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.unit
}

// property returns the value of a property of "systemctl show", and whether there is such a
// property.
func (s *status) property(name string) (value string, ok bool) {
	base, monotonic := strings.CutSuffix(name, "Monotonic")
	switch base {
	case "ActiveState":
		return string(s.state), true
	case "NRestarts":
		return fmt.Sprint(s.restarts), true
	case "ActiveEnterTimestamp":
		return s.entered.format(monotonic), true
	case "InactiveEnterTimestamp":
		return s.left.format(monotonic), true
	case "StateChangeTimestamp":
		return s.changed.format(monotonic), true
	}
	return "", false
}

// format writes the time, nothing if there is none; or the microseconds of the clock that
// nobody can set.
func (m moment) format(monotonic bool) string {
	switch {
	case monotonic:
		return fmt.Sprint(int64(m.monotonic / time.Microsecond))
	case m.wall.IsZero():
		return ""
	}
	return m.wall.UTC().Format(systemdTime)
}
