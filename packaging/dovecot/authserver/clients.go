package authserver

import (
	"crypto/subtle"
	"fmt"
	"sync"
	"time"

	"chatmaild/packaging/dovecot/authproto"
)

// clients are the connections of imap-login processes, by process.
type clients struct {
	mu    sync.Mutex
	byPID map[uint32]*client
}

// add notes a process's connection. A process that is connected already may just
// be connecting again; if its other connection does not end, it is not that process.
func (s *clients) add(pid uint32, c *client) error {
	timeout := time.NewTimer(reconnectTime)
	defer timeout.Stop()
	for {
		old := s.put(pid, c)
		if old == nil {
			return nil
		}
		select {
		case <-old.gone:
		case <-timeout.C:
			return fmt.Errorf("%w: process %d is connected already", authproto.ErrBroken, pid)
		}
	}
}

// put notes a process's connection, unless there is an old one.
func (s *clients) put(pid uint32, c *client) (old *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old = s.byPID[pid]; old != nil {
		return old
	}
	if s.byPID == nil {
		s.byPID = map[uint32]*client{}
	}
	s.byPID[pid], c.pid = c, pid
	return nil
}

func (s *clients) remove(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byPID[c.pid] == c {
		delete(s.byPID, c.pid)
	}
}

// none reports whether no process is connected.
func (s *clients) none() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.byPID) == 0
}

// until waits until something holds, and no longer than a time.
func until(within time.Duration, holds func() bool) {
	tick := time.NewTicker(handOver / 100)
	defer tick.Stop()
	for end := time.Now().Add(within); !holds() && time.Now().Before(end); {
		<-tick.C
	}
}

// take returns who has logged in, if the process had that OK on the connection with
// that cookie; once.
func (s *clients) take(r authproto.Login) (user string, ok bool) {
	s.mu.Lock()
	c := s.byPID[r.ClientPID]
	s.mu.Unlock()
	if c == nil || subtle.ConstantTimeCompare([]byte(c.cookie), []byte(r.Cookie)) != 1 {
		return "", false
	}
	return c.take(r.ClientID)
}
