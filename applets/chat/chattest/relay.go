// Package chattest is a relay for tests, in the memory of the process: IMAP and
// submission over TLS, with accounts that the test makes. It filters nothing.
package chattest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"chatmaild/applets/chat/mailbox"
	"chatmaild/applets/keys"
)

// Relay is a running relay.
type Relay struct {
	imap, smtp net.Listener
	users      *imapmemserver.Server

	mu       sync.Mutex
	accounts map[string]*account
	refuse   func(from string) error
}

type account struct {
	password string
	user     *imapmemserver.User
}

// New starts a relay that ends with the test.
func New(t testing.TB) *Relay {
	t.Helper()
	r := &Relay{users: imapmemserver.New(), accounts: make(map[string]*account)}
	config := &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
	for _, l := range []*net.Listener{&r.imap, &r.smtp} {
		plain, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		*l = tls.NewListener(plain, config)
	}
	quiet := log.New(io.Discard, "", 0)
	imapd := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return session{r.users.NewSession()}, nil, nil
		},
		Caps:   imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapIdle: {}, imap.CapUIDPlus: {}},
		Logger: quiet, InsecureAuth: true,
	})
	smtpd := smtp.NewServer(r)
	smtpd.AllowInsecureAuth, smtpd.ErrorLog = true, quiet
	served := make(chan error, 2)
	go func() { served <- imapd.Serve(r.imap) }()
	go func() { served <- smtpd.Serve(r.smtp) }()
	t.Cleanup(func() {
		imapd.Close()
		smtpd.Close()
		<-served
		<-served
	})
	return r
}

// session fixes the library's IDLE, which does not tell what came just before it.
type session struct{ imapserver.Session }

// idlePoll is how often such a session looks again.
const idlePoll = 20 * time.Millisecond

func (s session) Idle(w *imapserver.UpdateWriter, stop <-chan struct{}) error {
	for {
		if err := s.Session.Poll(w, true); err != nil {
			return err
		}
		pause, ended := make(chan struct{}), make(chan error, 1)
		go func() { ended <- s.Session.Idle(w, pause) }()
		timer := time.NewTimer(idlePoll)
		var last bool
		select {
		case <-stop:
			last = true
		case <-timer.C:
		}
		timer.Stop()
		close(pause)
		if err := <-ended; err != nil || last {
			return err
		}
	}
}

func certificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := keys.New()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := keys.SelfSign("relay.test", key, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// Server is how to reach the relay.
func (r *Relay) Server() *mailbox.Server {
	return &mailbox.Server{
		IMAP: r.imap.Addr().String(), SMTP: r.smtp.Addr().String(),
		TLS: &tls.Config{ServerName: "relay.test", InsecureSkipVerify: true},
	}
}

// Add makes an account.
func (r *Relay) Add(t testing.TB, addr, password string) {
	t.Helper()
	user := imapmemserver.NewUser(addr, password)
	if err := user.Create("INBOX", nil); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.users.AddUser(user)
	r.accounts[addr] = &account{password, user}
}

// Refuse has the relay ask what to say to each message that is submitted, one
// at a time; nil is to take it.
func (r *Relay) Refuse(say func(from string) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse = say
}

func (r *Relay) verdict(from string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse == nil {
		return nil
	}
	return r.refuse(from)
}

// Deliver puts a message into an inbox.
func (r *Relay) Deliver(to string, raw []byte) error {
	r.mu.Lock()
	a := r.accounts[to]
	r.mu.Unlock()
	if a == nil {
		return &smtp.SMTPError{Code: 550, Message: "no such user"}
	}
	_, err := a.user.Append("INBOX", literal{bytes.NewReader(raw), int64(len(raw))}, &imap.AppendOptions{Time: time.Now()})
	return err
}

type literal struct {
	io.Reader
	size int64
}

func (l literal) Size() int64 { return l.size }

// NewSession implements smtp.Backend.
func (r *Relay) NewSession(*smtp.Conn) (smtp.Session, error) { return &submission{relay: r}, nil }

// submission is one session of a client that sends.
type submission struct {
	relay *Relay
	user  string
	to    []string
}

func (s *submission) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *submission) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		s.relay.mu.Lock()
		defer s.relay.mu.Unlock()
		if a := s.relay.accounts[user]; a == nil || a.password != password {
			return errors.New("wrong password")
		}
		s.user = user
		return nil
	}), nil
}

func (s *submission) Mail(from string, _ *smtp.MailOptions) error {
	if s.user == "" || from != s.user {
		return &smtp.SMTPError{Code: 553, Message: "not yours"}
	}
	return nil
}

func (s *submission) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

func (s *submission) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := s.relay.verdict(s.user); err != nil {
		return err
	}
	for _, to := range s.to {
		if err := s.relay.Deliver(to, raw); err != nil {
			return err
		}
	}
	return nil
}

func (s *submission) Reset() { s.to = nil }

func (s *submission) Logout() error { return nil }
