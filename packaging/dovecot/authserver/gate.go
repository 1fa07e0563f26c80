package authserver

import (
	"sync"
	"time"
)

// gate lets in so many logins at a time. For each, a password is checked, unless it is
// remembered, and an imap process opens a mailbox, which often Dovecot has to start first. All
// at once they take the processors from everything else, and those that cannot start yet make
// imap-login wait, with all of its clients. So after a restart, when everybody logs in, the
// others wait for their turn here.
type gate struct {
	most int           // 0: no limit
	stay time.Duration // of a right login at least: what a process does once it has asked takes time, too

	mu      sync.Mutex
	inside  int
	waiting []entrant
}

// An entrant is called once it is let in, and reports whether it still wants to: if so, it
// calls leave, maybe more than once. It is taken to have left after startAge.
type entrant func(leave) (begins bool)

// leave makes room for another one; right says that the login was.
type leave func(right bool)

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
	for in != nil {
		leave := g.leaves(time.Now())
		if in(leave) {
			time.AfterFunc(startAge, func() { leave(true) })
			return
		}
		in = g.next()
	}
}

// leaves is for one that is let in now.
func (g *gate) leaves(since time.Time) leave {
	var once sync.Once
	return func(right bool) {
		once.Do(func() {
			if early := g.stay - time.Since(since); early > 0 && right && g.most > 0 {
				time.AfterFunc(early, func() { g.admit(g.next()) })
				return
			}
			g.admit(g.next())
		})
	}
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
