package expire

import (
	"context"
	"fmt"

	"chatmaild/store/maildir"

	"golang.org/x/sys/unix"
)

// Store is the folder of all mailboxes.
type Store struct{ top dir }

// Open opens the folder at path. An error that is fs.ErrNotExist says that there
// is none.
func Open(path string) (*Store, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	return &Store{dir{fd}}, nil
}

// Close closes the folder.
func (s *Store) Close() { s.top.close() }

// Count returns how many mailboxes a walk will visit.
func (s *Store) Count() int64 {
	n := int64(0)
	eachMailbox(s.top, &Faults{}, func(string) bool { n++; return true })
	return n
}

// Tally is a number of files and their octets on the disk.
type Tally struct {
	Count int64 `json:"count"`
	Size  int64 `json:"size"`
}

func (t *Tally) add(u Tally) {
	t.Count += u.Count
	t.Size += u.Size
}

// Summary is what one run saw and what it deleted. For Inactive the count is of
// mailboxes, and the size of all their files.
type Summary struct {
	Mailboxes int64
	Messages  int64 // those of deleted mailboxes are not looked at
	Deleted   [reasons]Tally
}

// Freed returns the octets of all that was deleted.
func (s Summary) Freed() int64 {
	n := int64(0)
	for _, t := range s.Deleted {
		n += t.Size
	}
	return n
}

func (s *Summary) add(t Summary) {
	s.Mailboxes += t.Mailboxes
	s.Messages += t.Messages
	for r := range s.Deleted {
		s.Deleted[r].add(t.Deleted[r])
	}
}

// Expire deletes with remover what plan says. Faults are collected, and the rest
// goes on; the error is ctx's.
func (s *Store) Expire(ctx context.Context, plan Plan, remover Remover, p *Progress, faults *Faults) (Summary, error) {
	expirers := make([]*expirer, workers())
	visitors := make([]visitor, len(expirers))
	for i := range expirers {
		expirers[i] = &expirer{plan: plan, remover: remover, top: s.top, faults: faults}
		visitors[i] = expirers[i]
	}
	walk(ctx, s.top, visitors, p, faults)
	var sum Summary
	for _, e := range expirers {
		sum.add(e.sum)
	}
	return sum, ctx.Err()
}

// expirer is the visitor that deletes.
type expirer struct {
	plan    Plan
	remover Remover
	top     dir
	faults  *Faults
	sum     Summary
}

func (x *expirer) mailbox(m *mailbox) bool {
	x.sum.Mailboxes++
	if !m.password || m.name == x.plan.spared {
		return true
	}
	reason, err := x.plan.mailbox(m.login)
	if err != nil {
		x.faults.add("dating the last login", err, m.name, maildir.PasswordFile)
	}
	if reason == Keep {
		return true
	}
	files, removed, err := x.remover.mailbox(m.name)
	if err != nil && !gone(err) {
		x.faults.add("removing a mailbox", err, m.name, "")
	}
	if removed {
		x.sum.Deleted[reason].add(Tally{1, files.Size})
	}
	return false
}

func (x *expirer) messages(m *mailbox, d dir, in folder, files []entry) {
	x.sum.Messages += int64(len(files))
	open := files[:0]
	for _, f := range files {
		if !x.plan.nameSettles(maildir.ParseName(f.name), in) {
			open = append(open, f)
		}
	}
	byInode(open)
	for _, f := range open {
		x.message(m, d, in, f)
	}
}

func (x *expirer) message(m *mailbox, d dir, in folder, f entry) {
	name := string(f.name)
	st, err := d.stat(name)
	if err != nil {
		if !gone(err) {
			x.faults.add("looking at a message", err, m.name, name)
		}
		return
	}
	if !isRegular(st) {
		return
	}
	reason, err := x.plan.message(message{maildir.ParseName(f.name), in, st.Mtim.Sec, st.Size})
	if err != nil {
		x.faults.add("dating a message", err, m.name, name)
	}
	if reason == Keep {
		return
	}
	if err := x.remover.message(d, name); err != nil {
		if !gone(err) {
			x.faults.add("deleting a message", err, m.name, name)
		}
		return
	}
	m.changed = true
	x.sum.Deleted[reason].add(Tally{1, st.Size})
}

func (x *expirer) other(*mailbox, dir, entry) {}

func (x *expirer) leave(m *mailbox) {
	if m.changed {
		if err := x.remover.quota(m.dir); err != nil {
			x.faults.add("removing the old quota sum", err, m.name, quotaFile)
		}
	}
	if !m.password && !m.used {
		x.unused(m)
	}
}

// unused removes a folder that never became a mailbox: an empty one, or what
// Dovecot made for a session whose mailbox was removed in the moment of its login.
func (x *expirer) unused(m *mailbox) {
	st, err := x.top.stat(m.name)
	if err != nil || !isDir(st) || x.plan.empty(st.Mtim.Sec) == Keep {
		return
	}
	var files Tally
	if m.entries == 0 {
		err = x.remover.empty(m.name)
	} else {
		files, _, err = x.remover.mailbox(m.name)
	}
	switch err {
	case nil:
		x.sum.Deleted[Empty].add(Tally{1, files.Size})
	case unix.ENOENT, unix.ENOTEMPTY, unix.EEXIST: // it is becoming a mailbox
	default:
		x.faults.add("removing an empty folder", err, m.name, "")
	}
}
