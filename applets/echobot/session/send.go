package session

import (
	"context"
	"errors"
	"time"

	"github.com/emersion/go-smtp"

	"chatmaild/applets/chat"
	"chatmaild/applets/chat/mailbox"
)

const (
	sendTries = 5
	sendPause = 250 * time.Millisecond // between looks at the rate
	idleTime  = time.Minute            // then the connection is given back
)

// sendAll sends until the queue is closed and empty. After ctx is done there is
// little time left.
func (s *Session) sendAll(ctx context.Context) {
	last, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		wait(last, drainTime)
		cancel()
	})()
	out := &sender{session: s}
	defer out.close()
	idle := time.NewTimer(idleTime)
	defer idle.Stop()
	for {
		if m := s.queue.next(); m != nil {
			err := out.send(last, m)
			s.queue.done(m)
			s.Events.Sent(err)
			if err != nil {
				s.Log.Warn("an answer was not sent", "error", withoutText(err))
			}
			idle.Reset(idleTime)
			continue
		}
		select {
		case _, open := <-s.queue.wake:
			if !open {
				return
			}
		case <-idle.C:
			out.close()
		}
	}
}

// sender keeps a connection as long as it is of use.
type sender struct {
	session *Session
	out     *mailbox.Outbox
}

func (w *sender) close() {
	if w.out != nil {
		w.out.Close()
		w.out = nil
	}
}

// send tries again what may work later.
func (w *sender) send(ctx context.Context, m *chat.Sealed) error {
	s := w.session
	for !s.Send.Allow("") && ctx.Err() == nil {
		wait(ctx, sendPause)
	}
	pause := minPause
	for try := 1; ; try++ {
		err := w.try(ctx, m)
		var refusal *smtp.SMTPError
		if err == nil || errors.As(err, &refusal) && !refusal.Temporary() || try == sendTries || ctx.Err() != nil {
			return err
		}
		wait(ctx, pause)
		pause *= 2
	}
}

func (w *sender) try(ctx context.Context, m *chat.Sealed) (err error) {
	if w.out == nil {
		if w.out, err = w.session.Server.OpenOutbox(ctx, w.session.Addr, w.session.Password); err != nil {
			w.out = nil
			return err
		}
	}
	if err = w.out.Send(ctx, m.To, m.Raw); err != nil {
		w.close()
	}
	return err
}

// withoutText keeps the words of another server, which may hold an address, out
// of the log.
func withoutText(err error) error {
	if refusal, ok := errors.AsType[*smtp.SMTPError](err); ok {
		return &smtp.SMTPError{Code: refusal.Code, EnhancedCode: refusal.EnhancedCode, Message: "refused"}
	}
	return err
}
