// Package crowd bounds how many clients are served at once: all, and those from one address. When
// all places are taken, the client that has been silent longest makes room.
package crowd

import (
	"net/netip"
	"sync"
	"time"
)

// silence is for how long a client has said nothing, at least, that makes room for another one.
const silence = 5 * time.Second

// Member is a client that has a place.
type Member interface {
	comparable
	// Address is where it comes from; the zero Addr if that is not known.
	Address() netip.Addr
	// Silent says since when it has been idle, if it is.
	Silent() (since time.Time, idle bool)
	// Oust ends its service if it is still idle, and reports whether it is.
	Oust() bool
}

// Crowd is the clients that have a place.
type Crowd[M Member] struct {
	most, each int
	now        func() time.Time

	mu      sync.Mutex
	members map[M]struct{}
	from    map[netip.Prefix]int
}

// New returns a crowd with places for most clients at once, and for each of the addresses that
// many of them. Now says the time.
func New[M Member](most, each int, now func() time.Time) *Crowd[M] {
	return &Crowd[M]{most: most, each: each, now: now, members: map[M]struct{}{}, from: map[netip.Prefix]int{}}
}

// Answer is what becomes of a client that wants a place.
type Answer int

// The answers.
const (
	Welcome     Answer = iota
	InPlace            // welcome, as another client has made room
	Full               // all places are taken, and nobody is silent
	AddressFull        // those of its address are
)

// Join gives a client a place, if there is one.
func (c *Crowd[M]) Join(m M) Answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	answer, from := Welcome, network(m.Address())
	switch {
	case from.IsValid() && c.from[from] >= c.each:
		return AddressFull
	case len(c.members) < c.most:
	case c.makeRoom():
		answer = InPlace
	default:
		return Full
	}
	c.members[m] = struct{}{}
	if from.IsValid() {
		c.from[from]++
	}
	return answer
}

// network is whose clients count as those of one address: of IPv6, what a site gives one machine
// (RFC 6177).
func network(client netip.Addr) netip.Prefix {
	bits := 64
	if client.Is4() {
		bits = 32
	}
	p, _ := client.Prefix(bits) // of the zero Addr none
	return p
}

// makeRoom takes the place of the client that has been silent longest, which may still hear its
// last words then.
func (c *Crowd[M]) makeRoom() bool {
	var last M
	found, oldest := false, c.now().Add(-silence)
	for m := range c.members {
		if since, idle := m.Silent(); idle && since.Before(oldest) {
			last, oldest, found = m, since, true
		}
	}
	if !found || !last.Oust() {
		return false
	}
	c.remove(last)
	return true
}

// Leave gives a client's place back, unless it has made room.
func (c *Crowd[M]) Leave(m M) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(m)
}

func (c *Crowd[M]) remove(m M) {
	if _, ok := c.members[m]; !ok {
		return
	}
	delete(c.members, m)
	if from := network(m.Address()); from.IsValid() {
		if c.from[from]--; c.from[from] == 0 {
			delete(c.from, from)
		}
	}
}
