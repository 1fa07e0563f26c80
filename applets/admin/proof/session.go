package proof

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"time"

	"chatmaild/applets/admin/outside"
	"chatmaild/applets/chat"
)

// session is what the checks of one run share. A check may set a field that those
// who need the check read; nothing else is written after newSession.
type session struct {
	Options
	relay, other *outside.Relay

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
	outside.Account
	chat.Self
}

func newSession(o Options) *session {
	return &session{
		Options: o, relay: o.Relay, other: o.Other,
		hello:  strings.ToLower(rand.Text()) + ".invalid",
		secret: "Subject " + rand.Text(),
	}
}

// signUp makes an account that does not exist yet: one made up, as clients do, or
// with an invite one that the relay gives out.
func (s *session) signUp(ctx context.Context, r *outside.Relay) (outside.Account, error) {
	if s.Invite == "" || r != s.relay {
		return outside.NewAccount(r.MailDomain()), nil
	}
	return s.credentials(ctx)
}

// credentials asks POST /new for an account.
func (s *session) credentials(ctx context.Context) (outside.Account, error) {
	address := "https://" + s.relay.Host + "/new"
	if s.Invite != "" {
		address += "?t=" + url.QueryEscape(s.Invite)
	}
	page, err := s.relay.Web(ctx, http.MethodPost, address)
	if err != nil {
		return outside.Account{}, err
	}
	var answer struct{ Email, Password, Reason string }
	err = json.Unmarshal(page.Body, &answer)
	switch {
	case page.Status != http.StatusOK && answer.Reason != "":
		err := fmt.Errorf("%d %s", page.Status, answer.Reason)
		return outside.Account{}, advise(err, "give the token of an invite if the relay asks for one: --invite TOKEN")
	case page.Status != http.StatusOK:
		return outside.Account{}, fmt.Errorf("%d %.80q", page.Status, page.Body)
	case err != nil:
		return outside.Account{}, fmt.Errorf("%.80q is no JSON", page.Body)
	case !strings.HasSuffix(answer.Email, "@"+s.relay.MailDomain()) || !chat.ValidAddress(answer.Email) || answer.Password == "":
		return outside.Account{}, fmt.Errorf("an address %.80q, and a password of %d octets", answer.Email, len(answer.Password))
	}
	return outside.Account{Address: answer.Email, Password: answer.Password}, nil
}

// newUser gives an account a key.
func (s *session) newUser(a outside.Account) (user, error) {
	key, err := chat.GenerateKey(a.Address, s.Now)
	return user{a, chat.Self{Addr: a.Address, Key: key}}, err
}

// letter is an encrypted message as current clients write it.
type letter struct{ id, raw string }

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

// clear is a message that anybody can read.
func (s *session) clear(from, to string) string {
	return fmt.Sprintf("From: <%s>\r\nTo: <%s>\r\nDate: %s\r\nMessage-ID: <%s@proof.invalid>\r\nSubject: hello\r\n\r\nanybody can read this\r\n",
		from, to, s.Now.Format(time.RFC1123Z), rand.Text())
}
