// Package session runs the echo bot in its account: it waits for mail, has the
// bot say what to do about it, and sends what the bot says. Beside that it
// probes the relay: it sends a message to itself and waits for it, as a phone
// would.
//
// A mail is deleted before it is handled. So one that would make the bot fail is
// met once, and nothing is answered twice; what a crash interrupts is not
// answered.
//
// # Bounds
//
// What waits to be sent is bounded in number and in bytes, in all and for each source,
// and the sources take turns; what does not fit is not answered. Contacts are files in a
// directory, bounded in number: those that have not written for longest go.
package session

import (
	"context"
	"log/slog"
	"time"

	"chatmaild/applets/chat/mailbox"
	"chatmaild/applets/echobot/bot"
)

const (
	minPause  = time.Second // between attempts to connect …
	maxPause  = time.Minute // … doubled up to this
	drainTime = 10 * time.Second
)

// Events are told what happened.
type Events interface {
	Handled(bot.Outcome)
	Sent(error)
	Probed(Probe)
}

// Options are what a Session is made of. All are required.
type Options struct {
	Bot      *bot.Bot
	Server   *mailbox.Server
	Addr     string
	Password string
	Send     bot.Limiter   // of all that is sent; "" is asked about
	Probe    time.Duration // between two probes; 0 for none
	Events   Events
	Now      func() time.Time
	Log      *slog.Logger
}

// Session is a bot at work.
type Session struct {
	Options
	queue  *queue
	probed chan string // IDs of the bot's own messages that came back
	ready  chan struct{}
}

// New returns a session that Run begins.
func New(o Options) *Session {
	return &Session{Options: o, queue: newQueue(), probed: make(chan string, 1), ready: make(chan struct{}, 1)}
}

// Run works until ctx is done, through all failures of the relay, and then sends
// what is left to send.
func (s *Session) Run(ctx context.Context) error {
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		s.sendAll(ctx)
	}()
	probes := make(chan struct{})
	go func() {
		defer close(probes)
		if s.Probe > 0 {
			s.probe(ctx)
		}
	}()
	s.receiveAll(ctx)
	s.queue.close()
	<-sent
	<-probes
	return nil
}

// receiveAll is connected for as long as it can.
func (s *Session) receiveAll(ctx context.Context) {
	pause := minPause
	for ctx.Err() == nil {
		connected, err := s.receive(ctx)
		if ctx.Err() != nil {
			return
		}
		if connected {
			pause = minPause
		}
		s.Log.Warn("the account cannot be read", "error", err, "again_in", pause.String())
		wait(ctx, pause)
		pause = min(2*pause, maxPause)
	}
}

func (s *Session) receive(ctx context.Context) (connected bool, err error) {
	in, err := s.Server.OpenInbox(ctx, s.Addr, s.Password)
	if err != nil {
		return false, err
	}
	defer in.Close()
	in.Limit = bot.MaxMail
	select {
	case s.ready <- struct{}{}:
	default:
	}
	for {
		m, err := in.Next(ctx)
		if err != nil {
			return true, err
		}
		if err := in.Delete(ctx, m.UID); err != nil {
			return true, err
		}
		s.handle(m)
	}
}

func (s *Session) handle(m *mailbox.Mail) {
	result := bot.Result{Outcome: bot.Unreadable}
	if m.Raw != nil {
		result = s.Bot.Handle(m.Raw, m.Received, s.Now())
	}
	switch {
	case result.Outcome == bot.Probed:
		select {
		case s.probed <- result.Probe:
		default: // nobody waits for it any more
		}
	case result.Outcome == bot.Failed:
		s.Log.Error("cannot answer a message", "error", result.Err)
	case result.Err != nil:
		s.Log.Debug("cannot read a message", "error", result.Err)
	}
	for _, sealed := range result.Send {
		if !s.queue.put(s.Bot.Source(result.From), sealed) {
			result.Outcome = bot.TooFast
		}
	}
	s.Events.Handled(result.Outcome)
}

// wait returns after d, or when ctx is done.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
