package expire

import (
	"context"

	"chatmaild/store/maildir"

	"golang.org/x/sys/unix"
)

// Store is the directory of all mailboxes.
type Store struct {
	top maildir.Dir

	// Accounts are those of a relay of several machines; nil if it is one, where each
	// mailbox is an account.
	Accounts Accounts
}

// Accounts are those to which the mailboxes of one of several machines belong. An error
// keeps a mailbox.
type Accounts interface {
	// Orphaned reports whether the mailbox of addr is nobody's: there is no such account,
	// or it is at home on another machine.
	Orphaned(addr string) (bool, error)
	// Remove removes the account of a mailbox that is to go, and reports whether it did:
	// not if an operator has blocked it.
	Remove(addr string) (bool, error)
}

// Open opens the directory at path. An error that is fs.ErrNotExist says that there
// is none.
func Open(path string) (*Store, error) {
	top, err := maildir.OpenDir(path)
	if err != nil {
		return nil, err
	}
	return &Store{top: top}, nil
}

// Close closes the directory.
func (s *Store) Close() { s.top.Close() }

// Count returns how many mailboxes a walk will visit.
func (s *Store) Count() int64 {
	n := int64(0)
	maildir.EachName(s.top, &maildir.Faults{}, func(string) bool { n++; return true })
	return n
}

// Tally is a number of files and their bytes on the disk.
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
	Over      int64 // mailboxes above Limits.Size, after old and large messages went
	StillOver int64 // those of them that stay so, with mail that is Protected
	Deleted   [reasons]Tally
}

// Freed returns the bytes of all that was deleted.
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
	s.Over += t.Over
	s.StillOver += t.StillOver
	for r := range s.Deleted {
		s.Deleted[r].add(t.Deleted[r])
	}
}

// Expire deletes with remover what plan says. Faults are collected, and the rest
// continues; the error is ctx's.
func (s *Store) Expire(ctx context.Context, plan Plan, remover Remover, p *maildir.Progress, faults *maildir.Faults) (Summary, error) {
	expirers := make([]*expirer, maildir.Workers())
	visitors := make([]maildir.Visitor, len(expirers))
	for i := range expirers {
		expirers[i] = &expirer{ctx: ctx, plan: plan, remover: remover, top: s.top, accounts: s.Accounts, faults: faults}
		visitors[i] = expirers[i]
	}
	maildir.Walk(ctx, s.top, visitors, p, faults)
	var sum Summary
	for _, e := range expirers {
		sum.add(e.sum)
	}
	return sum, ctx.Err()
}

// expirer is the visitor that deletes.
type expirer struct {
	ctx     context.Context
	plan    Plan
	remover Remover
	top     maildir.Dir

	accounts Accounts

	faults *maildir.Faults
	sum    Summary
	size   int64 // bytes of the mailbox that stay so far, as quota counts them
}

func (x *expirer) Mailbox(m *maildir.Mailbox) bool {
	x.sum.Mailboxes++
	x.size = 0
	if !m.HasPassword || m.Name == x.plan.spared {
		return true
	}
	reason, err := x.plan.mailbox(m.Login)
	if err != nil {
		x.faults.Add("dating the last login", err, m.Name, maildir.PasswordFile)
	}
	switch orphaned := x.orphaned(m); {
	case orphaned:
		reason = Empty
	case reason == Keep || x.blocked(m):
		return true
	}
	files, removed, err := x.remover.mailbox(m.Name)
	if err != nil && !maildir.Gone(err) {
		x.faults.Add("removing a mailbox", err, m.Name, "")
	}
	if removed {
		x.sum.Deleted[reason].add(Tally{1, files.Size})
	}
	return false
}

// orphaned reports whether a mailbox is nobody's any more. One that is new may be on its way
// to its account.
func (x *expirer) orphaned(m *maildir.Mailbox) bool {
	if x.accounts == nil || x.plan.young(m.Login) {
		return false
	}
	orphaned, err := x.accounts.Orphaned(m.Name)
	if err != nil {
		x.faults.Add("looking up an account", err, m.Name, "")
	}
	return orphaned && err == nil
}

// blocked reports whether a mailbox stays, although nobody logs in, because an operator
// has blocked its account: without it the address would be free for anyone, with the
// next login. Its messages go like all others.
func (x *expirer) blocked(m *maildir.Mailbox) bool {
	blocked, err := m.Blocked()
	if err != nil {
		x.faults.Add("reading a password file", err, m.Name, maildir.PasswordFile)
	}
	return blocked || err != nil
}

func (x *expirer) Messages(m *maildir.Mailbox, d maildir.Dir, in maildir.Subdir, files []maildir.Entry) {
	x.sum.Messages += int64(len(files))
	open := files[:0]
	for _, f := range files {
		if n := maildir.ParseName(f.Name); x.plan.nameSettles(n, in) {
			x.keep(message{name: n, in: in})
		} else {
			open = append(open, f)
		}
	}
	maildir.ByInode(open)
	for _, f := range open {
		x.message(m, d, in, f)
	}
}

func (x *expirer) message(m *maildir.Mailbox, d maildir.Dir, in maildir.Subdir, f maildir.Entry) {
	name := string(f.Name)
	st, err := d.Stat(name)
	if err != nil {
		if !maildir.Gone(err) {
			x.faults.Add("looking at a message", err, m.Name, name)
		}
		return
	}
	if !maildir.IsRegular(st) {
		return
	}
	msg := message{maildir.ParseName(f.Name), in, st.Mtim.Sec, st.Size}
	reason, err := x.plan.message(msg)
	if err != nil {
		x.faults.Add("dating a message", err, m.Name, name)
	}
	if reason == Keep {
		x.keep(msg)
		return
	}
	if err := x.remover.message(d, name); err != nil {
		if !maildir.Gone(err) {
			x.faults.Add("deleting a message", err, m.Name, name)
		}
		return
	}
	m.Changed = true
	x.sum.Deleted[reason].add(Tally{1, st.Size})
}

// keep counts a message that stays. Quota does not count what is not delivered yet.
func (x *expirer) keep(m message) {
	if m.in != maildir.Tmp {
		x.size += m.length()
	}
}

func (x *expirer) Other(*maildir.Mailbox, maildir.Dir, maildir.Entry) {}

func (x *expirer) Leave(m *maildir.Mailbox) {
	if x.size > x.plan.limits.Size {
		x.shrink(m)
	}
	if m.Changed {
		if err := x.remover.quota(m.Dir); err != nil {
			x.faults.Add("removing the old quota sum", err, m.Name, maildir.QuotaFile)
		}
	}
	if !m.HasPassword && !m.Used {
		x.unused(m)
	}
}

// shrink deletes the oldest messages of a mailbox that is too full: one that Dovecot
// warned of when all its mail was protected, or for which the limit was another then.
func (x *expirer) shrink(m *maildir.Mailbox) {
	x.sum.Over++
	if err := x.remover.lock(m.Dir); err == unix.EWOULDBLOCK {
		return // Dovecot has just warned of it
	} else if err != nil {
		x.faults.Add("locking a mailbox", err, m.Name, "")
		return
	}
	f := &filler{plan: x.plan, faults: x.faults, limit: shrinkBatch}
	deleted := f.shrink(x.ctx, x.top, m.Dir, m.Name, x.remover)
	x.sum.Deleted[Full].add(deleted)
	m.Changed = m.Changed || deleted.Count > 0
	if f.total > x.plan.limits.Size {
		x.sum.StillOver++
	}
}

// unused removes a directory that never became a mailbox: an empty one, or what
// Dovecot made for a session whose mailbox was removed in the moment of its login.
func (x *expirer) unused(m *maildir.Mailbox) {
	st, err := x.top.Stat(m.Name)
	if err != nil || !maildir.IsDir(st) || x.plan.empty(st.Mtim.Sec) == Keep {
		return
	}
	var files Tally
	if m.Entries == 0 {
		err = x.remover.empty(m.Name)
	} else {
		files, _, err = x.remover.mailbox(m.Name)
	}
	switch err {
	case nil:
		x.sum.Deleted[Empty].add(Tally{1, files.Size})
	case unix.ENOENT, unix.ENOTEMPTY, unix.EEXIST: // it is becoming a mailbox
	default:
		x.faults.Add("removing an empty directory", err, m.Name, "")
	}
}
