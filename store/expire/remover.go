package expire

import (
	"golang.org/x/sys/unix"

	"chatmaild/store/maildir"
)

// Remover does what a plan says, or only says that it would.
type Remover interface {
	// lock takes a mailbox for shrinking; it fails with EWOULDBLOCK if another process
	// has it.
	lock(mailbox maildir.Dir) error
	message(d maildir.Dir, name string) error
	quota(mailbox maildir.Dir) error
	// mailbox removes the mailbox called name with all that is in it, if it still
	// has to go, and returns what that was.
	mailbox(name string) (files Tally, removed bool, err error)
	empty(name string) error
}

var (
	_ Remover = (*Deleter)(nil)
	_ Remover = dryRun{}
)

// dryRun changes nothing.
type dryRun struct{ top maildir.Dir }

// DryRun returns a Remover that changes nothing.
func (s *Store) DryRun() Remover { return dryRun{s.top} }

func (dryRun) lock(maildir.Dir) error            { return nil }
func (dryRun) message(maildir.Dir, string) error { return nil }
func (dryRun) quota(maildir.Dir) error           { return nil }
func (dryRun) empty(string) error                { return nil }

func (r dryRun) mailbox(name string) (Tally, bool, error) {
	var files Tally
	err := eachFile(r.top, name, func(_ maildir.Dir, _ string, st unix.Stat_t) error {
		if !maildir.IsDir(st) {
			files.add(Tally{1, st.Size})
		}
		return nil
	})
	return files, err == nil, err
}

// Deleter deletes. There is one at a time for a store.
type Deleter struct {
	top   maildir.Dir
	aside maildir.Dir
	plan  Plan

	accounts Accounts // nil: see Store

	// Gone is told the address of each mailbox that goes, so that its traces
	// elsewhere go too; it is called by several goroutines. Nil: it is not announced.
	Gone func(addr string)

	renamed func() // for tests: the moment after a mailbox was set aside
}

func (r *Deleter) lock(mailbox maildir.Dir) error           { return mailbox.Lock() }
func (r *Deleter) message(d maildir.Dir, name string) error { return d.Unlink(name) }
func (r *Deleter) empty(name string) error                  { return r.top.Rmdir(name) }

func (r *Deleter) quota(mailbox maildir.Dir) error {
	if err := mailbox.Unlink(maildir.QuotaFile); !maildir.Gone(err) {
		return err
	}
	return nil
}

// maxDepth bounds how deep the directories of a mailbox are followed to remove them.
// Dovecot makes two levels.
const maxDepth = 32

// eachFile calls do for all that is in the directory called name, and then for the
// directory itself. It follows no link and does not leave the file system. What do
// says first is its error; it continues nevertheless.
func eachFile(parent maildir.Dir, name string, do func(d maildir.Dir, name string, st unix.Stat_t) error) error {
	var st unix.Stat_t
	if err := unix.Fstat(parent.FD, &st); err != nil {
		return err
	}
	t := tree{device: st.Dev, do: do}
	return t.visit(parent, name, 0)
}

type tree struct {
	device  uint64
	do      func(d maildir.Dir, name string, st unix.Stat_t) error
	readers [maxDepth]maildir.Reader
}

func (t *tree) visit(parent maildir.Dir, name string, depth int) error {
	st, err := parent.Stat(name)
	if maildir.Gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if maildir.IsDir(st) {
		switch {
		case depth == maxDepth:
			return unix.ELOOP
		case st.Dev != t.device:
			return unix.EXDEV
		}
		if err := t.content(parent, name, depth); err != nil {
			return err
		}
	}
	return t.do(parent, name, st)
}

func (t *tree) content(parent maildir.Dir, name string, depth int) (first error) {
	d, err := parent.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		entries, err := t.readers[depth].Next(d)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return first
		}
		for _, e := range entries {
			if err := t.visit(d, string(e.Name), depth+1); err != nil && first == nil {
				first = err
			}
		}
	}
}
