// Package retry decides which of the mail that is deferred Postfix should try again,
// from what its queue shows.
package retry

import (
	"slices"
	"strings"
	"time"

	"chatmaild/packaging/postfix/queue"
)

// What a Retry may do.
const (
	// maxBacklog is how many messages of each kind one look takes notice of. The
	// others follow when those are gone.
	maxBacklog = 2000
	// A message that is alone in waiting may be its own cause. After so many tries it
	// is tried less often.
	aloneTries = 10
	alonePause = time.Minute
	// Mail that was tried again and waits again has the next such try wait: for
	// minPause, and then twice as long each time, up to maxPause.
	minPause = 10 * time.Second
	maxPause = 5 * time.Minute
)

// A Retry says when mail that waits for something of this machine has waited enough.
// Postfix waits longer each time that a delivery fails, and after an hour without
// Dovecot, room on the disk or name servers would let an hour pass before it looks
// whether they are back. So:
//
//   - Of the mail for our own users that waits, one message at a time is tried with
//     each look. Once one has gone, all the others are tried.
//   - Of the mail whose destination could not be looked up, one domain is looked up
//     with each look. Once there is an answer, all of it is tried.
//
// Mail that waits for another server is Postfix's own business. A look is Begin, See
// for each recipient that Postfix lists, and End.
type Retry struct {
	local string        // the domain of our users
	pick  func(int) int // a random number below its argument

	mail, names backlog
	probe       probe
	domain      string // that is to be looked up
	unnamed     int    // recipients whose domain could not be
}

// New returns a Retry for a relay with users at the domain local. pick returns a
// random number that is less than its argument.
func New(local string, pick func(int) int) *Retry {
	return &Retry{local: local, pick: pick}
}

// Begin begins a look.
func (r *Retry) Begin() {
	r.mail.begin()
	r.names.begin()
	r.probe.state, r.domain, r.unnamed = gone, "", 0
}

// unresolved is in Postfix's reason if a name could not be looked up (dns_lookup.c).
const unresolved = "Name service error"

// See takes notice of a recipient that Postfix lists.
func (r *Retry) See(w queue.Waiting) {
	deferred := w.Queue == "deferred"
	if !deferred && w.Queue != "active" && w.Queue != "incoming" {
		return
	}
	r.probe.see(w.ID, deferred)
	switch {
	case strings.EqualFold(w.Domain, r.local):
		r.mail.see(w.ID, deferred)
	case deferred && strings.Contains(w.Reason, unresolved):
		if r.unnamed++; r.pick(r.unnamed) == 0 {
			r.domain = w.Domain
		}
		r.names.see(w.ID, true)
	case !deferred:
		r.names.see(w.ID, false)
	}
}

// End ends a look. It returns the messages that Postfix should try now, and the domain
// that should be looked up, if there is one; if there are answers, Resolved is to be
// called.
func (r *Retry) End(now time.Time) (try []string, domain string) {
	r.mail.end(now)
	r.names.end(now)
	return r.tryMail(now), r.domain
}

func (r *Retry) tryMail(now time.Time) []string {
	if len(r.mail.waiting) == 0 {
		r.probe = probe{}
		return nil
	}
	if r.probe.id != "" {
		switch r.probe.state {
		case underWay:
			return nil
		case gone:
			r.probe = probe{}
			if all := r.mail.release(now); all != nil {
				return all
			}
		}
	}
	if !r.probe.due(now, len(r.mail.waiting) == 1) {
		return nil
	}
	return []string{r.probe.next(now, r.mail.waiting[r.pick(len(r.mail.waiting))])}
}

// Resolved says that the domain which End returned could be looked up, or does not
// exist: name servers answer. It returns the messages that Postfix should try now.
func (r *Retry) Resolved(now time.Time) []string { return r.names.release(now) }

// A backlog is the messages that wait for the same cause to go.
type backlog struct {
	waiting []string // the deferred ones

	released  []string // what was tried when the cause seemed to have gone, sorted
	back, out int      // of those, what waits again, and what is on its way
	pause     time.Duration
	notBefore time.Time // of the next release
}

func (b *backlog) begin() { b.waiting, b.back, b.out = b.waiting[:0], 0, 0 }

func (b *backlog) see(id string, deferred bool) {
	if deferred && len(b.waiting) < maxBacklog && !slices.Contains(b.waiting[max(0, len(b.waiting)-1):], id) {
		b.waiting = append(b.waiting, id)
	}
	if _, ok := slices.BinarySearch(b.released, id); !ok {
		return
	}
	if deferred {
		b.back++
	} else {
		b.out++
	}
}

// end learns what became of those that were released.
func (b *backlog) end(now time.Time) {
	switch {
	case b.released == nil:
	case b.back > 0:
		b.pause = min(max(2*b.pause, minPause), maxPause)
		b.notBefore, b.released = now.Add(b.pause), nil
	case b.out == 0:
		b.pause, b.released = 0, nil
	}
}

// release returns what waits, unless that was tried without success a short time ago.
func (b *backlog) release(now time.Time) []string {
	if len(b.waiting) == 0 || now.Before(b.notBefore) {
		return nil
	}
	b.released = slices.Clone(b.waiting)
	slices.Sort(b.released)
	return slices.Clone(b.waiting)
}

// A probe is a message that is tried to see whether the others would get through.
type probe struct {
	id    string
	state state
	at    time.Time // of the last try
	alone int       // tries in a row of the only message that waits
}

type state int

const (
	gone     state = iota // from the queue
	underWay              // being tried
	waits                 // again: the try failed
)

func (p *probe) see(id string, deferred bool) {
	switch {
	case p.id == "" || id != p.id:
	case deferred:
		p.state = waits
	default:
		p.state = underWay
	}
}

func (p *probe) due(now time.Time, alone bool) bool {
	if !alone {
		p.alone = 0
	}
	return p.alone < aloneTries || now.Sub(p.at) >= alonePause
}

func (p *probe) next(now time.Time, id string) string {
	p.id, p.at = id, now
	p.alone++
	return id
}
