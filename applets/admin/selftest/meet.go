package selftest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"chatmaild/applets/admin/remote"
	"chatmaild/applets/chat"
	"chatmaild/applets/chat/imap"
)

// party is one of two who meet: a user who is logged in to read and to send.
type party struct {
	user
	inbox *imap.Client
	out   *remote.SMTP
	known int // messages that have been looked at
}

// newParty logs a user in and listens for what arrives from now on.
func newParty(ctx context.Context, r *remote.Relay, u user) (*party, error) {
	inbox, err := r.IMAP(ctx, remote.IMAPS, u.Account)
	if err != nil {
		return nil, err
	}
	known, err := inbox.Select()
	if err != nil {
		return nil, errors.Join(err, inbox.Close())
	}
	out, err := r.Submit(ctx, remote.Submissions, "", u.Account)
	if err != nil {
		return nil, errors.Join(err, inbox.Close())
	}
	return &party{u, inbox, out, known}, nil
}

// close logs the user out; the account stays, for the relay to expire.
func (p *party) close() {
	p.inbox.Close()
	p.out.Close()
}

// retryPause is how long one who sent too fast waits, as clients do.
const retryPause = time.Second

// send is patient with a relay that wants it slower.
func (p *party) send(ctx context.Context, m *chat.Sealed) error {
	for {
		reply, err := p.out.Send(p.Address, m.To[0], string(m.Raw))
		// 450 is the rate limit's answer; a client tries again, and so does this.
		if err != nil || reply.Code != 450 {
			return accepted(reply, err)
		}
		select {
		case <-ctx.Done():
			return errors.New(reply.String())
		case <-time.After(retryPause):
		}
		if _, err := p.out.Want(250, "RSET"); err != nil {
			return err
		}
	}
}

// answerer answers a message of SecureJoin, and says whether that was the end.
type answerer func(*chat.Message, time.Time) (*chat.Sealed, bool, error)

// await looks at what comes in until there is something to answer, or the end.
func (s *session) await(p *party, secrets []string, answer answerer) (next *chat.Sealed, done bool, err error) {
	for {
		messages, _, err := p.inbox.Await(p.known)
		if err != nil {
			return nil, false, err
		}
		for p.known < messages {
			p.known++
			raw, err := p.inbox.Message(p.known)
			if err != nil {
				return nil, false, err
			}
			if next, done, err = s.answer(p, raw, secrets, answer); err != nil || next != nil || done {
				return next, done, err
			}
		}
	}
}

// answer leaves out what is of another conversation, sealed with another secret:
// others write to the same user at the same time.
func (s *session) answer(p *party, raw string, secrets []string, answer answerer) (next *chat.Sealed, done bool, err error) {
	s.openpgp.Lock()
	defer s.openpgp.Unlock()
	m, err := p.Open([]byte(raw), secrets, nil)
	if err != nil {
		return nil, false, nil
	}
	return answer(m, s.Now)
}

// join has one party follow the invite link of the other (SecureJoin), until each
// has the other's key and knows that it is.
func (s *session) join(ctx context.Context, inviter, joiner *party, v2 bool) error {
	in := &chat.Inviter{Self: &inviter.Self, Number: chat.NewToken(), Auth: chat.NewToken()}
	jo := &chat.Joiner{Self: &joiner.Self, V2: v2}
	next, err := s.follow(jo, in)
	if err != nil {
		return err
	}
	for _, step := range []string{"request", "proof"} {
		if err := joiner.send(ctx, next); err != nil {
			return fmt.Errorf("the joiner's %s: %w", step, err)
		}
		if next, _, err = s.await(inviter, in.Secrets(), in.Answer); err != nil {
			return fmt.Errorf("waiting for the joiner's %s: %w", step, err)
		}
		if err := inviter.send(ctx, next); err != nil {
			return fmt.Errorf("the answer to the joiner's %s: %w", step, err)
		}
		var done bool
		if next, done, err = s.await(joiner, jo.Secrets(), jo.Answer); err != nil {
			return fmt.Errorf("waiting for the answer to the joiner's %s: %w", step, err)
		}
		if done {
			return nil
		}
	}
	return errors.New("the joiner was not accepted")
}

// follow reads the invite's link and asks for the inviter's key.
func (s *session) follow(jo *chat.Joiner, in *chat.Inviter) (request *chat.Sealed, err error) {
	s.openpgp.Lock()
	defer s.openpgp.Unlock()
	if jo.Invite, err = chat.ParseInvite(in.Invite().Link()); err != nil {
		return nil, err
	}
	return jo.Start(s.Now)
}

// meet has one user follow the other's invite link, by both versions of the
// protocol that are in use. The older one begins in the clear.
func (s *session) meet(ctx context.Context, r *remote.Relay, inviter user, at *remote.Relay, joiner user) (string, error) {
	one, err := newParty(ctx, r, inviter)
	if err != nil {
		return "", err
	}
	defer one.close()
	two, err := newParty(ctx, at, joiner)
	if err != nil {
		return "", err
	}
	defer two.close()
	var seen []string
	for _, v2 := range []bool{false, true} {
		version, start := "version 3", time.Now()
		if v2 {
			version = "version 2"
		}
		if err := s.join(ctx, one, two, v2); err != nil {
			return "", fmt.Errorf("%s: %w", version, err)
		}
		seen = append(seen, fmt.Sprintf("%s in %d ms", version, time.Since(start).Milliseconds()))
	}
	return strings.Join(seen, ", "), nil
}

// secureJoin runs the protocol of invite links within the relay, both versions of it. It
// is the first thing that two users do, and the only one that may begin unencrypted.
func secureJoin(ctx context.Context, s *session) (string, error) {
	return s.meet(ctx, s.relay, s.bob, s.relay, s.alice)
}

func secureJoinHere(ctx context.Context, s *session) (string, error) {
	return s.meet(ctx, s.relay, s.bob, s.other, s.carol)
}

func secureJoinThere(ctx context.Context, s *session) (string, error) {
	return s.meet(ctx, s.other, s.carol, s.relay, s.bob)
}
