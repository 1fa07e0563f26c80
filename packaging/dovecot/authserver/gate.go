package authserver

import (
	"sync"
	"time"
)

// gate lets in so many logins at a time. For each, an imap process opens a mailbox, and often
// Dovecot starts it first: that takes many times what the password does. All at once they take
// the processors from everything else, and those that cannot start yet make imap-login wait,
// with all of its clients. So after a restart, when everybody logs in, the others wait for
// their turn here.
type gate struct {
	most int           // 0: no limit
	stay time.Duration // at least: what a process does once it has asked takes time, too

	mu      sync.Mutex
	inside  int
	waiting []entrant
}

// An entrant is called once it is let in, and reports whether it still wants to: if so, it
// calls leave, maybe more than once.
type entrant func(leave func()) (begins bool)

// limit sets how many, and for how long; it is called before the first one enters.
func (g *gate) limit(most int, stay time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.most, g.stay = most, stay
}

// enter calls in once there is room: at once, or when others have left.
func (g *gate) enter(in entrant) {
	g.mu.Lock()
	if g.most > 0 && g.inside >= g.most {
		g.waiting = append(g.waiting, in) // each is one of a connection's maxRequests
		g.mu.Unlock()
		return
	}
	g.inside++
	g.mu.Unlock()
	g.admit(in)
}

// admit lets one in, and the next one if that has gone meanwhile.
func (g *gate) admit(in entrant) {
	for in != nil && !in(g.leave(time.Now())) {
		in = g.next()
	}
}

// leave is for one that is let in now.
func (g *gate) leave(since time.Time) func() {
	return sync.OnceFunc(func() {
		if early := g.stay - time.Since(since); early > 0 && g.most > 0 {
			time.AfterFunc(early, func() { g.admit(g.next()) })
			return
		}
		g.admit(g.next())
	})
}

// next is who is let in when one has left; nil: nobody waits.
func (g *gate) next() (in entrant) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		g.inside--
		return nil
	}
	in, g.waiting = g.waiting[0], g.waiting[1:]
	return in
}
