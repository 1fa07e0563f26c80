package expire

import (
	"bytes"
	"cmp"
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"chatmaild/store/maildir"
)

// folder is one of the three of a Maildir in which messages lie.
type folder string

const (
	cur   folder = "cur"
	fresh folder = "new"
	tmp   folder = "tmp"
)

// mailbox is one folder of the store whose name is an address.
type mailbox struct {
	dir
	name     string
	password bool   // has it a password file?
	login    int64  // mtime of that
	entries  int    // in its own folder; known once it has been read
	sub      string // the subfolder that is being read, with a slash; "" for the inbox
	changed  bool   // a message of it was deleted
	used     bool   // there is more in it than what Dovecot makes by itself
}

// visitor is told what a walk finds; each worker has its own.
type visitor interface {
	// mailbox comes before the content, and says whether to read it.
	mailbox(*mailbox) bool
	// messages gets message files of a folder d, in pieces.
	messages(m *mailbox, d dir, in folder, files []entry)
	// other gets a file that is no message.
	other(m *mailbox, d dir, e entry)
	// leave comes after the content.
	leave(*mailbox)
}

// Progress is how far a walk is; it may be read while the walk goes on.
type Progress struct{ Mailboxes atomic.Int64 }

// workers hide the latency of a disk; more of them than this only cost memory.
func workers() int { return min(max(4, runtime.GOMAXPROCS(0)), 16) }

// walk shows the store to the visitors, one for each worker. Faults are noted, and
// the walk goes on; it ends early, without an error, when ctx is done.
func walk(ctx context.Context, top dir, visitors []visitor, p *Progress, faults *Faults) {
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
	eachMailbox(top, faults, func(name string) bool {
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

// eachMailbox calls do for each name in top that can be a mailbox's, until it
// returns false.
func eachMailbox(top dir, faults *Faults, do func(name string) bool) {
	// A descriptor of its own: top's read position is not for sharing.
	d, err := top.open(".")
	if err != nil {
		faults.add("opening the store", err, "", "")
		return
	}
	defer d.close()
	var r reader
	for {
		entries, err := r.next(d)
		if err != nil {
			faults.add("reading the store", err, "", "")
		}
		if len(entries) == 0 {
			return
		}
		byInode(entries)
		for _, e := range entries {
			folder := e.kind == unix.DT_DIR || e.kind == unix.DT_UNKNOWN
			if folder && e.name[0] != '.' && bytes.IndexByte(e.name, '@') >= 0 && !do(string(e.name)) {
				return
			}
		}
	}
}

// byInode sorts entries as their inodes lie on the disk: on a cold one that halves
// the time, since names come in the order of their hashes.
func byInode(entries []entry) {
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.inode, b.inode) })
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
	top     dir
	visitor visitor
	faults  *Faults
	readers [depths]reader
}

func (w *worker) mailbox(name string) {
	d, err := w.top.open(name)
	if err != nil {
		if !gone(err) && !foreign(err) {
			w.faults.add("opening a mailbox", err, name, "")
		}
		return
	}
	defer d.close()
	m := &mailbox{dir: d, name: name}
	st, err := d.stat(maildir.PasswordFile)
	switch {
	case err == nil && isRegular(st):
		m.password, m.login = true, st.Mtim.Sec
	case err == nil: // somebody's link or folder; the mailbox is left as it is
		m.password, m.login = true, 0
	case !gone(err):
		w.faults.add("looking at a password file", err, name, maildir.PasswordFile)
		return
	}
	if !w.visitor.mailbox(m) {
		return
	}
	w.maildir(m, d, inMailbox)
	w.visitor.leave(m)
}

// maildir reads a Maildir++: cur, new and tmp, and in a mailbox the subfolders,
// whose names start with a dot.
func (w *worker) maildir(m *mailbox, d dir, depth int) {
	w.read(m, d, depth, func(entries []entry) {
		if depth == inMailbox {
			m.entries += len(entries)
		}
		for _, e := range entries {
			if e.kind != unix.DT_DIR {
				m.used = m.used || !isFurniture(e)
				w.visitor.other(m, d, e)
				continue
			}
			switch in := folder(e.name); {
			case in == cur || in == fresh || in == tmp:
				w.enter(m, d, string(in), func(sub dir) { w.messages(m, sub, in) })
			case depth == inMailbox && e.name[0] == '.':
				m.sub = string(in) + "/"
				w.enter(m, d, string(in), func(sub dir) { w.maildir(m, sub, inSubfolder) })
				m.sub = ""
			default:
				m.used = true
			}
		}
	})
}

func (w *worker) messages(m *mailbox, d dir, in folder) {
	w.read(m, d, inMessages, func(entries []entry) {
		m.used = true
		files := entries[:0]
		for _, e := range entries {
			if isMessage(e) {
				files = append(files, e)
			}
		}
		w.visitor.messages(m, d, in, files)
	})
}

// isMessage tells a message from what else may lie in cur, new or tmp. As for
// Dovecot and maildir(5), every file is one whose name does not start with a dot.
func isMessage(e entry) bool {
	return e.kind == unix.DT_REG && e.name[0] != '.' && !bytes.HasPrefix(e.name, []byte("dovecot"))
}

// isFurniture tells Dovecot's own files in a Maildir from those that somebody put
// there.
func isFurniture(e entry) bool {
	switch string(e.name) {
	case quotaFile, "maildirfolder", "subscriptions":
		return true
	}
	return bytes.HasPrefix(e.name, []byte("dovecot"))
}

func (w *worker) enter(m *mailbox, d dir, name string, do func(dir)) {
	sub, err := d.open(name)
	if err != nil {
		m.used = true // for all that is known
		if !gone(err) && !foreign(err) {
			w.faults.add("opening a folder", err, m.name, name)
		}
		return
	}
	defer sub.close()
	do(sub)
}

func (w *worker) read(m *mailbox, d dir, depth int, do func([]entry)) {
	for w.ctx.Err() == nil {
		entries, err := w.readers[depth].next(d)
		if err != nil {
			m.used = true
			w.faults.add("reading a folder", err, m.name, "")
		}
		if len(entries) == 0 {
			return
		}
		for i := range entries {
			d.resolve(&entries[i])
		}
		do(entries)
	}
}
