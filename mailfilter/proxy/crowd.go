package proxy

import (
	"net/netip"
	"sync"
	"time"
)

// silence is for how long a session has said nothing, at least, that ends for another one.
const silence = 5 * time.Second

// crowd is the sessions of users' clients, over all entrances.
type crowd struct {
	most, each int // at once; of one address

	mu      sync.Mutex
	members map[*user]struct{}
	from    map[netip.Prefix]int
}

// join admits a session; else it says which limit is reached. Where all are in use, the one that
// has been silent longest makes room.
func (w *crowd) join(c *user) (full Occasion) {
	w.mu.Lock()
	defer w.mu.Unlock()
	place := place(c.client)
	if place.IsValid() && w.from[place] >= w.each {
		return AddressFull
	}
	if len(w.members) >= w.most && !w.makeRoom() {
		return Crowded
	}
	w.members[c] = struct{}{}
	if place.IsValid() {
		w.from[place]++
	}
	return ""
}

// place is whose connections count as those of one client: an address, or what a network
// gives one machine of IPv6 (RFC 6177).
func place(client netip.Addr) netip.Prefix {
	bits := 64
	if client.Is4() {
		bits = 32
	}
	p, _ := client.Prefix(bits) // of the zero Addr none
	return p
}

// makeRoom ends the session that has been silent longest, and reports whether there is one. It
// is not of the crowd any more then, though it still has to hear its last words.
func (w *crowd) makeRoom() bool {
	var last *user
	oldest := time.Now().Add(-silence)
	for c := range w.members {
		if since, silent := c.silent(); silent && since.Before(oldest) {
			last, oldest = c, since
		}
	}
	if last == nil || !last.oust() {
		return false
	}
	w.remove(last)
	last.notice(MadeRoom)
	return true
}

// leave is the end of a session.
func (w *crowd) leave(c *user) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.remove(c)
}

func (w *crowd) remove(c *user) {
	if _, ok := w.members[c]; !ok {
		return
	}
	delete(w.members, c)
	if place := place(c.client); place.IsValid() {
		if w.from[place]--; w.from[place] == 0 {
			delete(w.from, place)
		}
	}
}
