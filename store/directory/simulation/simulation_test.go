package simulation

import (
	"flag"
	"fmt"
	"testing"
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
	for _, what := range []string{"created", "logins", "messages", "moves", "moves cancelled", "promotions", "drained", "lost", "lost while cut off", "in vain", "back", "rescued", "partitions", "rebalanced"} {
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
