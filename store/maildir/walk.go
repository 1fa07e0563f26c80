package maildir

import (
	"bytes"
	"cmp"
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Subdir is one of the three directories of a Maildir in which messages lie.
type Subdir string

// The directories of a Maildir (maildir(5)).
const (
	Cur   Subdir = "cur"
	Fresh Subdir = "new"
	Tmp   Subdir = "tmp"
)

// Mailbox is one directory of the store whose name is an address.
type Mailbox struct {
	Dir
	Name        string
	HasPassword bool   // has it a password file?
	Login       int64  // mtime of that
	Entries     int    // in its own directory; known once it has been read
	Sub         string // the subfolder that is being read, with a slash; "" for the inbox
	Changed     bool   // a message of it was deleted
	Used        bool   // there is more in it than what Dovecot makes automatically
}

// Visitor is told what a walk finds; each worker has its own.
type Visitor interface {
	// Mailbox comes before the content, and says whether to read it.
	Mailbox(*Mailbox) bool
	// Messages gets message files of a directory d, in pieces.
	Messages(m *Mailbox, d Dir, in Subdir, files []Entry)
	// Other gets a file that is not a message.
	Other(m *Mailbox, d Dir, e Entry)
	// Leave comes after the content.
	Leave(*Mailbox)
}

// Progress is how far a walk is; it may be read while the walk continues.
type Progress struct{ Mailboxes atomic.Int64 }

// Workers hide the latency of a disk; more of them than this only cost memory.
func Workers() int { return min(max(4, runtime.GOMAXPROCS(0)), 16) }

// Walk shows the store to the visitors, one for each worker. Faults are noted, and
// the walk continues; it ends early, without an error, when ctx is done.
func Walk(ctx context.Context, top Dir, visitors []Visitor, p *Progress, faults *Faults) {
	names := make(chan string, 256)
	var wg sync.WaitGroup
	for _, v := range visitors {
		w := &worker{ctx: ctx, top: top, visitor: v, faults: faults}
		wg.Go(func() {
			for name := range names {
				if ctx.Err() == nil {
					w.mailbox(name)
				}
				p.Mailboxes.Add(1)
			}
		})
	}
	EachName(top, faults, func(name string) bool {
		select {
		case names <- name:
			return true
		case <-ctx.Done():
			return false
		}
	})
	close(names)
	wg.Wait()
}

// WalkOne shows one mailbox to a visitor.
func WalkOne(ctx context.Context, top Dir, name string, v Visitor, faults *Faults) {
	w := &worker{ctx: ctx, top: top, visitor: v, faults: faults}
	w.mailbox(name)
}

// EachName calls do for each name in top that can be a mailbox's, until it
// returns false.
func EachName(top Dir, faults *Faults, do func(name string) bool) {
	// A descriptor of its own: top's read position is not for sharing.
	d, err := top.Open(".")
	if err != nil {
		faults.Add("opening the store", err, "", "")
		return
	}
	defer d.Close()
	var r Reader
	for {
		entries, err := r.Next(d)
		if err != nil {
			faults.Add("reading the store", err, "", "")
		}
		if len(entries) == 0 {
			return
		}
		ByInode(entries)
		for _, e := range entries {
			dir := e.Kind == unix.DT_DIR || e.Kind == unix.DT_UNKNOWN
			if dir && e.Name[0] != '.' && bytes.IndexByte(e.Name, '@') >= 0 && !do(string(e.Name)) {
				return
			}
		}
	}
}

// ByInode sorts entries as their inodes lie on the disk: on a cold one that halves
// the time, since names come in the order of their hashes.
func ByInode(entries []Entry) {
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Inode, b.Inode) })
}

// Depths of a walk below the store.
const (
	inMailbox = iota
	inSubfolder
	inMessages
	depths
)

// worker walks one mailbox after the other.
type worker struct {
	ctx     context.Context
	top     Dir
	visitor Visitor
	faults  *Faults
	readers [depths]Reader
}

func (w *worker) mailbox(name string) {
	d, err := w.top.Open(name)
	if err != nil {
		if !Gone(err) && !Foreign(err) {
			w.faults.Add("opening a mailbox", err, name, "")
		}
		return
	}
	defer d.Close()
	m := &Mailbox{Dir: d, Name: name}
	st, err := d.Stat(PasswordFile)
	switch {
	case err == nil && IsRegular(st):
		m.HasPassword, m.Login = true, st.Mtim.Sec
	case err == nil: // someone's link or directory; the mailbox is left as it is
		m.HasPassword, m.Login = true, 0
	case !Gone(err):
		w.faults.Add("looking at a password file", err, name, PasswordFile)
		return
	}
	if !w.visitor.Mailbox(m) {
		return
	}
	w.maildir(m, d, inMailbox)
	w.visitor.Leave(m)
}

// maildir reads a Maildir++: cur, new and tmp, and in a mailbox the subfolders,
// whose names start with a dot.
func (w *worker) maildir(m *Mailbox, d Dir, depth int) {
	w.read(m, d, depth, func(entries []Entry) {
		if depth == inMailbox {
			m.Entries += len(entries)
		}
		for _, e := range entries {
			if e.Kind != unix.DT_DIR {
				m.Used = m.Used || !isFurniture(e)
				w.visitor.Other(m, d, e)
				continue
			}
			switch in := Subdir(e.Name); {
			case in == Cur || in == Fresh || in == Tmp:
				w.enter(m, d, string(in), func(sub Dir) { w.messages(m, sub, in) })
			case depth == inMailbox && e.Name[0] == '.':
				m.Sub = string(in) + "/"
				w.enter(m, d, string(in), func(sub Dir) { w.maildir(m, sub, inSubfolder) })
				m.Sub = ""
			default:
				m.Used = true
			}
		}
	})
}

func (w *worker) messages(m *Mailbox, d Dir, in Subdir) {
	w.read(m, d, inMessages, func(entries []Entry) {
		m.Used = true
		files := entries[:0]
		for _, e := range entries {
			if IsMessage(e) {
				files = append(files, e)
			}
		}
		w.visitor.Messages(m, d, in, files)
	})
}

// IsMessage tells a message from what else may lie in cur, new or tmp. As for
// Dovecot and maildir(5), every file is one whose name does not start with a dot.
func IsMessage(e Entry) bool {
	return e.Kind == unix.DT_REG && e.Name[0] != '.' && !bytes.HasPrefix(e.Name, []byte("dovecot"))
}

// isFurniture tells Dovecot's own files in a Maildir from those that someone put
// there.
func isFurniture(e Entry) bool {
	switch string(e.Name) {
	case QuotaFile, "maildirfolder", "subscriptions":
		return true
	}
	return bytes.HasPrefix(e.Name, []byte("dovecot"))
}

func (w *worker) enter(m *Mailbox, d Dir, name string, do func(Dir)) {
	sub, err := d.Open(name)
	if err != nil {
		m.Used = true // for all that is known
		if !Gone(err) && !Foreign(err) {
			w.faults.Add("opening a directory", err, m.Name, name)
		}
		return
	}
	defer sub.Close()
	do(sub)
}

func (w *worker) read(m *Mailbox, d Dir, depth int, do func([]Entry)) {
	for w.ctx.Err() == nil {
		entries, err := w.readers[depth].Next(d)
		if err != nil {
			m.Used = true
			w.faults.Add("reading a directory", err, m.Name, "")
		}
		if len(entries) == 0 {
			return
		}
		for i := range entries {
			d.Resolve(&entries[i])
		}
		do(entries)
	}
}
