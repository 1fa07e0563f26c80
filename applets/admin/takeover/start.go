package takeover

import (
	"context"
	"fmt"
	"path"
	"slices"
	"time"

	"chatmaild/applets/admin/converge"
	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/wait"
	"chatmaild/applets/config"
)

const (
	// servingTimeout is how long the servers may take, once started, to listen.
	servingTimeout = 20 * time.Second
	servingPoll    = 100 * time.Millisecond
)

// startNew makes the machine what the configuration says.
func (im taking) startNew(ctx context.Context) error {
	conf, err := config.Load(path.Join(im.machine.Root, config.DefaultPath))
	if err != nil {
		return err
	}
	todo, err := im.planner(conf).Relay(ctx)
	if err != nil {
		return err
	}
	// Noted before the files are there: an undo has to move away what was made, and has no
	// former version of it to put back.
	for _, c := range todo.Files {
		if !c.Exists && !c.File.Absent && !slices.Contains(im.journal.Made, c.File.Path) {
			im.journal.Made = append(im.journal.Made, c.File.Path)
		}
	}
	if err := im.writeJournal(); err != nil {
		return err
	}
	if err := todo.Apply(ctx, im.machine, im.env.Stderr); err != nil {
		return err
	}
	return im.awaitServing(ctx, conf)
}

// planner plans as run does. Yielding are programs that hold ports until the old units
// are stopped.
func (im *importer) planner(conf *config.Config, yielding ...string) *converge.Planner {
	return &converge.Planner{
		Conf: conf, ConfigPath: config.DefaultPath, Version: im.env.Version, Machine: im.machine, Now: im.now, Yielding: yielding,
	}
}

// awaitServing waits until a program listens on each port of the relay.
// A unit that systemd calls active may not listen yet, or on fewer ports; clients see the
// ports, and if one stays closed the old relay is brought back.
func (im taking) awaitServing(ctx context.Context, conf *config.Config) error {
	until, cancel := context.WithTimeout(ctx, servingTimeout)
	defer cancel()
	return wait.Until(until, servingPoll, func() (bool, error) {
		listeners, err := im.machine.Listeners()
		if err != nil {
			return true, err
		}
		open := map[int]bool{}
		for _, l := range listeners {
			open[l.Port] = true
		}
		for _, p := range desired.Ports(conf) {
			if !open[p.Port] {
				return false, fmt.Errorf("no program listens on port %d for %s", p.Port, p.Job)
			}
		}
		return true, nil
	})
}
