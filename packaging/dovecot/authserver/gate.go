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
	waiting []func(leave func())
}

// limit sets how many, and for how long; it is called before the first one enters.
func (g *gate) limit(most int, stay time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.most, g.stay = most, stay
}

// enter calls in once there is room: at once, or when others have left.
func (g *gate) enter(in func(leave func())) {
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

// admit lets one in, who may leave more than once.
func (g *gate) admit(in func(leave func())) {
	since := time.Now()
	in(sync.OnceFunc(func() {
		if early := g.stay - time.Since(since); early > 0 && g.most > 0 {
			time.AfterFunc(early, g.leave)
			return
		}
		g.leave()
	}))
}

// leave makes room for another one.
func (g *gate) leave() {
	g.mu.Lock()
	if len(g.waiting) == 0 {
		g.inside--
		g.mu.Unlock()
		return
	}
	next := g.waiting[0]
	g.waiting = g.waiting[1:]
	g.mu.Unlock()
	g.admit(next)
}
