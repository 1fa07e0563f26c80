package selftest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/textproto"
	"strings"
	"sync"
	"time"

	"chatmaild/applets/admin/remote"
	"chatmaild/applets/chat"
)

// session is what the checks of one run share. A check may set a field that those
// who need the check read; nothing else is written after newSession.
type session struct {
	Options
	relay, other *remote.Relay

	// hello is what we call ourselves towards the relay: if it is in a message
	// afterwards, so are the names of its users' machines.
	hello string
	// secret is the subject of the message that is delivered.
	secret string

	// openpgp is held while keys are used: the library remembers in them what
	// it found out about them.
	openpgp sync.Mutex

	alice     user   // by "create"
	bob       user   // by "delivery"
	delivered string // what he got
	carol     user   // on the other relay; by "other"
}

// user is an account with a key.
type user struct {
	remote.Account
	chat.Self
}

// newSession is a session before its first check.
func newSession(o Options) *session {
	return &session{
		Options: o, relay: o.Relay, other: o.Other,
		// Random, so that finding it in a message cannot be a coincidence.
		hello:  strings.ToLower(rand.Text()) + ".invalid",
		secret: "Subject " + rand.Text(),
	}
}

// signUp returns an account that does not exist yet. The invite is the relay's, not
// the other one's.
func (s *session) signUp(ctx context.Context, r *remote.Relay) (remote.Account, error) {
	if r != s.relay {
		return r.SignUp(ctx, "")
	}
	a, err := r.SignUp(ctx, s.Invite)
	return a, adviseInvite(err)
}

// adviseInvite says what to do if the relay gives out no account.
func adviseInvite(err error) error {
	if _, ok := errors.AsType[*remote.NoAccount](err); ok {
		return advise(err, "give the token of an invite if the relay asks for one: --invite TOKEN")
	}
	return err
}

// newUser gives an account a key.
func (s *session) newUser(a remote.Account) (user, error) {
	key, err := chat.GenerateKey(a.Address, s.Now)
	return user{a, chat.Self{Addr: a.Address, Key: key}}, err
}

// letter is an encrypted message as current clients write it.
type letter struct{ id, raw string }

// letter encrypts a message as the client does.
func (s *session) letter(from, to user) (letter, error) {
	m := &chat.Message{
		Date: s.Now, Subject: "proof", Text: text,
		Header: textproto.MIMEHeader{"Chat-Version": {"1.0"}},
	}
	s.openpgp.Lock()
	defer s.openpgp.Unlock()
	raw, err := from.Encrypt(m, []*chat.Cert{to.Key.Cert()})
	return letter{m.ID, string(raw)}, err
}

// cleartext is a message that anybody can read.
func cleartext(from, to string, now time.Time) string {
	return fmt.Sprintf("From: <%s>\r\nTo: <%s>\r\nDate: %s\r\nMessage-ID: <%s@proof.invalid>\r\nSubject: hello\r\n\r\nanybody can read this\r\n",
		from, to, now.Format(time.RFC1123Z), rand.Text())
}
