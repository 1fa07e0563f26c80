package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"chatmaild/store/directory"
	"chatmaild/store/directory/move"
	"chatmaild/store/directory/placement"
	"chatmaild/store/directory/roll"
)

// scale is how large a world is, and how long it lasts.
type scale struct {
	days     int
	machines int // at first
	growTo   int // machines
	users    user
	moves    int // from one machine, each minute
}

// machine is a member of the relay.
type machine struct {
	world         *world
	number        int
	name          string
	up            bool
	drained, lost bool
	dead          bool // and not given up yet
	givenUp       bool // it knows that it is lost
	side          int  // who is on the same side reaches each other
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
	roll          *roll.Roll // since it was started last
	rollAt        uint64     // the changes that its roll knows
}

// Whose password an account has that was answered.
const (
	nobody uint8 = iota
	itsOwner
	itsRival
)

// world is everything.
type world struct {
	t        *testing.T
	random   *rand.Rand
	scale    scale
	rows     rows
	machines []*machine
	placing  *placement.Machines
	writer   *machine // the one that was made it last
	initial  user     // those who were there at first
	users    user     // numbers below it were tried
	clock    int      // in minutes
	plan     []placement.Transfer
	stood    uint64 // the change after which nothing was said of machines

	mail     map[user]*box     // only of who ever got any
	open     map[user]*machine // where it is open
	answered []uint8           // whose password an account has of which its creator was told, from initial on

	done map[string]int
}

func (w *world) chance(of int) bool { return w.random.IntN(of) == 0 }

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("at minute %d: "+format, append([]any{w.clock}, args...)...)
}

func newWorld(t *testing.T, seed uint64, s scale) *world {
	room := s.users + user(newAccounts*s.days*24*hour) + noHome
	w := &world{
		t: t, scale: s, initial: s.users, random: rand.New(rand.NewPCG(seed, 1)),
		rows: rows{home: make([]uint8, room), special: map[user]directory.Row{}, recent: map[user][]uint64{}},
		mail: map[user]*box{}, open: map[user]*machine{},
		answered: make([]uint8, room-s.users), done: map[string]int{},
	}
	for u := range w.rows.home {
		w.rows.home[u] = noHome
	}
	for range s.machines {
		w.add()
	}
	for _, m := range w.machines[:3] {
		m.voter = true
	}
	w.promote(w.machines[0])
	for _, m := range w.machines {
		w.start(m)
	}
	for ; w.users < s.users; w.users++ {
		w.rows.home[w.users] = uint8(w.number(w.place(w.users)))
	}
	return w
}

// add has another machine join, with a copy of what there is.
func (w *world) add() *machine {
	m := &machine{world: w, number: len(w.machines), up: true, known: w.rows.tip(), received: w.rows.tip()}
	m.name = fmt.Sprintf("m%03d", m.number)
	m.directory = directory.Replicated{Copy: copyOf{m}, Writer: writerFor{m}}
	m.mover = move.Mover{Here: m.name, Copy: copyOf{m}, Writer: writerFor{m}, Mailboxes: disk{m}}
	w.machines = append(w.machines, m)
	w.rows.names = append(w.rows.names, m.name)
	w.list()
	return m
}

// start has a machine that was started begin its roll. It serves nothing before it was
// admitted.
func (w *world) start(m *machine) {
	voters := w.voters()
	m.roll = &roll.Roll{
		Here: m.name,
		Copy: func(context.Context) ([]directory.Machine, error) { return w.rollOf(m, m.known), nil },
		Word: func(context.Context) ([]directory.Machine, error) {
			server := w.writerSeenBy(m)
			if server == nil || !w.confirm(server) {
				return nil, errAway
			}
			return w.rollOf(server, server.known), nil
		},
		// Any two of the three others have one that confirmed.
		Need:     len(voters) - len(voters)/2,
		Others:   map[string]roll.List{},
		Register: func(context.Context, string, string, int64) error { return nil },
		GivenUp:  func() bool { return m.givenUp },
		Store:    func(bool) (string, error) { return m.name, nil },
	}
	for _, v := range voters {
		if v == m {
			m.roll.Need--
			continue
		}
		m.roll.Others[v.name] = func(context.Context) ([]directory.Machine, error) {
			if !reaches(m, v) {
				return nil, errAway
			}
			return w.rollOf(v, v.received), nil
		}
	}
	m.rollAt = 0
	w.look(m)
}

// heed has a machine that is lost know it, once it reaches one that does: a voter, of which it may
// have another copy. What was open there ends.
func (w *world) heed(m *machine) {
	if !m.lost || m.givenUp {
		return
	}
	for _, v := range w.voters() {
		for _, known := range w.rollOf(v, v.received) {
			if reaches(m, v) && known.Name == m.name && known.Standing == directory.Lost {
				m.givenUp = true
			}
		}
	}
	if m.givenUp {
		w.crash(m)
		m.rollAt = 0
		m.roll.Look(w.t.Context())
	}
}

// look has a machine look at the roll, if there may be something new.
func (w *world) look(m *machine) {
	w.heed(m)
	if m.roll.Admitted() == nil && m.rollAt >= w.stood || !m.up {
		return
	}
	m.roll.Look(w.t.Context())
	m.rollAt = m.known
}

// stand has the directory say what a machine is, as an operator at another one does.
func (w *world) stand(at, m *machine, s directory.Standing) bool {
	err := writerFor{at}.commit(w.standingRow(m.number), func(row directory.Row, _ bool) (directory.Row, bool) {
		row.Stored = string(s)
		return row, true
	})
	if row, ok := w.rows.now(w.standingRow(m.number)); ok && row.Stored == string(s) {
		w.stood = w.rows.tip()
		return true
	}
	return err == nil
}

// list tells all machines who takes new accounts.
func (w *world) list() {
	var all []placement.Machine
	for _, m := range w.machines {
		room := 1.0
		if !m.up || m.drained || m.lost || m.dead {
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

func (w *world) number(name string) int { return w.rows.number(name) }

func reaches(a, b *machine) bool { return a.up && b.up && a.side == b.side }

// writerSeenBy returns the first server that takes changes of those that m reaches.
func (w *world) writerSeenBy(m *machine) *machine {
	for _, s := range w.voters() {
		if s.takesChanges && reaches(m, s) {
			return s
		}
	}
	return nil
}

// voters are the first machines: they are never lost, and more of them would be asked each
// time.
func (w *world) voters() []*machine { return w.machines[:3] }

// confirm has the changes of a writer confirmed, as synchronous_standby_names demands:
// by so many voters that they are a majority with it. Who confirms is chance.
func (w *world) confirm(server *machine) bool {
	voters := w.voters()
	ready := make([]*machine, 0, 3)
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
		if m.lost && m.back == 0 && !m.up {
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
		w.look(m)
		oldest = min(oldest, m.known)
	}
	w.rows.forget(oldest)
}
