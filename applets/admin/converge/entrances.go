package converge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/wait"
	"chatmaild/applets/config"
)

// shut says of the entrances for users that the configuration does not have why it does not.
func shut(conf *config.Config) map[string]string {
	why := map[string]string{}
	for _, name := range desired.SubmissionSockets() {
		if !slices.Contains(desired.Entrances(conf), name) {
			why[name] = "the configuration has no such entrance"
		}
	}
	return why
}

// opened orders the steps by which the entrances for users open. Their sockets can be bound
// only while filtermail-out is down: so all are enabled first, bound at once, and then it
// starts again.
func opened(steps []UnitStep) []UnitStep {
	sockets := desired.SubmissionSockets()
	binds := func(s UnitStep) bool { return slices.Contains(sockets, s.Unit) && s.binds() }
	first := slices.IndexFunc(steps, func(s UnitStep) bool {
		return slices.Contains(sockets, s.Unit) && s.Verb != "stop" && s.Verb != "disable"
	})
	if first < 0 {
		return steps
	}
	end := first
	for end < len(steps) && slices.Contains(sockets, steps[end].Unit) {
		end++
	}
	slices.SortStableFunc(steps[first:end], func(a, b UnitStep) int {
		switch {
		case binds(a) == binds(b):
			return 0
		case binds(a):
			return 1
		}
		return -1
	})
	if !binds(steps[end-1]) || end < len(steps) && steps[end].Unit == desired.FiltermailOut {
		return steps
	}
	return slices.Insert(steps, end, UnitStep{"start", desired.FiltermailOut, "users' clients can connect"})
}

// opens reports whether steps bind an entrance for users.
func opens(steps []UnitStep) bool {
	return slices.Contains(desired.SubmissionSockets(), steps[0].Unit) && steps[0].binds()
}

const (
	// yieldTimeout is how long Postfix may take to give up ports that it was reloaded without.
	// It ends the sessions there: clients connect again.
	yieldTimeout = 10 * time.Second
	yieldPoll    = 20 * time.Millisecond
)

// givenUp waits until Postfix of an earlier version has given up the ports for users.
func givenUp(ctx context.Context, machine host.Host) error {
	until, cancel := context.WithTimeout(ctx, yieldTimeout)
	defer cancel()
	return wait.Until(until, yieldPoll, func() (bool, error) {
		listeners, err := machine.Listeners()
		if errors.Is(err, fs.ErrNotExist) {
			return true, nil // who has a port cannot be told here
		}
		if err != nil {
			return true, err
		}
		i := slices.IndexFunc(listeners, func(l host.Listener) bool { return desired.GivesUp(l.Program, l.Port) })
		if i < 0 {
			return true, nil
		}
		return false, fmt.Errorf("port %d is for filtermail-out, but Postfix (process %d) still holds it", listeners[i].Port, listeners[i].PID)
	})
}

// formerAuth adds the end of the socket at which Postfix of an earlier version checks logins:
// once it serves no users any more.
func formerAuth(ctx context.Context, p *Planner, steps []UnitStep) ([]UnitStep, error) {
	units, err := p.Machine.Systemd().Units(ctx, desired.FormerAuthSocket)
	if err != nil {
		return nil, err
	}
	if units[0].Active == "active" {
		steps = append(steps, UnitStep{"stop", desired.FormerAuthSocket, "this version does not need it"})
	}
	return steps, nil
}
