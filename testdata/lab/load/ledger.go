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
	sent     time.Time // when the user began to send it: a connection may have to be opened
	handed   time.Time // when the connection for the last try was open
	accepted time.Time // when it had its 250; zero: it has none
	tries    int
	text     bool // its time counts
	got      int  // how often it has arrived

	first, last time.Time // when it arrived
}

// A Ledger knows each copy of each message.
type Ledger struct {
	mu     sync.Mutex
	copies map[copyOf]*fate
	texts  []*fate // that have arrived, in order
	count  int     // that have arrived
}

// A Took is how long something took.
type Took struct {
	At time.Time // when it was over
	In time.Duration
}

// A Stage is a part of the way of texts, and how long it took.
type Stage struct {
	Name string
	Took []time.Duration
}

func newLedger() *Ledger { return &Ledger{copies: map[copyOf]*fate{}} }

// leave notes that a message is being handed over. The time of a text counts for those who
// are online: others get it when they log in.
func (l *Ledger) leave(id string, to []string, text bool, online func(addr string) bool, began, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, addr := range to {
		c := copyOf{id, addr}
		if l.copies[c] == nil {
			l.copies[c] = &fate{sent: began, text: text && online(addr)}
		}
		l.copies[c].handed = now
		l.copies[c].tries++
	}
}

// accept notes that it has its 250.
func (l *Ledger) accept(id string, to []string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, addr := range to {
		l.copies[copyOf{id, addr}].accepted = now
	}
}

// arrive notes that a recipient has fetched it.
func (l *Ledger) arrive(id, addr string, now time.Time) {
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
	f.first = now
	if f.text {
		l.texts = append(l.texts, f)
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

// Account counts all copies.
func (l *Ledger) Account() (a Account) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.copies {
		if f.got > 1 && f.tries == 1 {
			a.Doubled++
			a.Doubles = append(a.Doubles, f.last)
		}
		if f.accepted.IsZero() {
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

// between returns the texts that arrived in a time.
func (l *Ledger) between(from, until time.Time) []*fate {
	first, _ := slices.BinarySearchFunc(l.texts, from, func(f *fate, at time.Time) int { return f.first.Compare(at) })
	end, _ := slices.BinarySearchFunc(l.texts, until, func(f *fate, at time.Time) int { return f.first.Compare(at) })
	return l.texts[first:max(first, end)]
}

// Texts returns how long the texts took that arrived in a time, from when a user began to
// send each until its recipient had fetched it.
func (l *Ledger) Texts(from, until time.Time) (all []time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.between(from, until) {
		all = append(all, f.first.Sub(f.sent))
	}
	return all
}

// Sent returns the same of the texts that users began to send in a time, and that have
// arrived so far.
func (l *Ledger) Sent(from, until time.Time) (all []time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.between(from, time.Now()) {
		if f.sent.After(from) && f.sent.Before(until) {
			all = append(all, f.first.Sub(f.sent))
		}
	}
	return all
}

// Stages returns how long each part of the way took of the texts that arrived in a time and
// were handed over once.
func (l *Ledger) Stages(from, until time.Time) []Stage {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := []Stage{{Name: "connection and login"}, {Name: "message to 250"}, {Name: "250 to fetched"}}
	for _, f := range l.between(from, until) {
		if f.tries > 1 || f.accepted.IsZero() {
			continue
		}
		for i, took := range []time.Duration{f.handed.Sub(f.sent), f.accepted.Sub(f.handed), max(0, f.first.Sub(f.accepted))} {
			all[i].Took = append(all[i].Took, took)
		}
	}
	return all
}

// fresh tells whether a text has arrived that was sent after a moment.
func (l *Ledger) fresh(moment time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range slices.Backward(l.texts) {
		if f.first.Before(moment) {
			return false
		}
		if f.sent.After(moment) {
			return true
		}
	}
	return false
}

// Arrived is how many copies have arrived.
func (l *Ledger) Arrived() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}
