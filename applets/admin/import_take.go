package admin

import (
	"context"
	"fmt"
	"path"
	"slices"
	"time"

	"chatmaild/applets/admin/takeover"
	"chatmaild/applets/admin/wanted"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/auth/dict"
)

const (
	unitFolder = "/etc/systemd/system"

	// servingTimeout is how long the servers may take, once started, to listen.
	servingTimeout = 20 * time.Second
	servingPoll    = 100 * time.Millisecond

	notifyTimeout = time.Minute
)

// takeOver does the steps that are not done yet. Until mail is off, a failure leaves
// the old relay as it was; after that, it brings it back.
func (im *importer) takeOver(ctx context.Context) error {
	if im.journal == nil {
		if err := im.begin(ctx); err != nil {
			return err
		}
	} else if im.journal.Domain != im.conf.MailDomain {
		return fmt.Errorf("%s is about %s, and this relay is %s", importJournal, im.journal.Domain, im.conf.MailDomain)
	} else if im.journal.Has(takeover.StepNotify) {
		fmt.Fprintf(im.env.Stdout, "nothing to do: %s was taken over at %s\n", im.journal.Domain, im.journal.Begun.Format(time.DateTime))
		return nil
	} else {
		im.say("going on with what began at %s", im.journal.Begun.Format(time.DateTime))
	}
	for _, step := range []struct {
		name takeover.Step
		do   func(context.Context) error
	}{
		{takeover.StepKeep, im.keep},
		{takeover.StepConfig, im.writeConfig},
		{takeover.StepData, im.takeData},
		{takeover.StepStop, im.stopOld},
		{takeover.StepRun, im.startNew},
		{takeover.StepNotify, im.notifyWaiting},
	} {
		if im.journal.Has(step.name) {
			continue
		}
		if err := step.do(ctx); err != nil {
			return im.fail(ctx, step.name, err)
		}
		im.journal.Done = append(im.journal.Done, step.name)
		if err := im.writeJournal(); err != nil {
			return im.fail(ctx, step.name, err)
		}
	}
	im.conclude()
	return nil
}

// fail says how things stand. Half a relay is none: once mail is off, what was done
// is undone.
func (im *importer) fail(ctx context.Context, step takeover.Step, cause error) error {
	switch step {
	case takeover.StepKeep, takeover.StepConfig, takeover.StepData:
		return command.WithHint(cause, "the Python relay runs as before; mend the cause and run this again, or forget it with: chatmaild import --undo")
	case takeover.StepNotify:
		return command.WithHint(cause, "the relay is taken over; run this again for the notifications that wait")
	}
	im.say("failed: %v; bringing the Python relay back", cause)
	if err := im.undoAll(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("%w; and then: %w", cause, err)
	}
	return command.WithHint(cause, "the Python relay is back and runs as before; mend the cause and try again")
}

func (im *importer) say(format string, args ...any) {
	fmt.Fprintf(im.env.Stderr, "  "+format+"\n", args...)
}

// begin notes how things were, before anything changes.
func (im *importer) begin(ctx context.Context) error {
	j := takeover.NewJournal(im.conf.MailDomain, im.now)
	var err error
	if j.Units, err = im.oldUnits(ctx); err != nil {
		return err
	}
	servers := []string{wanted.OpenDKIM, wanted.Dovecot, wanted.Postfix, wanted.Nginx}
	units, err := im.machine.Units(ctx, servers...)
	if err != nil {
		return err
	}
	for i, u := range units {
		if u.Load == "loaded" {
			j.Servers = append(j.Servers, takeover.OldUnit{Name: servers[i], Enabled: u.Enabled == "enabled", Active: u.Active == "active"})
		}
	}
	im.journal = j
	if err := im.machine.MakeFolder(wanted.Folder{Path: importFolder, Mode: 0o700, Owner: "root", Group: "root"}); err != nil {
		return err
	}
	return im.writeJournal()
}

// oldUnits returns those of the old relay's units that are on this machine.
func (im *importer) oldUnits(ctx context.Context) ([]takeover.OldUnit, error) {
	var names []string
	for _, u := range takeover.Units {
		names = append(names, u.Name)
	}
	units, err := im.machine.Units(ctx, names...)
	if err != nil {
		return nil, err
	}
	var old []takeover.OldUnit
	for i, u := range units {
		if u.Load != "loaded" {
			continue
		}
		old = append(old, takeover.OldUnit{
			Name: names[i], Enabled: u.Enabled == "enabled", Active: u.Active == "active" || u.Active == "activating",
			Moved: im.machine.IsFile(path.Join(unitFolder, names[i])),
		})
	}
	return old, nil
}

func (im *importer) writeJournal() error {
	text, err := im.journal.Encode()
	if err != nil {
		return err
	}
	return im.machine.Write(wanted.File{Path: importJournal, Content: text, Mode: 0o600, Owner: "root", Group: "root"})
}

// keep copies what will be replaced.
func (im *importer) keep(context.Context) error {
	im.say("keep a copy of what is replaced in %s", importKept)
	for _, name := range append(slices.Clone(takeover.Configured), im.ini) {
		there, err := im.machine.Exists(name)
		if err != nil {
			return err
		}
		if !there {
			continue
		}
		if err := im.machine.CopyTree(im.machine, name, path.Join(importKept, name), noOwner); err != nil {
			return err
		}
	}
	return im.machine.Sync(importFolder)
}

func (im *importer) writeConfig(context.Context) error {
	im.say("write %s", config.DefaultPath)
	if err := im.making(config.DefaultPath); err != nil {
		return err
	}
	return im.machine.Write(wanted.File{
		Path: config.DefaultPath, Content: []byte(im.conversion.Text), Mode: 0o644, Owner: "root", Group: "root",
	})
}

// making notes that we make what is not there yet, before we do.
func (im *importer) making(names ...string) error {
	for _, name := range names {
		there, err := im.machine.Exists(name)
		if err != nil {
			return err
		}
		if !there && !slices.Contains(im.journal.Created, name) {
			im.journal.Created = append(im.journal.Created, name)
		}
	}
	return im.writeJournal()
}

// stopOld ends mail first, so that nothing is under way when the filters go.
func (im *importer) stopOld(ctx context.Context) error {
	im.say("stop Postfix and Dovecot for a moment")
	if err := im.stopMail(ctx); err != nil {
		return err
	}
	for _, u := range im.journal.Units {
		im.say("stop and mask %s", u.Name)
		if err := im.mask(ctx, u); err != nil {
			return err
		}
	}
	for _, cron := range takeover.Crons {
		if there, err := im.machine.Exists(cron); err != nil {
			return err
		} else if there {
			im.say("move %s away", cron)
			im.journal.Crons = append(im.journal.Crons, cron)
			if err := im.writeJournal(); err != nil {
				return err
			}
		}
	}
	for _, cron := range im.journal.Crons {
		if err := im.machine.Move(cron, path.Join(importMoved, cron)); err != nil {
			return err
		}
	}
	return im.machine.Systemctl(ctx, "daemon-reload")
}

// stopMail waits for the instance that postfix.service only stands for.
func (im *importer) stopMail(ctx context.Context) error {
	return im.machine.Systemctl(ctx, "stop", wanted.Postfix, postfixInstance, wanted.Dovecot)
}

// mask stops a unit and keeps it from being started, by whomever. A mask takes the
// place of a file in /etc/systemd/system, so that goes aside first.
func (im *importer) mask(ctx context.Context, u takeover.OldUnit) error {
	file := path.Join(unitFolder, u.Name)
	if im.machine.IsLink(file, "/dev/null") {
		return nil
	}
	if err := im.machine.Systemctl(ctx, "stop", u.Name); err != nil {
		return err
	}
	if u.Enabled {
		if err := im.machine.Systemctl(ctx, "disable", u.Name); err != nil {
			return err
		}
	}
	if u.Moved {
		if err := im.machine.Move(file, path.Join(importMoved, file)); err != nil {
			return err
		}
	}
	return im.machine.Symlink("/dev/null", file)
}

// startNew makes the machine what the configuration says.
func (im *importer) startNew(ctx context.Context) error {
	conf, err := config.Load(path.Join(im.machine.Root, config.DefaultPath))
	if err != nil {
		return err
	}
	p := im.planner(conf)
	todo, err := p.relay(ctx)
	if err != nil {
		return err
	}
	for _, c := range todo.files {
		if !c.Exists && !c.File.Absent && !slices.Contains(im.journal.Made, c.File.Path) {
			im.journal.Made = append(im.journal.Made, c.File.Path)
		}
	}
	if err := im.writeJournal(); err != nil {
		return err
	}
	if err := todo.apply(ctx, im.machine, im.env.Stderr); err != nil {
		return err
	}
	return im.awaitServing(ctx, conf)
}

func (im *importer) planner(conf *config.Config) *planner {
	return &planner{
		conf: conf, configPath: config.DefaultPath, version: im.env.Version, machine: im.machine, now: im.now,
		yielding: takeover.Programs,
	}
}

// awaitServing waits until somebody listens on each port of the relay.
func (im *importer) awaitServing(ctx context.Context, conf *config.Config) error {
	until, cancel := context.WithTimeout(ctx, servingTimeout)
	defer cancel()
	return poll(until, servingPoll, func() (bool, error) {
		listeners, err := im.machine.Listeners()
		if err != nil {
			return true, err
		}
		open := map[int]bool{}
		for _, l := range listeners {
			open[l.Port] = true
		}
		for _, p := range wanted.Ports(conf) {
			if !open[p.Port] {
				return false, fmt.Errorf("nobody listens on port %d for %s", p.Port, p.Job)
			}
		}
		return true, nil
	})
}

// notifyWaiting hands the notifications that the old relay had not sent yet to the
// metadata daemon, which then owes them to the accounts' devices.
func (im *importer) notifyWaiting(ctx context.Context) error {
	folder := path.Join(im.conf.MailboxesDir, takeover.Pending)
	names, err := im.machine.Names(folder)
	if err != nil || len(names) == 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	metadata, err := dict.Dial(ctx, path.Join(im.machine.Root, im.conf.Socket("metadata")))
	if err != nil {
		return err
	}
	defer metadata.Close()
	told := map[string]bool{}
	for _, name := range names {
		text, err := im.machine.ReadFile(path.Join(folder, name))
		if err != nil {
			return err
		}
		// The old relay, too, drops what it cannot read and what is too old.
		n, err := takeover.DecodeNotification(text)
		if err == nil && n.Waits(im.now) && !told[n.Account] {
			told[n.Account] = true
			if err := metadata.Commit(ctx, n.Account, []dict.Change{{Key: "priv/import/messagenew"}}); err != nil {
				return fmt.Errorf("handing a waiting notification on: %w", err)
			}
		}
		if err := im.machine.Move(path.Join(folder, name), path.Join(importMoved, takeover.Pending, name)); err != nil {
			return err
		}
	}
	im.say("notify the devices of %d accounts whose notification waited", len(told))
	return nil
}
