package session

import (
	"slices"
	"sync"

	"chatmaild/applets/chat"
)

// Bounds of what waits to be sent. One source has a quarter of it at most, so that it
// cannot fill the queue.
const (
	maxQueued       = 64
	maxQueuedBytes  = 16 << 20
	maxSourced      = maxQueued / 4
	maxSourcedBytes = maxQueuedBytes / 4
)

// queue holds what waits to be sent. The sources of what is answered, a user or another
// relay, take turns.
type queue struct {
	wake chan struct{} // there is more; closed at the end

	mu      sync.Mutex
	sources []*source // those with something to send; the first is next
	count   int       // with those that are being sent
	bytes   int
}

type source struct {
	name     string
	messages []*chat.Sealed
	bytes    int
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// put says whether there was room for an answer to a source.
func (q *queue) put(from string, m chat.Sealed) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.IndexFunc(q.sources, func(s *source) bool { return s.name == from })
	s := &source{name: from}
	if i >= 0 {
		s = q.sources[i]
	}
	size := len(m.Raw)
	if q.count >= maxQueued || q.bytes+size > maxQueuedBytes || len(s.messages) >= maxSourced || s.bytes+size > maxSourcedBytes {
		return false
	}
	if i < 0 {
		q.sources = append(q.sources, s)
	}
	s.messages, s.bytes = append(s.messages, &m), s.bytes+size
	q.count, q.bytes = q.count+1, q.bytes+size
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return true
}

// next takes the first message of the next source, or nil; done has to be told of it.
func (q *queue) next() *chat.Sealed {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.sources) == 0 {
		return nil
	}
	s := q.sources[0]
	q.sources = q.sources[1:]
	m := s.messages[0]
	s.messages, s.bytes = s.messages[1:], s.bytes-len(m.Raw)
	if len(s.messages) > 0 {
		q.sources = append(q.sources, s)
	}
	return m
}

func (q *queue) done(m *chat.Sealed) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.count, q.bytes = q.count-1, q.bytes-len(m.Raw)
}

// close says that nothing more will come.
func (q *queue) close() { close(q.wake) }
