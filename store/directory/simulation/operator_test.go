package simulation

import (
	"errors"

	"chatmaild/store/directory"
	"chatmaild/store/directory/move"
	"chatmaild/store/directory/placement"
)

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
	for _, m := range w.machines {
		w.heed(m)
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
// disks; users who had mail there have lost it.
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
	// One that is only cut off is given up, too, now and then. (If that is in doubt, the operator has
	// to try again; here it never is.)
	if m := w.anyMachine(); m.number >= 3 && !m.lost && !reaches(m, w.writer) && w.chance(hour) && w.confirm(w.writer) && w.stand(w.writer, m, directory.Lost) {
		w.forget(m)
		w.list()
		w.done["lost while cut off"]++
	}
}

// lose gives up a machine that is dead.
func (w *world) lose(m *machine) {
	m.dead = false
	if w.done["lost"]%2 == 0 {
		m.back = w.clock + 1 + w.random.IntN(6*hour)
	}
	w.forget(m)
	w.done["lost"]++
}

// forget has a machine be lost, with the mail that it has.
func (w *world) forget(m *machine) {
	m.lost = true
	for u, b := range w.mail {
		if w.rows.home[u] == uint8(m.number) {
			delete(w.mail, u)
			continue
		}
		b.put(m.number, 0)
	}
}
