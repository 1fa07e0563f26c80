// Package relay is a relay for iroh 0.35, by which the apps in chats of users find each
// other, and talk while there is no direct path. It stands behind a server that ends TLS.
//
// A client has the address that it proves to own, and sends packets to others'. They go
// to the client that is there; for all others they are dropped, as they are wherever there is
// too much of something: iroh's own protocol, QUIC, is made for that. Who sends to whom
// is neither kept nor logged, so clients do not hear that a peer has gone; the relay of
// iroh 0.35 does not say it either.
package relay

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"chatmaild/applets/iroh/frame"
	"chatmaild/applets/service/accept"
)

// Bounds that no configuration changes.
const (
	maxBeginning  = 256     // connections beside those of clients
	maxHandshake  = 4 << 10 // bytes
	handshakeTime = 10 * time.Second
	maxQueue      = 256 << 10 // bytes for one client that wait to be written, while as many are written
	reserve       = 64 << 10  // of those, for what must not be late
	maxMemory     = 32 << 20  // bytes in all queues, and of frames that are not there as a whole
	writeTime     = 15 * time.Second
	frameTime     = 10 * time.Second // for one frame

	// A client that has said nothing for pingAfter, or some seconds more, is asked
	// whether it is there, and has pongTime to answer.
	pingAfter  = 15 * time.Second
	pingJitter = 5 * time.Second
	pongTime   = 5 * time.Second
	watch      = time.Second // how often the relay looks after them
)

// Options is what a server needs.
type Options struct {
	Clients                    int   // at once
	ClientBandwidth, Bandwidth int64 // bytes a second, from one and in all
	Events                     Events
	Log                        *slog.Logger
}

// Events is told what happens. It is safe for concurrent use.
type Events interface {
	Connected(now int) // how many there are
	Left(now int)      // likewise
	Relayed(n int)     // bytes
	Refused(Reason)
}

// Reason is why something was refused or dropped.
type Reason string

// The reasons.
const (
	Full      Reason = "clients"   // there are as many as may be
	Handshake Reason = "handshake" // it asks for another protocol, or in vain
	Proof     Reason = "proof"     // it has not the key that it names
	Malformed Reason = "malformed" // no frame, or none of a client's
	Silent    Reason = "silent"    // it does not answer, or does not take what it gets
	Bandwidth Reason = "bandwidth" // of all clients
	Absent    Reason = "absent"    // a packet for a client that is not there
	Queue     Reason = "queue"     // a packet for one that has enough to read
	Memory    Reason = "memory"    // the queues of all are full
)

// Reasons are all of them.
func Reasons() []string {
	var names []string
	for _, r := range []Reason{Full, Handshake, Proof, Malformed, Silent, Bandwidth, Absent, Queue, Memory} {
		names = append(names, string(r))
	}
	return names
}

// Server relays.
type Server struct {
	options Options
	start   time.Time
	all     *rate.Limiter
	memory  budget

	mu      sync.RWMutex
	clients map[frame.Key]*client
}

// New returns a server that does not listen yet.
func New(o Options) *Server {
	return &Server{
		options: o, start: time.Now(), clients: map[frame.Key]*client{},
		all: limiter(o.Bandwidth), memory: budget{most: maxMemory},
	}
}

// limiter allows a second's worth at once.
func limiter(bytes int64) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(bytes), int(max(bytes, readSize)))
}

// Clients is how many there are.
func (s *Server) Clients() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.clients)
}

// Serve serves l until ctx is done. It closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer stop()
	watching.Go(func() { s.watch(ctx) })
	loop := accept.Loop{Protocol: "iroh", Max: s.options.Clients + maxBeginning, Log: s.options.Log}
	return loop.Serve(ctx, l, s.handle)
}

func (s *Server) handle(_ context.Context, conn net.Conn) {
	key, rest, err := s.apart(conn)
	if err != nil {
		return
	}
	in, err := newInput(conn, &s.memory, rest)
	if err != nil {
		return
	}
	defer in.release()
	c := &client{
		server: s, key: key, conn: conn, limit: limiter(s.options.ClientBandwidth),
		pingAfter: pingAfter + rand.N(pingJitter), done: make(chan struct{}),
	}
	c.heard.Store(int64(s.elapsed()))
	if !s.register(c) {
		// A client that does not take it need not know.
		_, _ = conn.Write(frame.Append(nil, frame.Frame{Type: frame.Health, Data: []byte("too many clients")}))
		return
	}
	defer c.writer.Wait() // it gives back the memory of what it writes
	defer s.unregister(c)
	c.serve(in)
}

// apart shakes hands in a goroutine of its own: that of a client would keep the stack
// that it takes to read HTTP, 8 KiB, as long as the client is there.
func (s *Server) apart(conn net.Conn) (key frame.Key, rest []byte, err error) {
	done := make(chan struct{})
	var fault any
	go func() {
		defer close(done)
		defer func() { fault = recover() }()
		key, rest, err = s.handshake(conn)
	}()
	<-done
	if fault != nil {
		panic(fault) // the loop that accepts logs it, and continues
	}
	return key, rest, err
}

// elapsed is the time since the server began.
func (s *Server) elapsed() time.Duration { return time.Since(s.start) }

// register gives the client its address. The one that had it is gone without notice, or a
// thief of a proof.
func (s *Server) register(c *client) bool {
	s.mu.Lock()
	old := s.clients[c.key]
	if old == nil && len(s.clients) >= s.options.Clients {
		s.mu.Unlock()
		s.options.Events.Refused(Full)
		return false
	}
	s.clients[c.key] = c
	now := len(s.clients)
	s.mu.Unlock()
	if old != nil {
		old.close()
	}
	s.options.Events.Connected(now)
	return true
}

func (s *Server) unregister(c *client) {
	c.close()
	s.mu.Lock()
	if s.clients[c.key] == c {
		delete(s.clients, c.key)
	}
	now := len(s.clients)
	s.mu.Unlock()
	s.options.Events.Left(now)
}

// find returns who has an address; nil: nobody.
func (s *Server) find(key frame.Key) *client {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.clients[key]
}

// watch looks after the clients until ctx is done.
func (s *Server) watch(ctx context.Context) {
	tick := time.NewTicker(watch)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := s.elapsed()
		s.mu.RLock()
		for _, c := range s.clients {
			c.check(now)
		}
		s.mu.RUnlock()
	}
}
