package simulation

import (
	"context"
	"errors"
	"strconv"

	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory"
)

const domain = "sim.example"

// user is the number of an account.
type user = uint32

func address(u user) mailaddr.Address {
	addr, err := mailaddr.Parse("u"+strconv.FormatUint(uint64(u), 10)+"@"+domain, domain)
	if err != nil {
		panic(err)
	}
	return addr
}

func userOf(addr mailaddr.Address) user {
	n, err := strconv.ParseUint(addr.Local()[1:], 10, 32)
	if err != nil {
		panic(err)
	}
	return user(n)
}

// noHome says that there is no such account.
const noHome = 255

// standingRow is the number by which the rows have what a machine is to the others: it is
// replicated as all else is.
func (w *world) standingRow(machine int) user { return user(len(w.rows.home)) - 1 - user(machine) }

// rollOf returns what a machine's copy has of all machines.
func (w *world) rollOf(m *machine, known uint64) (all []directory.Machine) {
	for _, other := range w.machines {
		if row, ok := w.rows.at(w.standingRow(other.number), known); ok {
			all = append(all, directory.Machine{Name: other.name, Standing: directory.Standing(row.Stored)})
		}
	}
	return all
}

// entry is one confirmed change.
type entry struct {
	user   user
	before directory.Row
	had    bool
}

// rows is the directory as those changes have made it that are on two machines. Almost
// all rows are alike but for their home.
type rows struct {
	home    []uint8
	special map[user]directory.Row // all others
	names   []string               // of the machines

	log    []entry // the last changes
	first  uint64  // the number of log[0]
	recent map[user][]uint64
}

const owner = "{PLAIN}owner"

// now returns a row as it is.
func (r *rows) now(u user) (directory.Row, bool) {
	if row, ok := r.special[u]; ok {
		return row, true
	}
	if r.home[u] == noHome {
		return directory.Row{}, false
	}
	return directory.Row{Account: auth.Account{Stored: owner, EncryptedOnly: true, Home: r.names[r.home[u]]}, Answered: true}, true
}

// at returns a row as a copy has it that knows of so many changes.
func (r *rows) at(u user, known uint64) (directory.Row, bool) {
	for _, n := range r.recent[u] {
		if n >= known {
			e := r.log[n-r.first]
			return e.before, e.had
		}
	}
	return r.now(u)
}

func (r *rows) tip() uint64 { return r.first + uint64(len(r.log)) }

// put makes a change.
func (r *rows) put(u user, row directory.Row, exists bool) {
	before, had := r.now(u)
	r.recent[u] = append(r.recent[u], r.tip())
	r.log = append(r.log, entry{u, before, had})
	r.set(u, row, exists)
}

func (r *rows) set(u user, row directory.Row, exists bool) {
	delete(r.special, u)
	r.home[u] = noHome
	if !exists {
		return
	}
	if row.Home == "" { // that of a machine
		r.special[u] = row
		return
	}
	r.home[u] = uint8(r.number(row.Home))
	if usual, _ := r.now(u); usual != row {
		r.special[u] = row
	}
}

// number is that of a machine.
func (r *rows) number(name string) int {
	n, err := strconv.Atoi(name[1:])
	if err != nil || n >= len(r.names) {
		panic("no machine " + name)
	}
	return n
}

// forget drops the changes that every copy knows of.
func (r *rows) forget(known uint64) {
	for ; r.first < known; r.first++ {
		u := r.log[0].user
		if r.recent[u] = r.recent[u][1:]; len(r.recent[u]) == 0 {
			delete(r.recent, u)
		}
		r.log = r.log[1:]
	}
}

// pending is a change that its writer shows, and nobody has confirmed.
type pending struct {
	user   user
	row    directory.Row
	exists bool
}

// The errors of the network and the servers.
var (
	errAway  = errors.New("no answer")
	errAlone = errors.New("nobody confirms the commit")
)

// copyOf is the copy of a machine.
type copyOf struct{ m *machine }

func (c copyOf) Read(_ context.Context, addr mailaddr.Address) (directory.Row, error) {
	w, u := c.m.world, userOf(addr)
	if w.chance(1000) {
		return directory.Row{}, errAway
	}
	row, ok := w.rows.at(u, c.m.known)
	for _, p := range c.m.unconfirmed {
		if p.user == u {
			row, ok = p.row, p.exists
		}
	}
	if !ok {
		return directory.Row{}, auth.ErrNoMailbox
	}
	return row, nil
}

func (c copyOf) Each(context.Context, func(mailaddr.Address) error) error { return errAway }

// writerFor is the writer as a machine finds it.
type writerFor struct{ m *machine }

// commit finds a server that takes changes, makes one there, and waits until a majority
// of the voters has it. The change is made on what that server shows. Now and then the
// answer is lost.
func (c writerFor) commit(u user, change func(row directory.Row, exists bool) (directory.Row, bool)) error {
	w := c.m.world
	server := w.writerSeenBy(c.m)
	if server == nil || w.chance(500) {
		return errAway
	}
	row, exists := w.rows.at(u, max(server.known, server.received))
	for _, p := range server.unconfirmed {
		if p.user == u {
			row, exists = p.row, p.exists
		}
	}
	after, stays := change(row, exists)
	if after != row || stays != exists {
		server.unconfirmed = append(server.unconfirmed, pending{u, after, stays})
	}
	if !w.confirm(server) {
		return errAlone
	}
	if w.chance(500) {
		return errAway
	}
	return nil
}

func (c writerFor) Word(_ context.Context, addr mailaddr.Address) (found directory.Row, err error) {
	ok := false
	err = c.commit(userOf(addr), func(row directory.Row, exists bool) (directory.Row, bool) {
		found, ok = row, exists
		return row, exists
	})
	switch {
	case err != nil:
		return directory.Row{}, err
	case !ok:
		return directory.Row{}, auth.ErrNoMailbox
	}
	return found, nil
}

func (c writerFor) Answer(_ context.Context, addr mailaddr.Address) error {
	return c.commit(userOf(addr), func(row directory.Row, exists bool) (directory.Row, bool) {
		row.Answered = exists
		return row, exists
	})
}

func (c writerFor) Insert(_ context.Context, addr mailaddr.Address, a auth.Account) error {
	there := false
	err := c.commit(userOf(addr), func(row directory.Row, exists bool) (directory.Row, bool) {
		if there = exists; exists {
			return row, true
		}
		return directory.Row{Account: a}, true
	})
	if err == nil && there {
		return auth.ErrExists
	}
	return err
}

func (c writerFor) Replace(_ context.Context, addr mailaddr.Address, from, to auth.Account) (done bool, err error) {
	err = c.commit(userOf(addr), func(row directory.Row, exists bool) (directory.Row, bool) {
		if done = exists && row.Account == from; done {
			row.Account = to
		}
		return row, exists
	})
	return done && err == nil, err
}

func (c writerFor) Delete(_ context.Context, addr mailaddr.Address) (done bool, err error) {
	err = c.commit(userOf(addr), func(row directory.Row, exists bool) (directory.Row, bool) {
		done = exists
		return directory.Row{}, false
	})
	return done && err == nil, err
}
