package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory"
	"chatmaild/store/directory/move"
	"chatmaild/store/directory/placement"
)

// machine is a member of the relay.
type machine struct {
	world         *world
	number        int
	name          string
	up            bool
	drained, lost bool
	side          int // who is on the same side reaches each other
	voter         bool
	takesChanges  bool     // it thinks that it is the writer
	follows       *machine // of a voter: whose changes it confirms
	received      uint64   // changes of the writer that it has on disk
	known         uint64   // those that its copy shows
	unconfirmed   []pending
	next          user // to move, of one that is drained
	back          int  // when it is up again, in minutes; 0 if it stays down
	directory     directory.Replicated
	mover         move.Mover
}

// world is everything.
type world struct {
	t        *testing.T
	random   *rand.Rand
	rows     rows
	machines []*machine
	placing  *placement.Machines
	writer   *machine // the one that was made it last
	initial  user     // those who were there at first
	users    user     // numbers below it were tried
	clock    int      // in minutes

	mail     map[user]map[int]int // messages on the disk of each machine; only of who ever got one
	accepted map[user]int         // messages that were accepted, and should be there
	open     map[user]*machine    // where it is open
	answered map[user]string      // the password of an account of which its creator was told

	done map[string]int
}

func (w *world) chance(of int) bool { return w.random.IntN(of) == 0 }

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("at minute %d: "+format, append([]any{w.clock}, args...)...)
}

func newWorld(t *testing.T, seed uint64, machines int, users user, room user) *world {
	w := &world{
		t: t, initial: users, random: rand.New(rand.NewPCG(seed, 1)),
		rows: rows{home: make([]uint8, room), special: map[user]directory.Row{}, recent: map[user][]uint64{}},
		mail: map[user]map[int]int{}, accepted: map[user]int{}, open: map[user]*machine{},
		answered: map[user]string{}, done: map[string]int{},
	}
	for u := range w.rows.home {
		w.rows.home[u] = noHome
	}
	for range machines {
		w.add()
	}
	for _, m := range w.machines[:3] {
		m.voter = true
	}
	w.promote(w.machines[0])
	for ; w.users < users; w.users++ {
		w.rows.home[w.users] = uint8(w.number(w.place(w.users)))
	}
	return w
}

// add has another machine join, with a copy of what there is.
func (w *world) add() {
	m := &machine{world: w, number: len(w.machines), up: true, known: w.rows.tip(), received: w.rows.tip()}
	m.name = fmt.Sprintf("m%03d", m.number)
	m.directory = directory.Replicated{Copy: copyOf{m}, Writer: writerFor{m}}
	m.mover = move.Mover{Here: m.name, Copy: copyOf{m}, Writer: writerFor{m}, Mailboxes: disk{m}}
	w.machines = append(w.machines, m)
	w.rows.names = append(w.rows.names, m.name)
	w.list()
}

// list tells all machines who takes new accounts.
func (w *world) list() {
	var all []placement.Machine
	for _, m := range w.machines {
		room := 1.0
		if !m.up || m.drained || m.lost {
			room = 0
		}
		all = append(all, placement.Machine{Name: m.name, Room: room})
	}
	w.placing = placement.New(all)
}

func (w *world) place(u user) string {
	home, err := w.placing.Home(address(u).String())
	if err != nil {
		w.fail("placing: %v", err)
	}
	if m := w.machines[w.number(home)]; !m.up || m.drained || m.lost {
		w.fail("an account is placed on %s, which takes none", home)
	}
	return home
}

func (w *world) number(name string) int {
	var n int
	if _, err := fmt.Sscanf(name, "m%d", &n); err != nil {
		w.fail("no machine %q", name)
	}
	return n
}

func reaches(a, b *machine) bool { return a.up && b.up && a.side == b.side }

// writerSeenBy returns the first server that takes changes of those that m reaches.
func (w *world) writerSeenBy(m *machine) *machine {
	for _, s := range w.machines {
		if s.voter && s.takesChanges && reaches(m, s) {
			return s
		}
	}
	return nil
}

func (w *world) voters() (all []*machine) {
	for _, m := range w.machines {
		if m.voter {
			all = append(all, m)
		}
	}
	return all
}

// confirm has the changes of a writer confirmed, as synchronous_standby_names demands:
// by so many voters that they are a majority with it. Who confirms is chance.
func (w *world) confirm(server *machine) bool {
	voters := w.voters()
	var ready []*machine
	for _, v := range voters {
		if v != server && v.follows == server && reaches(v, server) {
			ready = append(ready, v)
		}
	}
	need := len(voters) / 2
	if len(ready) < need {
		return false
	}
	if server != w.writer {
		w.fail("%s commits, and %s is the writer", server.name, w.writer.name)
	}
	for _, p := range server.unconfirmed {
		w.rows.put(p.user, p.row, p.exists)
	}
	server.unconfirmed = nil
	server.received, server.known = w.rows.tip(), w.rows.tip()
	w.random.Shuffle(len(ready), func(i, j int) { ready[i], ready[j] = ready[j], ready[i] })
	for _, v := range ready[:need] {
		v.received = w.rows.tip()
	}
	return true
}

// promote makes a voter the writer, if a majority of the voters can be pointed at the
// new one: of those that the operator's machine reaches, the one that has most.
func (w *world) promote(from *machine) {
	voters := w.voters()
	var reached []*machine
	var best *machine
	for _, v := range voters {
		if reaches(from, v) {
			reached = append(reached, v)
			if best == nil || v.received > best.received {
				best = v
			}
		}
	}
	if 2*len(reached) <= len(voters) {
		return
	}
	if best.received != w.rows.tip() {
		w.fail("the new writer has %d changes of %d that were confirmed", best.received, w.rows.tip())
	}
	for _, v := range reached {
		v.follows = best
		w.demote(v)
	}
	best.takesChanges, best.follows, best.known = true, nil, w.rows.tip()
	w.writer = best
	w.done["promotions"]++
}

// demote has a machine follow the writer, by pg_rewind if it was one itself: what nobody
// has confirmed is gone.
func (w *world) demote(m *machine) {
	m.takesChanges = false
	m.unconfirmed = nil
}

// replicate has the copies follow, each as far as it comes.
func (w *world) replicate() {
	oldest := w.rows.tip()
	for _, m := range w.machines {
		if m.lost {
			continue
		}
		if m != w.writer && reaches(m, w.writer) {
			if m.takesChanges { // it meets the new writer
				w.demote(m)
			}
			if m.voter {
				m.follows = w.writer
			}
			if !w.chance(10) {
				m.received = w.rows.tip()
			}
			if m.known < m.received && !w.chance(4) {
				m.known += uint64(w.random.Int64N(int64(m.received-m.known) + 1))
			}
		}
		oldest = min(oldest, m.known)
	}
	w.rows.forget(oldest)
}

// disk is that of a machine.
type disk struct{ m *machine }

// box returns what messages there are of a user; one who never got any has none, at home.
func (w *world) box(u user) map[int]int {
	if w.mail[u] == nil {
		w.mail[u] = map[int]int{}
	}
	return w.mail[u]
}

func (d disk) Close(_ context.Context, addr mailaddr.Address) error {
	if d.m.world.chance(300) {
		return errAway
	}
	if u := userOf(addr); d.m.world.open[u] == d.m {
		delete(d.m.world.open, u)
	}
	return nil
}

func (d disk) Copy(_ context.Context, addr mailaddr.Address, to string) error {
	w, u := d.m.world, userOf(addr)
	other := w.machines[w.number(to)]
	if !reaches(d.m, other) || w.chance(300) {
		return errAway
	}
	if w.mail[u] != nil {
		w.mail[u][other.number] = w.mail[u][d.m.number]
	}
	if w.chance(300) { // it was the answer that was lost
		return errAway
	}
	return nil
}

func (d disk) Remove(_ context.Context, addr mailaddr.Address) error {
	w, u := d.m.world, userOf(addr)
	if w.chance(300) {
		return errAway
	}
	delete(w.mail[u], d.m.number)
	return nil
}
