package takeover

import (
	"context"
	"fmt"
	"io"
	"path"
	"slices"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/takeover/pythonrelay"
	"chatmaild/applets/command"
)

const sysctlConf = "/etc/sysctl.conf"

// files are those of the old relay that are neither units nor anyone's data.
type files struct{ *importer }

// there returns which of the files with a fate are on this machine.
func (im files) there(fate pythonrelay.FileFate) ([]pythonrelay.File, error) {
	var found []pythonrelay.File
	for _, f := range pythonrelay.Files {
		if f.Fate != fate {
			continue
		}
		names, err := im.machine.Glob(f.Path)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			found = append(found, pythonrelay.File{Path: name, Fate: fate, Why: f.Why})
		}
	}
	return found, nil
}

// clear moves away what would confuse people or programs, each noted before that.
func (im files) clear() error {
	found, err := im.there(pythonrelay.Moved)
	if err != nil {
		return err
	}
	// An interrupted import has these in the journal already, and finds them moved.
	for _, f := range found {
		if !slices.Contains(im.journal.Moved, f.Path) {
			im.journal.Moved = append(im.journal.Moved, f.Path)
		}
	}
	if err := im.writeJournal(); err != nil {
		return err
	}
	if len(im.journal.Moved) > 0 {
		im.say("move %d files and directories away", len(im.journal.Moved))
	}
	for _, name := range im.journal.Moved {
		if err := im.machine.Move(name, path.Join(importMoved, name)); err != nil {
			return err
		}
	}
	edited, need, err := im.sysctls()
	if err != nil || !need {
		return err
	}
	im.say("edit %s", sysctlConf)
	return im.machine.Write(desired.File{Path: sysctlConf, Content: []byte(edited), Mode: 0o644, Owner: "root", Group: "root"})
}

// sysctls is sysctl.conf without what would lower our limits, and whether that differs from
// what it is. It is kept whole.
func (im files) sysctls() (edited string, need bool, err error) {
	if !im.machine.IsFile(sysctlConf) {
		return "", false, nil
	}
	text, err := im.machine.ReadFile(sysctlConf)
	if err != nil {
		return "", false, err
	}
	edited = pythonrelay.WithoutSysctls(string(text))
	return edited, edited != string(text), nil
}

// giveBack moves the files back to where they were, which is before others are put back:
// of some directories both have a part.
func (im files) giveBack(context.Context) error {
	for _, name := range im.journal.Moved {
		if err := im.machine.MoveBack(path.Join(importMoved, name), name); err != nil {
			return err
		}
	}
	return nil
}

// show says what becomes of each that is on this machine.
func (im files) show(out io.Writer) error {
	fmt.Fprintf(out, "\nFiles of the Python relay; what is moved goes to %s:\n", importMoved)
	t := command.NewTable(out)
	_, edit, err := im.sysctls()
	if err != nil {
		return err
	}
	for _, fate := range []pythonrelay.FileFate{pythonrelay.Moved, pythonrelay.Edited, pythonrelay.Stays} {
		if fate == pythonrelay.Edited && !edit {
			continue
		}
		found, err := im.there(fate)
		if err != nil {
			return err
		}
		for _, f := range found {
			fmt.Fprintf(t, "  %v\t%s\t%s\n", f.Fate, f.Path, f.Why)
		}
	}
	return t.Flush()
}
