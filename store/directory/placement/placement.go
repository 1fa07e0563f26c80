// Package placement chooses the home of a new account, among several machines.
//
// It is rendezvous hashing with weights: each machine has a score for the address, and
// the highest wins. Nobody needs to agree on anything but the list; machines that know
// different lists choose different homes for a few, and the row that is inserted first
// decides. A home is never computed again: it is what the row says. (Were it computed,
// the accounts of a machine that is lost would be free for anyone.)
package placement

import (
	"errors"
	"hash/fnv"
	"math"
)

// ErrNoMachine says that no machine takes new accounts.
var ErrNoMachine = errors.New("no machine takes new accounts")

// Machine is a machine as a possible home.
type Machine struct {
	Name string
	// Room is its weight: of two machines, one with twice the room gets twice as many
	// accounts. Its unit is the caller's. One that is dead, drained or lost has none.
	Room float64

	seed uint64
}

// Machines are those among which is chosen. They do not change.
type Machines struct {
	open []Machine
	same bool // all have the same room
}

// New returns those of the machines that have room.
func New(all []Machine) *Machines {
	m := &Machines{same: true}
	for _, machine := range all {
		if machine.Room > 0 {
			machine.seed = hash(machine.Name)
			m.open = append(m.open, machine)
			m.same = m.same && machine.Room == m.open[0].Room
		}
	}
	return m
}

// Home returns the name of the machine that address is placed on.
func (m *Machines) Home(address string) (string, error) {
	key := hash(address)
	if m.same {
		return m.first(key)
	}
	best, home := math.Inf(-1), ""
	for _, machine := range m.open {
		if score := machine.score(key); score > best {
			best, home = score, machine.Name
		}
	}
	if home == "" {
		return "", ErrNoMachine
	}
	return home, nil
}

// first is Home where the room does not count: then the score need not be reckoned.
func (m *Machines) first(key uint64) (string, error) {
	if len(m.open) == 0 {
		return "", ErrNoMachine
	}
	best, home := uint64(0), 0
	for i := range m.open {
		if even := mix(key^m.open[i].seed) >> 11; even > best {
			best, home = even, i
		}
	}
	return m.open[home].Name, nil
}

// score is distributed such that the highest of several is a machine's with a
// probability in proportion to its room (Schindelhauer and Schomaker, "Weighted
// Distributed Hash Tables", 2005): the logarithm of an even number between 0 and 1, by
// the room.
func (m *Machine) score(key uint64) float64 {
	even := (float64(mix(key^m.seed)>>11) + 0.5) / (1 << 53)
	return math.Log(even) / m.Room
}

func hash(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return mix(h.Sum64())
}

// mix spreads a change of any bit over all of them (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
