package smtpout

import (
	"sync"
	"time"
)

// Bounds of reuse. A chat is many small messages, and a new connection takes longer than
// they do; but an idle one holds a process of the host.
const (
	idleTime    = 5 * time.Second
	maxAge      = 5 * time.Minute
	idlePerHost = 2
	maxIdle     = 100
)

// key says what a connection is to.
type key struct {
	host       string
	selfSigned bool
}

// pool is the idle connections.
type pool struct {
	mu    sync.Mutex
	idle  map[key][]*idle // the one used last is at the end
	count int
}

// idle is a connection with what will close it.
type idle struct {
	*link
	timer *time.Timer
}

// take returns an idle connection, or nil.
func (p *pool) take(k key) *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		list := p.idle[k]
		if len(list) == 0 {
			return nil
		}
		last := list[len(list)-1]
		p.remove(k, len(list)-1)
		if last.timer.Stop() {
			return last.link
		}
	}
}

// put keeps a connection on which nothing is under way.
func (p *pool) put(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle[l.key]) >= idlePerHost || p.count >= maxIdle || time.Since(l.born) > maxAge {
		go l.quit()
		return
	}
	if p.idle == nil {
		p.idle = make(map[key][]*idle)
	}
	i := &idle{link: l}
	i.timer = time.AfterFunc(idleTime, func() {
		p.drop(i)
		l.quit()
	})
	p.idle[l.key] = append(p.idle[l.key], i)
	p.count++
}

// drop removes a connection that is about to be closed.
func (p *pool) drop(i *idle) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n, other := range p.idle[i.key] {
		if other == i {
			p.remove(i.key, n)
			return
		}
	}
}

func (p *pool) remove(k key, n int) {
	list := p.idle[k]
	list = append(list[:n:n], list[n+1:]...)
	p.count--
	if len(list) == 0 {
		delete(p.idle, k)
	} else {
		p.idle[k] = list
	}
}
