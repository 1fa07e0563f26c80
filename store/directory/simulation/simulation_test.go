package simulation

import (
	"errors"
	"flag"
	"fmt"
	"testing"

	"chatmaild/auth"
	"chatmaild/store/directory"
	"chatmaild/store/directory/move"
	"chatmaild/store/directory/placement"
)

var (
	seed  = flag.Uint64("seed", 1, "the `number` of one world")
	users = flag.Uint64("users", 0, "how `many` accounts there are at first; 0: as many as there are usually")
)

const (
	hour        = 60 // minutes
	day         = 24 * hour
	newAccounts = 20 // tried each minute
	logins      = 20
	messages    = 20
	looksAtOnce = 20_000 // at rows, each minute, for those to move
)

func TestMonth(t *testing.T) {
	if *users > 0 {
		size.users = user(*users)
	}
	t.Logf("%d days of %d machines and %d users; to see the same again: go test ./store/directory/simulation -seed %d -users %d",
		size.days, size.growTo, size.users, *seed, size.users)
	w := newWorld(t, *seed, size)
	for w.clock = range size.days * day {
		w.minute()
	}
	t.Logf("%d machines, %d accounts at last: %v", len(w.machines), w.count(), w.done)
	for _, what := range []string{"created", "logins", "messages", "moves", "moves cancelled", "promotions", "drained", "lost", "back", "rescued", "partitions", "rebalanced"} {
		if w.done[what] == 0 {
			t.Errorf("nothing was %s in all the time", what)
		}
	}
	w.everything()
}

// count returns how many accounts there are.
func (w *world) count() (n int) {
	for u := range w.users {
		if w.rows.home[u] != noHome {
			n++
		}
	}
	return n
}

// anyMachine returns one that is up.
func (w *world) anyMachine() *machine {
	for {
		if m := w.machines[w.random.IntN(len(w.machines))]; m.up {
			return m
		}
	}
}

func (w *world) minute() {
	w.trouble()
	w.operator()
	for range newAccounts {
		w.signUp()
	}
	for range logins {
		w.login(user(w.random.IntN(int(w.users))))
	}
	for range messages {
		w.deliver(user(w.random.IntN(int(w.users))))
	}
	w.drain()
	w.replicate()
}

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
	if m.lost {
		w.fail("%s, which is lost, serves user %d", m.name, u)
	}
	if other := w.open[u]; other != nil && other != m && other.up {
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
	if home := w.route(w.anyMachine(), u); home != nil {
		b := w.box(u)
		b.put(home.number, b.on(home.number)+1)
		b.accepted++
		w.done["messages"]++
	}
}

// drain moves accounts away from machines that are to go.
func (w *world) drain() {
	for _, m := range w.machines {
		if m.up && m.drained {
			w.moveSome(m, w.scale.moves, w.place)
		}
	}
	// Any machine may be told to give up one of its mailboxes.
	if u := user(w.random.IntN(int(w.users))); w.rows.home[u] != noHome {
		m := w.machines[w.rows.home[u]]
		w.move(m, u, w.anyMachine().name)
	}
}

// moveSome has m move so many of its mailboxes.
func (w *world) moveSome(m *machine, n int, place func(user) string) {
	for moved, looked := 0, 0; moved < n && looked < min(looksAtOnce, int(w.users)); looked++ {
		if w.rows.home[m.next] == uint8(m.number) {
			moved++
			w.move(m, m.next, place(m.next))
		}
		m.next = (m.next + 1) % w.users
	}
}

// rebalance moves accounts from the machines that have more than their share: each day it is
// reckoned again.
func (w *world) rebalance() {
	if w.clock%day == 0 {
		w.plan = placement.Balance(w.shares())
	}
	for i := range w.plan {
		t := &w.plan[i]
		n := min(t.Accounts, w.scale.moves/10)
		w.moveSome(w.machines[w.number(t.From)], n, func(user) string { return t.To })
		t.Accounts -= n
		w.done["rebalanced"] += n
	}
}

// shares returns the accounts of each machine, and those that take some.
func (w *world) shares() (counts map[string]int, open []placement.Machine) {
	numbers := make([]int, noHome+1)
	for _, home := range w.rows.home[:w.users] {
		numbers[home]++
	}
	counts = map[string]int{}
	for _, m := range w.machines {
		counts[m.name] = numbers[m.number]
		if m.up && !m.drained && !m.lost && !m.dead {
			open = append(open, placement.Machine{Name: m.name, Room: 1})
		}
	}
	return counts, open
}

// move has m move a mailbox, if it is there; and on, until it is done or has to wait. Some
// are cancelled.
func (w *world) move(m *machine, u user, to string) {
	row, ok := w.rows.now(u)
	if !ok || row.Home != m.name || !m.up || m.roll.Admitted() != nil {
		return
	}
	if other := w.machines[w.number(to)]; other == m || !other.up || other.drained || other.lost {
		return
	}
	for range 3 {
		if err := m.mover.Move(w.t.Context(), address(u), to); err == nil {
			w.done["moves"]++
			w.kept(u)
			return
		} else if errors.Is(err, move.ErrLagging) && reaches(m, w.writer) {
			m.received, m.known = w.rows.tip(), w.rows.tip() // it waits for that
		}
	}
	w.done["moves cut off"]++
	if w.chance(2) {
		if done, _ := move.Cancel(w.t.Context(), writerFor{m}, address(u)); done {
			w.done["moves cancelled"]++
			_ = m.mover.Finish(w.t.Context(), address(u))
			w.kept(u)
		}
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

// everything holds at the end what was only looked at where something happened.
func (w *world) everything() {
	for u := range w.mail {
		if row, _ := w.rows.now(u); !w.machines[w.number(row.Home)].lost {
			w.kept(u)
		}
	}
	for u := range w.users {
		password, known := w.passwordOf(u)
		if !known {
			continue
		}
		if row, ok := w.rows.now(u); !ok || row.Stored != password {
			w.fail("the account of user %d is %+v, and %q has made it", u, row, password)
		}
	}
}

// trouble has machines fail, and come back.
func (w *world) trouble() {
	changed := false
	for _, m := range w.machines {
		switch {
		case m.up && w.chance(30*day): // once a month each
			m.up, m.back, changed = false, w.clock+1+w.random.IntN(6*hour), true
			w.crash(m)
		case !m.up && m.back != 0 && m.back <= w.clock:
			m.up, m.back, changed = true, 0, true
			w.start(m)
			if m.lost {
				w.done["back"]++
			}
		}
	}
	switch {
	case w.chance(12 * hour): // some are cut off from the others
		for _, m := range w.machines {
			m.side = 0
			if w.chance(4) {
				m.side = 1
			}
		}
		w.done["partitions"]++
	case w.chance(hour):
		for _, m := range w.machines {
			m.side = 0
		}
	}
	if changed {
		w.list()
	}
}

// crash ends what is open on a machine. Its disk stays, and what it has committed, too.
func (w *world) crash(m *machine) {
	for u, where := range w.open {
		if where == m {
			delete(w.open, u)
		}
	}
}

// operator does what the commands do: promotes, adds, drains, and gives up what does not
// come back. Of the machines that are given up, some come back nevertheless, with their
// disks; whoever had mail there goes without it.
func (w *world) operator() {
	if m := w.anyMachine(); !reaches(m, w.writer) && w.chance(30) {
		w.promote(m)
	}
	if w.clock%(12*hour) == 0 && len(w.machines) < w.scale.growTo {
		w.start(w.add())
	}
	w.rebalance()
	if w.clock%(10*day) == hour {
		if m := w.machines[3+w.random.IntN(len(w.machines)-3)]; m.up && !m.drained && !m.lost && w.stand(w.writer, m, directory.Draining) {
			m.drained = true
			w.done["drained"]++
			w.list()
		}
	}
	if w.clock%(7*day) == 2*hour { // a machine dies
		if m := w.machines[3+w.random.IntN(len(w.machines)-3)]; !m.lost {
			w.crash(m)
			m.up, m.dead, m.back = false, true, 0
			w.list()
		}
	}
	for _, m := range w.machines {
		if m.dead && w.stand(w.writer, m, directory.Lost) {
			w.lose(m)
		}
	}
}

// lose gives up a machine that is dead.
func (w *world) lose(m *machine) {
	m.dead, m.lost = false, true
	if w.done["lost"]%2 == 0 {
		m.back = w.clock + 1 + w.random.IntN(6*hour)
	}
	for u, b := range w.mail {
		if w.rows.home[u] == uint8(m.number) {
			delete(w.mail, u)
			continue
		}
		b.put(m.number, 0)
	}
	w.done["lost"]++
}

// TestQuorum holds that those who confirm a commit and those who follow a new writer
// always have a machine in common, for any number of voters.
func TestQuorum(t *testing.T) {
	for voters := 1; voters < 20; voters++ {
		committed, promoted := 1+voters/2, voters/2+1
		if committed+promoted <= voters {
			t.Error(fmt.Sprint(voters, " voters: two writers can commit"))
		}
	}
}
