package load

import (
	"slices"
	"sync"
	"time"
)

// A copyOf is a message on its way to one of its recipients.
type copyOf struct{ id, to string }

// fate is what became of it.
type fate struct {
	sent     time.Time // when somebody began to send it: a connection may have to be opened
	accepted bool      // it has its 250
	tries    int
	text     bool // its time counts
	got      int  // how often it has arrived
	last     time.Time
}

// A ledger knows each copy of each message.
type ledger struct {
	mu     sync.Mutex
	copies map[copyOf]*fate
	texts  []Took
	count  int // that have arrived
}

// A Took is how long a text took, from when somebody began to send it until its recipient had
// fetched it.
type Took struct {
	At time.Time // when it arrived
	In time.Duration
}

func newLedger() *ledger { return &ledger{copies: map[copyOf]*fate{}} }

// leave notes that a message is being handed over. The time of a text counts for those who
// are online: others get it when they log in.
func (l *ledger) leave(id string, to []string, text bool, online func(addr string) bool, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, addr := range to {
		c := copyOf{id, addr}
		if l.copies[c] == nil {
			l.copies[c] = &fate{sent: now, text: text && online(addr)}
		}
		l.copies[c].tries++
	}
}

// accept notes that it has its 250.
func (l *ledger) accept(id string, to []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, addr := range to {
		l.copies[copyOf{id, addr}].accepted = true
	}
}

// arrive notes that a recipient has fetched it.
func (l *ledger) arrive(id, addr string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.copies[copyOf{id, addr}]
	if f == nil {
		return
	}
	f.got++
	f.last = now
	if f.got > 1 {
		return
	}
	l.count++
	if f.text {
		l.texts = append(l.texts, Took{now, now.Sub(f.sent)})
	}
}

// An Account is how many copies came to what end.
type Account struct {
	Accepted int // with a 250
	Arrived  int // of these
	Lost     int // accepted, and not fetched so far
	// Doubled have arrived more than once, though they were handed over once. Clients drop
	// what they have.
	Doubled int
	// Doubles are when they came for the last time.
	Doubles []time.Time
}

// account counts all copies.
func (l *ledger) account() (a Account) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.copies {
		if f.got > 1 && f.tries == 1 {
			a.Doubled++
			a.Doubles = append(a.Doubles, f.last)
		}
		if !f.accepted {
			continue
		}
		a.Accepted++
		if f.got > 0 {
			a.Arrived++
		} else {
			a.Lost++
		}
	}
	return a
}

// took returns how long the texts took that arrived in a time.
func (l *ledger) took(from, until time.Time) []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	first, _ := slices.BinarySearchFunc(l.texts, from, func(t Took, at time.Time) int { return t.At.Compare(at) })
	var all []time.Duration
	for _, t := range l.texts[first:] {
		if !t.At.Before(until) {
			break
		}
		all = append(all, t.In)
	}
	return all
}

// fresh tells whether a text has arrived that was sent after a moment.
func (l *ledger) fresh(moment time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range slices.Backward(l.texts) {
		if t.At.Before(moment) {
			return false
		}
		if t.At.Add(-t.In).After(moment) {
			return true
		}
	}
	return false
}

// arrived is how many copies have arrived.
func (l *ledger) arrived() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}
