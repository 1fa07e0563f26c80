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
// only while filtermail-out is down, and at once: it starts again after that. To enable them
// takes a moment, in which nobody is to wait for their ports: that comes first of all.
//
// Below supervise a socket can be bound at any time, but a daemon that runs does not get it.
func opened(steps []UnitStep, supervised bool) []UnitStep {
	entrance := func(s UnitStep) bool { return slices.Contains(desired.SubmissionSockets(), s.Unit) }
	var first, others []UnitStep
	for _, s := range steps {
		if entrance(s) && s.Verb == "enable" {
			first = append(first, s)
		} else {
			others = append(others, s)
		}
	}
	steps = append(first, others...)
	last := -1
	for i, s := range steps {
		if entrance(s) && s.binds() {
			last = i
		}
	}
	if last < 0 {
		return steps
	}
	const why = "users' clients can connect"
	after := slices.IndexFunc(steps, func(s UnitStep) bool { return s.Unit == desired.FiltermailOut && s.Verb != "enable" })
	switch {
	case after < 0 && supervised:
		return slices.Insert(steps, last+1, UnitStep{"restart", desired.FiltermailOut, why})
	case after < 0:
		return slices.Insert(steps, last+1, UnitStep{"start", desired.FiltermailOut, why})
	case supervised:
		steps[after].Verb = "restart"
	}
	return steps
}

// open binds entrances. Nobody can connect for that moment: one who can has filtermail-out
// started, with the entrances that there are by then.
func open(ctx context.Context, machine host.Host, sockets []string) error {
	if err := givenUp(ctx, machine); err != nil {
		return err
	}
	units, err := machine.Systemd().Units(ctx, desired.SubmissionSockets()...)
	if err != nil {
		return err
	}
	for i, u := range units {
		if name := desired.SubmissionSockets()[i]; u.Active == "active" && !slices.Contains(sockets, name) {
			sockets = append(sockets, name)
		}
	}
	return bind(ctx, func() error {
		for _, step := range [][]string{
			append([]string{"stop", desired.SubmissionTarget}, desired.SubmissionSockets()...),
			{"stop", desired.FiltermailOut},
			{"start", desired.SubmissionTarget},
			append([]string{"start"}, sockets...), // which says what the target keeps to itself
		} {
			if err := machine.Systemd().Systemctl(ctx, step[0], step[1:]...); err != nil {
				return err
			}
		}
		return nil
	})
}

// opens reports whether steps bind an entrance for users.
func opens(steps []UnitStep) bool {
	return slices.Contains(desired.SubmissionSockets(), steps[0].Unit) && steps[0].binds()
}

const (
	// yieldTimeout is how long Postfix may take to give up ports that it was reloaded without.
	yieldTimeout = 10 * time.Second
	yieldPoll    = 20 * time.Millisecond
)

// givenUp waits until Postfix of an earlier version has given up the ports for users, and ends
// the sessions there: clients connect again.
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
		if err := machine.Postfix().EndServers(desired.SubmissionPorts()); err != nil {
			return true, err
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
