package takeover

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/takeover/journal"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
)

// undo brings the old relay back.
type undo struct{ *importer }

// run brings the Python relay back: its units, and the configurations that were
// there before, whatever chatmaild run has written since. Mail that came meanwhile is
// in the mailboxes, which both relays share. What chatmaild made is moved beside the
// journal, so that nothing is lost and a later takeover begins again.
func (im undo) run(ctx context.Context) error {
	j := im.journal
	if j == nil {
		return command.WithHint(errors.New("there is nothing to undo"), "no import has begun on this machine: there is no %s", importJournal)
	}
	if im.dryRun {
		im.showUndo()
		return nil
	}
	if err := im.requireOne(); err != nil {
		return err
	}
	j.Undoing = true
	if err := im.writeJournal(); err != nil {
		return err
	}
	// Our daemons stop first, since only then their database can be opened; the operator's own
	// configurations are back before the units that read them start.
	for _, step := range []func(context.Context) error{
		im.stopNew, pushes(im).giveBackPush, blocks(im).giveBack, im.clearAway, files(im).giveBack, im.putBack, units(im).unmask, units(im).startOld,
	} {
		if err := step(ctx); err != nil {
			return command.WithHint(err, "the Python relay is not restored completely; fix the cause, then: chatmaild import --undo")
		}
	}
	// From here on no takeover is in progress.
	aside := fmt.Sprintf("%s-undone-%s", importDir, im.now.UTC().Format("20060102T150405Z"))
	if err := im.machine.Rename(importDir, aside); err != nil {
		return err
	}
	im.journal = nil
	fmt.Fprintf(im.env.Stdout, "the Python relay of %s is back; what chatmaild created is in %s\n", j.Domain, aside)
	return nil
}

// requireOne refuses what the Python relay could not be: several machines, of which this one's
// mailboxes are some.
func (im undo) requireOne() error {
	conf, err := config.Load(path.Join(im.machine.Root, config.DefaultPath))
	if err == nil && config.Clustered(conf) {
		return command.WithHint(errors.New("this relay is several machines, whose accounts are in their directory and not in the mailboxes here"),
			"there is no way back to the Python relay")
	}
	return nil // an undo needs the journal alone
}

// stopNew stops mail, and then everything of ours, and keeps it stopped.
func (im undo) stopNew(ctx context.Context) error {
	if !im.reached(journal.StepStop) {
		return nil
	}
	im.say("stop Postfix and Dovecot for a moment, and chatmaild for good")
	if err := im.machine.StopMail(ctx, im.say); err != nil {
		return err
	}
	files, err := im.machine.Glob("/usr/lib/systemd/system/chatmaild*")
	if err != nil {
		return err
	}
	var units []string
	for _, file := range files {
		if name := path.Base(file); path.Ext(name) != ".d" {
			units = append(units, name)
		}
	}
	// Sockets and timers first: what they start is not started again meanwhile.
	slices.SortStableFunc(units, func(a, b string) int {
		service := func(name string) int {
			if path.Ext(name) == ".service" {
				return 1
			}
			return 0
		}
		return service(a) - service(b)
	})
	return errors.Join(im.machine.Systemd().Systemctl(ctx, "stop", units...), im.machine.Systemd().Systemctl(ctx, "disable", units...))
}

// reached reports whether the step has at least begun.
func (im *importer) reached(step journal.Step) bool {
	return im.journal.Has(step) || im.journal.Next() == step
}

// clearAway moves away what chatmaild has made and the old relay did not have.
func (im undo) clearAway(context.Context) error {
	conf := config.Defaults()
	made := slices.Clone(im.journal.Created)
	if ours, err := config.Load(path.Join(im.machine.Root, config.DefaultPath)); err == nil {
		conf = ours
		made = append(made, im.generated(conf)...)
	}
	if im.reached(journal.StepRun) {
		made = append(made, im.journal.Made...)
		made = append(made, conf.ACMEDir(), conf.MetadataDB(), desired.TLSDir, config.SubmissionCertificate(conf))
	}
	slices.Sort(made) // a directory comes before what is in it, and takes that along
	for _, name := range slices.Compact(made) {
		kept, err := im.machine.Exists(path.Join(importKept, name))
		if err != nil {
			return err
		}
		// What is kept is put back; pages are in nobody's way, and the bot has contacts
		// who will want it again.
		if kept || strings.HasPrefix(name, desired.WebRoot+"/") || strings.HasPrefix(name, config.EchoBot(conf).Dir()+"/") {
			continue
		}
		if err := im.machine.Move(name, path.Join(importDir, "made", name)); err != nil {
			return err
		}
	}
	return nil
}

// generated are the files that a later chatmaild run may have written.
func (im undo) generated(conf *config.Config) []string {
	files, err := desired.Files(conf, desired.Paths{}, desired.Machine{Release: im.machine.Release(), Processors: 1})
	if err != nil || !im.reached(journal.StepRun) {
		return nil
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Path)
	}
	return names
}

// putBack restores the configurations.
func (im undo) putBack(ctx context.Context) error {
	there, err := im.machine.Exists(importKept)
	if err != nil || !there {
		return err
	}
	changed, err := im.machine.PutBack(importKept)
	if err != nil {
		return err
	}
	if len(changed) > 0 {
		im.say("put %d files back", len(changed))
	}
	// OpenDKIM reads its key there again.
	if err := host.GiveBack(im.machine.Tree, importKept, desired.DKIMDir); err != nil {
		return err
	}
	return im.machine.Systemd().Systemctl(ctx, "daemon-reload")
}

// showUndo says what an undo would do.
func (im undo) showUndo() {
	out := im.env.Stdout
	fmt.Fprintf(out, "the Python relay of %s would be restored; it was taken over at %s:\n",
		im.journal.Domain, im.journal.Begun.Format(time.DateTime))
	fmt.Fprintf(out, "  stop chatmaild; restore the files in %s\n", importKept)
	for _, u := range slices.Backward(im.journal.Units) {
		state := "stopped, as it was"
		if u.Active {
			state = "and start it"
		}
		fmt.Fprintf(out, "  unmask %s, %s\n", u.Name, state)
	}
	for _, u := range im.journal.Servers {
		if u.Active {
			fmt.Fprintf(out, "  restart %s\n", u.Name)
		}
	}
	fmt.Fprintf(out, "Mail, passwords and last logins stay where they are; push tokens and pending notifications return to files.\n")
}
