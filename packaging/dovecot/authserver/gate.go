package authserver

import "sync"

// gate lets in so many logins at a time. For each, Dovecot starts an imap process, which takes
// many times what the password does; processes that it starts all at once take the processors
// from everything else, and those that it cannot start yet make imap-login wait, with all of its
// clients. So after a restart, when everybody logs in, the others wait for their turn here.
type gate struct {
	most int // 0: no limit

	mu      sync.Mutex
	inside  int
	waiting []func()
}

// limit sets how many; it is called before the first one enters.
func (g *gate) limit(most int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.most = most
}

// enter calls in once there is room: at once, or when others have left.
func (g *gate) enter(in func()) {
	g.mu.Lock()
	if g.most > 0 && g.inside >= g.most {
		g.waiting = append(g.waiting, in) // each is one of a connection's maxRequests
		g.mu.Unlock()
		return
	}
	g.inside++
	g.mu.Unlock()
	in()
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
	next()
}
