package proxy

import (
	"context"
	"io"
	"strings"
	"time"

	"chatmaild/mailfilter"
)

// Deliver takes a message that comes by another way than SMTP, as the SMTP side takes
// one: the same checks, bounds and queue. The message is as it lies in a mailbox, without
// stuffed dots. The reply is an SMTP reply without its last line end: 2yz when the queue
// has the message, and only then. If ctx is done before that, the queue does not get it.
//
// A message that does not pass is not told to the Observer: its sender will come with it
// once more, by SMTP.
func (s *Server) Deliver(ctx context.Context, env mailfilter.Envelope, message io.Reader) (reply string) {
	say, ev := s.deliver(ctx, env, message)
	if ev.Result == Passed {
		s.report(ev)
	}
	return strings.TrimSuffix(say, "\r\n")
}

func (s *Server) deliver(ctx context.Context, env mailfilter.Envelope, message io.Reader) (string, Event) {
	if s.phase.Load() != serving {
		return sayShutdown, Event{Result: Deferred}
	}
	t, say := s.envelope(env)
	if say != "" {
		return say, Event{Result: Malformed}
	}
	if err := s.opts.Policy.Admit(env.Sender); err != nil {
		return s.verdict(err)
	}
	late := time.NewTimer(s.opts.BusyTimeout)
	defer late.Stop()
	if !s.flight.acquire(ctx.Done(), late.C) {
		return sayBusy, Event{Result: Deferred}
	}
	defer s.flight.release()
	a := &article{ctx: ctx, body: message}
	say, ev, _ := s.message(a, t, dotReader{article: true})
	if say == "" {
		say = sayShutdown
	}
	return say, ev
}

// envelope reads the addresses of env as those of MAIL and RCPT are, and returns what to
// say against them, or "". The message may be 8-bit: SMTP would say so, nothing else does.
func (s *Server) envelope(env mailfilter.Envelope) (t *transaction, say string) {
	t = &transaction{params: " BODY=8BITMIME"}
	if from, ok := parsePath("FROM:<"+env.Sender+">", "FROM:"); !ok || from.addr != env.Sender || from.params != "" || !printable(from.addr) {
		return nil, "553 5.1.7 Sender address not understood\r\n"
	}
	t.env.Sender = env.Sender
	if len(env.Recipients) > s.opts.MaxRecipients {
		return nil, sayTooMany
	}
	for _, addr := range env.Recipients {
		to, ok := parsePath("TO:<"+addr+">", "TO:")
		if !ok || to.addr != addr || to.params != "" || !plain(addr) || !printable(addr) {
			return nil, sayAddress
		}
		t.add(to)
	}
	if len(t.rcpts) == 0 {
		return nil, "554 5.5.1 No valid recipients\r\n"
	}
	return t, ""
}

// printable reports whether s is printable ASCII, and so fit for a command line without
// a promise (SMTPUTF8).
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// article is a message that comes whole, and whose sender may cease to wait for the
// reply. It ends with a line end, as each message does that SMTP carries: one that has
// none gets it.
type article struct {
	ctx    context.Context
	body   io.Reader
	waited time.Duration
	midl   bool   // the last byte was not a line end
	tail   string // what is missing at the end, once that has come
	ended  bool
}

// Read implements source.
func (a *article) Read(b []byte) (int, error) {
	start := time.Now()
	defer func() { a.waited += time.Since(start) }()
	for {
		if a.ended {
			n := copy(b, a.tail)
			if a.tail = a.tail[n:]; n == 0 && len(b) > 0 {
				return 0, io.EOF
			}
			return n, nil
		}
		n, err := a.body.Read(b)
		if n > 0 {
			a.midl = b[n-1] != '\n'
		}
		switch {
		case err == io.EOF:
			a.ended = true
			if a.midl {
				a.tail = "\r\n"
			}
		case err != nil:
			return n, err
		}
		if n > 0 {
			return n, nil
		}
	}
}

func (a *article) unread([]byte) {}

func (a *article) waiting() time.Duration { return a.waited }

func (a *article) gone() bool { return a.ctx.Err() != nil }
