package simulation

import (
	"errors"

	"chatmaild/auth"
	"chatmaild/store/directory"
	"chatmaild/store/directory/move"
)

// signIn is a first login, or a later one, as auth.Service has them.
func (w *world) signIn(m *machine, u user, password string) (ok bool, err error) {
	a, err := m.directory.Account(w.t.Context(), address(u))
	if errors.Is(err, auth.ErrNoMailbox) {
		a = auth.Account{Stored: password, EncryptedOnly: true, Home: w.place(u)}
		err = m.directory.Create(w.t.Context(), address(u), a)
		if errors.Is(err, auth.ErrExists) {
			a, err = m.directory.Account(w.t.Context(), address(u))
		} else if err == nil {
			w.done["created"]++
		}
	}
	if err != nil {
		return false, err
	}
	ok = a.Stored == password
	first, known := w.passwordOf(u)
	switch {
	case !ok:
	case !known:
		w.answered[u-w.initial] = itsOwner
		if password == rival {
			w.answered[u-w.initial] = itsRival
		}
	case first != password:
		w.fail("%s lets in %q, who has not made the account of user %d", m.name, password, u)
	}
	return ok, nil
}

const rival = "{PLAIN}rival"

// signUp makes an account, or two people do, each on a machine of their own; they come
// again when it was in doubt.
func (w *world) signUp() {
	u := w.users
	w.users++
	m := w.anyMachine()
	for range 1 + w.random.IntN(3) {
		password := owner
		if w.chance(3) {
			password = rival
		}
		_, _ = w.signIn(m, u, password)
		if w.chance(2) {
			m = w.anyMachine()
		}
	}
}

// passwordOf returns the right password, if an account was ever answered.
func (w *world) passwordOf(u user) (string, bool) {
	if u < w.initial {
		return owner, true
	}
	switch w.answered[u-w.initial] {
	case itsOwner:
		return owner, true
	case itsRival:
		return rival, true
	}
	return "", false
}

// route finds where the mailbox of an account that exists is opened, as the entry m and
// then the home see it: nil if that has to wait.
func (w *world) route(m *machine, u user) *machine {
	a, err := m.directory.Account(w.t.Context(), address(u))
	if errors.Is(err, auth.ErrNoMailbox) {
		w.fail("%s says that user %d is not there", m.name, u)
	}
	if err != nil {
		w.done["deferred"]++
		return nil
	}
	saved, err := move.Rescue(w.t.Context(), writerFor{m}, address(u), a, m.roll.Lost, func() (string, error) { return w.place(u), nil })
	if err != nil {
		return nil
	}
	if saved != a {
		w.done["rescued"]++
		a = saved
	}
	switch directory.WhoseIs(a, m.name) {
	case directory.Moving:
		return nil
	case directory.Elsewhere:
		home := w.machines[w.number(a.Home)]
		if !reaches(m, home) {
			return nil
		}
		// The home goes by its own copy, not by what it is told.
		a, err = home.directory.Account(w.t.Context(), address(u))
		if errors.Is(err, auth.ErrNoMailbox) {
			w.fail("%s, at home, says that user %d is not there", home.name, u)
		}
		if err != nil || directory.WhoseIs(a, home.name) != directory.Ours {
			return nil
		}
		m = home
	}
	if m.roll.Admitted() != nil {
		return nil
	}
	if m.lost && reaches(m, w.writer) {
		w.fail("%s, which is lost, serves user %d", m.name, u)
	}
	if other := w.open[u]; other != nil && other != m && other.up && !other.lost {
		w.fail("%s opens the mailbox of user %d, which is open on %s", m.name, u, other.name)
	}
	return m
}

// login signs a user in, who stays.
func (w *world) login(u user) {
	password, exists := w.passwordOf(u)
	if !exists {
		return
	}
	m := w.anyMachine()
	if w.chance(5) { // a stranger tries
		_, _ = w.signIn(m, u, "{PLAIN}stranger")
		return
	}
	ok, err := w.signIn(m, u, password)
	if err == nil && !ok {
		w.fail("%s refuses user %d, who has the right password", m.name, u)
	}
	row, known := w.rows.at(u, m.known)
	if err != nil && known && row.Answered && !errors.Is(err, errAway) {
		w.fail("%s has the account of user %d, and says: %v", m.name, u, err)
	}
	if home := w.route(m, u); home != nil {
		w.open[u] = home
		w.done["logins"]++
	}
}

// deliver has a message come, and be accepted if there is a disk to put it on.
func (w *world) deliver(u user) {
	if _, exists := w.passwordOf(u); !exists {
		return
	}
	home := w.route(w.anyMachine(), u)
	switch {
	case home == nil:
	case home.lost: // and cut off: what it takes is lost with it
		w.done["in vain"]++
	default:
		b := w.box(u)
		b.put(home.number, b.on(home.number)+1)
		b.accepted++
		w.done["messages"]++
	}
}

// kept holds that the mail of an account is at its home.
func (w *world) kept(u user) {
	row, ok := w.rows.now(u)
	if !ok {
		w.fail("the account of user %d is gone", u)
	}
	if b := w.mail[u]; b != nil && b.on(w.number(row.Home)) != b.accepted {
		w.fail("user %d has %d messages of %d, at %s", u, b.on(w.number(row.Home)), b.accepted, row.Home)
	}
}
