package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"chatmaild/mailfilter"
	"chatmaild/mailfilter/proxy/queue"
)

// Options says what a Server does. A zero MaxRecipients, zero durations and a nil
// Observer mean the defaults; everything else is required.
type Options struct {
	Name   string // what to call oneself in SMTP: the mail domain
	Policy mailfilter.Policy
	Hidden bool   // no reply says that mail has to be encrypted
	Queue  string // TCP address of the SMTP server that takes what passes

	// MaxMessageSize is the greatest message in bytes, as EHLO says it. The
	// Received lines that Postfix adds before it hands a message over may
	// come on top of it.
	MaxMessageSize int64

	// MaxRecipients is how many recipients a message may have; default 1000.
	// RFC 5321, section 4.5.3.1.8, wants 100 at least.
	MaxRecipients int

	// MaxInFlight is how many messages may be in progress at once, from DATA to
	// the reply. Each of them needs some 100 KiB, whatever its size. Four
	// times as many connections are served at once; more wait unaccepted.
	MaxInFlight int

	ClientTimeout time.Duration // for each command, and each piece of data; default 5 min (RFC 5321, section 4.5.3.2)
	QueueTimeout  time.Duration // for each reply of the queue; default 90 s
	BusyTimeout   time.Duration // how long a message waits to be one of MaxInFlight; default 60 s
	DrainTimeout  time.Duration // how long transactions may continue when Serve is to end; default 45 s

	Observer Observer
	Log      *slog.Logger
}

// Both timeouts are below the 100 s that Postfix waits for a before-queue filter
// (smtpd_proxy_timeout): so that its client hears our reply.
const (
	defaultClientTimeout = 5 * time.Minute
	defaultQueueTimeout  = 90 * time.Second
	defaultBusyTimeout   = 60 * time.Second
	defaultDrainTimeout  = 45 * time.Second
)

// hastenTimeout is how long users' clients may go on to upload a message when Serve is to end:
// others wait for the next server.
const hastenTimeout = 5 * time.Second

const (
	connectionsPerMessage = 4
	receivedRoom          = 64 << 10 // for the Received lines of Postfix
)

// Server is a before-queue filter.
type Server struct {
	opts    Options
	pool    *queue.Pool
	flight  budget
	buffers sync.Pool // of *buffers
	idle    sync.Pool // of *session

	greeting, offer string // the replies to a connection, and to EHLO

	phase    atomic.Int32
	mu       sync.Mutex
	sessions map[*session]struct{}
	queueBad atomic.Bool // the last attempt to reach the queue failed
}

// The phases of a server's life, in this order.
const (
	serving   = iota
	draining  // transactions continue, nothing new begins
	hastening // those of users' clients continue only if the message is here
	cutting   // nothing continues but waiting for the queue's word
)

// New returns a Server that does what opts say.
func New(opts Options) *Server {
	for _, d := range []struct {
		value    *time.Duration
		standard time.Duration
	}{
		{&opts.ClientTimeout, defaultClientTimeout},
		{&opts.QueueTimeout, defaultQueueTimeout},
		{&opts.BusyTimeout, defaultBusyTimeout},
		{&opts.DrainTimeout, defaultDrainTimeout},
	} {
		if *d.value == 0 {
			*d.value = d.standard
		}
	}
	if opts.MaxRecipients == 0 {
		opts.MaxRecipients = defaultMaxRecipients
	}
	if opts.Observer == nil {
		opts.Observer = nobody{}
	}
	s := &Server{
		opts:     opts,
		greeting: "220 " + opts.Name + " ESMTP\r\n",
		offer:    offer(opts.Name, opts.MaxMessageSize),
		pool:     &queue.Pool{Addr: opts.Queue, Name: opts.Name, Timeout: opts.QueueTimeout},
		flight:   newBudget(opts.MaxInFlight),
		sessions: make(map[*session]struct{}),
	}
	s.buffers.New = func() any { return newBuffers() }
	s.idle.New = func() any { return newSession(s) }
	return s
}

// offer is the reply to EHLO.
func offer(name string, maxSize int64, more ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "250-%s\r\n250-PIPELINING\r\n250-SIZE %d\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n", name, maxSize)
	for _, keyword := range more {
		fmt.Fprintf(&b, "250-%s\r\n", keyword)
	}
	b.WriteString("250 ENHANCEDSTATUSCODES\r\n")
	return b.String()
}

// Serve serves the connections that l accepts until ctx is done, and closes l.
// It returns once the transactions that were in progress have ended; those that
// take longer than DrainTimeout are cut off, unless they wait for the queue's
// word on a message.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	tidyCtx, stopTidy := context.WithCancel(ctx)
	var tidy sync.WaitGroup
	tidy.Go(func() { s.pool.Tidy(tidyCtx) })
	err := s.listen(ctx, l, connectionsPerMessage*s.opts.MaxInFlight, s.serve)
	stopTidy()
	tidy.Wait()
	s.pool.Close()
	return err
}

// listen has handle serve the connections that l accepts, so many at once, until ctx is done
// and all of them have ended.
func (s *Server) listen(ctx context.Context, l net.Listener, most int, handle func(net.Conn)) error {
	stop := context.AfterFunc(ctx, func() {
		l.Close()
		s.enter(draining)
	})
	defer stop()
	var running sync.WaitGroup
	err := s.accept(ctx, l, newBudget(most), &running, handle)
	s.enter(draining)
	hasten := time.AfterFunc(min(hastenTimeout, s.opts.DrainTimeout), func() { s.enter(hastening) })
	cut := time.AfterFunc(s.opts.DrainTimeout, func() { s.enter(cutting) })
	running.Wait()
	hasten.Stop()
	cut.Stop()
	return err
}

// accept starts a session for each connection. It fails only when the listener
// does, other than for lack of files or memory.
func (s *Server) accept(ctx context.Context, l net.Listener, connections budget, running *sync.WaitGroup, handle func(net.Conn)) error {
	for {
		if !connections.acquire(ctx.Done(), nil) {
			return nil
		}
		conn, err := l.Accept()
		if err != nil {
			connections.release()
			var ne net.Error
			switch {
			case ctx.Err() != nil:
				return nil
			case errors.As(err, &ne) && !errors.Is(err, net.ErrClosed):
				s.opts.Log.Warn("cannot accept", "error", err)
				pause(ctx, acceptPause)
				continue
			}
			return fmt.Errorf("accepting: %w", err)
		}
		running.Go(func() {
			defer connections.release()
			handle(conn)
		})
	}
}

// acceptPause is how long to wait for files or memory to become free.
const acceptPause = 50 * time.Millisecond

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

func (s *Server) serve(conn net.Conn) {
	c := s.idle.Get().(*session)
	c.reset(conn)
	s.add(c)
	c.run(s.greeting, c.command)
	s.remove(c)
	c.reset(nil)
	s.idle.Put(c)
}

func (s *Server) add(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[c] = struct{}{}
}

func (s *Server) remove(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, c)
}

// enter begins a phase, and wakes the sessions that it ends.
func (s *Server) enter(phase int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if phase <= s.phase.Load() {
		return
	}
	s.phase.Store(phase)
	for c := range s.sessions {
		c.wake(phase)
	}
}
