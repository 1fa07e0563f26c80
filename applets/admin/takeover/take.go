package takeover

import (
	"context"
	"fmt"
	"path"
	"slices"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/takeover/journal"
	"chatmaild/applets/admin/takeover/pythonrelay"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
)

// taking is the takeover itself: the steps, each noted in the journal once it is done.
type taking struct{ *importer }

// run does the steps that are not done yet. Until mail is off, a failure leaves
// the old relay as it was; after that, it brings it back.
func (im taking) run(ctx context.Context) error {
	if im.journal == nil {
		if err := im.begin(ctx); err != nil {
			return err
		}
	} else if im.journal.Domain != im.conf.MailDomain {
		return fmt.Errorf("%s is about %s, and this relay is %s", importJournal, im.journal.Domain, im.conf.MailDomain)
	} else {
		im.say("resuming the import that began at %s", im.journal.Begun.Format(time.DateTime))
	}
	// What can fail for a reason of this machine comes before mail is stopped: copies, the
	// conversion, and a rehearsal of run.
	for _, step := range []struct {
		name journal.Step
		do   func(context.Context) error
	}{
		{journal.StepKeep, im.keep},
		{journal.StepConfig, im.writeConfig},
		{journal.StepData, data(im).take},
		{journal.StepStop, im.stopOld},
		{journal.StepRun, im.startNew},
		{journal.StepNotify, pushes(im).notifyWaiting},
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
	display(im).conclude(ctx)
	return nil
}

// fail says how things stand. Half a relay is none: once mail is off, what was done
// is undone.
func (im taking) fail(ctx context.Context, step journal.Step, cause error) error {
	switch step {
	case journal.StepKeep, journal.StepConfig, journal.StepData:
		return command.WithHint(cause, "the Python relay runs as before; fix the cause and run this again, or give up with: chatmaild import --undo")
	case journal.StepNotify:
		return command.WithHint(cause, "the relay is taken over; run this again for the pending notifications")
	}
	im.say("failed: %v; restoring the Python relay", cause)
	// Also after ^C: half a relay must not stay.
	if err := undo(im).run(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("%w; and then: %w", cause, err)
	}
	return command.WithHint(cause, "the Python relay is back and runs as before; fix the cause and try again")
}

// stopOld ends the old relay, and then does what both would be confused by.
func (im taking) stopOld(ctx context.Context) error {
	if err := units(im).stopOld(ctx); err != nil {
		return err
	}
	return blocks(im).take(ctx)
}

// say prints a step before it is done: what takes long, or fails, is then the last line.
func (im *importer) say(format string, args ...any) {
	fmt.Fprintf(im.env.Stderr, "  "+format+"\n", args...)
}

// begin notes how things were, before anything changes.
func (im taking) begin(ctx context.Context) error {
	j := journal.New(im.conf.MailDomain, im.now)
	var err error
	if j.Units, err = im.oldUnits(ctx); err != nil {
		return err
	}
	servers := []string{desired.Dovecot, desired.Postfix, desired.Nginx}
	units, err := im.machine.Systemd().Units(ctx, servers...)
	if err != nil {
		return err
	}
	for i, u := range units {
		if u.Load == "loaded" {
			j.Servers = append(j.Servers, journal.Unit{Name: servers[i], Enabled: u.Enabled == "enabled", Active: u.Active == "active"})
		}
	}
	im.journal = j
	if err := im.machine.MakeDirectory(privateDir); err != nil {
		return err
	}
	return im.writeJournal()
}

// oldUnits returns those of the old relay's units that are on this machine.
func (im *importer) oldUnits(ctx context.Context) ([]journal.Unit, error) {
	var names []string
	for _, u := range pythonrelay.Units {
		names = append(names, u.Name)
	}
	units, err := im.machine.Systemd().Units(ctx, names...)
	if err != nil {
		return nil, err
	}
	var old []journal.Unit
	for i, u := range units {
		if u.Load != "loaded" {
			continue
		}
		old = append(old, journal.Unit{
			Name: names[i], Enabled: u.Enabled == "enabled", Active: u.Active == "active" || u.Active == "activating",
			Moved: im.machine.IsFile(path.Join(unitDir, names[i])),
		})
	}
	return old, nil
}

// privateDir holds keys.
var privateDir = desired.Directory{Path: importDir, Mode: 0o700, Owner: "root", Group: "root"}

// writeJournal replaces the journal atomically: half of one could not be undone.
func (im *importer) writeJournal() error {
	text, err := im.journal.Encode()
	if err != nil {
		return err
	}
	return im.machine.Write(desired.File{Path: importJournal, Content: text, Mode: 0o600, Owner: "root", Group: "root"})
}

// keep copies what will be replaced.
func (im taking) keep(context.Context) error {
	im.say("keep replaced files in %s", importKept)
	replaced := append(slices.Clone(pythonrelay.Configured), im.ini, path.Join(config.EchoBot(im.conf).Mailbox(), "password"))
	for _, name := range replaced {
		there, err := im.machine.Exists(name)
		if err != nil {
			return err
		}
		if !there {
			continue
		}
		if err := im.machine.CopyTree(im.machine.Tree, name, path.Join(importKept, name), noOwner); err != nil {
			return err
		}
	}
	return im.machine.Sync(importDir)
}

// writeConfig writes the converted configuration. It is noted before that it is ours, so
// that an undo moves it away.
func (im taking) writeConfig(context.Context) error {
	im.say("write %s", config.DefaultPath)
	if err := im.making(config.DefaultPath); err != nil {
		return err
	}
	return im.machine.Write(desired.File{
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
