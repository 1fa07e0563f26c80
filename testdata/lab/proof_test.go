package lab

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/chat/imap"
	"chatmaild/testdata/kit/smtp"
	"chatmaild/testdata/lab/network"
	"chatmaild/testdata/lab/peer"
)

// A proof is one relay, made for all that is proved on it: a relay of its own
// for each part would cost a minute each.
type proof struct {
	lab     *Lab
	relay   *Relay
	usual   *Relay          // where the others of a conversation are; nil: on the same one
	outside network.Station // from which the test itself connects
	sender  account         // sends what no real client has to write
}

// smallMailbox is the quota of the relay's mailboxes, so that few messages fill one.
const smallMailbox = 10 << 20

// partTimeout bounds one step of a part.
const partTimeout = stepTimeout

// TestParts looks closely, on one installed relay, at what TestConversation
// passes by: what the real client sends, push, the web pages, expiry.
func TestParts(t *testing.T) {
	p := &proof{}
	p.lab, p.relay = startRelay(t, "_parts.test",
		`notify_url = "`+peer.PushURL+`"`,
		fmt.Sprintf(`max_mailbox_size = "%dM"`, smallMailbox>>20),
		`max_message_size = "6M"`,
		`max_user_send_per_minute = 6000`, `max_user_send_burst_size = 1000`,
		`max_network_registrations_per_hour = 100000`, `max_registrations_per_minute = 10000`)
	var err error
	p.outside = addStation(t, p.lab, "outside")
	p.sender = p.newAccount(t)
	eachStep(t, p, []step[*proof]{{"memory", (*proof).memory}}) // alone, and first: nothing has happened yet
	t.Parallel()
	eachStep(t, p, []step[*proof]{
		{"web", (*proof).web},
		{"wire", (*proof).wire},
		{"push", (*proof).pushes},
		{"expire", (*proof).expire},
		{"queue", (*proof).queue},
		{"operator", (*proof).operator},
		{"hardening", (*proof).hardening},
		{"proxy", (*proof).proxy},
		{"PROXY protocol", (*proof).proxyProtocol},
	})
	broken, err := p.relay.Broken(deadline(t, partTimeout))
	if err != nil {
		t.Fatal(err)
	}
	if broken != nil {
		t.Errorf("failed, or started more than once: %s", strings.Join(broken, " "))
	}
}

// An account is one without a client: for what a test says itself.
type account struct{ addr, password string }

// newAccount makes an account by its first login.
func (p *proof) newAccount(t *testing.T) account {
	t.Helper()
	a := account{
		addr:     strings.ToLower(rand.Text()[:9]) + "@" + p.relay.Domain,
		password: rand.Text()[:22],
	}
	p.imap(t, a).Close()
	return a
}

// imap opens a session of an account.
func (p *proof) imap(t *testing.T, a account) *imap.Client {
	t.Helper()
	s, err := p.outside.IMAP(deadline(t, partTimeout), p.relay.Domain)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Login(a.addr, a.password); err != nil {
		t.Fatal(err)
	}
	return s
}

// submission opens a session for sending.
func (p *proof) submission(t *testing.T, a account) *smtp.Client {
	t.Helper()
	s, err := p.outside.SMTP(deadline(t, partTimeout), p.relay.Domain, network.SubmissionsPort)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if reply, err := s.Command("EHLO station.test"); err != nil || reply[:3] != "250" {
		t.Fatalf("EHLO: %s, %v", reply, err)
	}
	if reply, err := s.Login(a.addr, a.password); err != nil || reply[:3] != "235" {
		t.Fatalf("login: %s, %v", reply, err)
	}
	return s
}

// send sends an encrypted message that nobody can read and waits until the
// relay has taken it.
func (p *proof) send(t *testing.T, s *smtp.Client, from account, to ...string) {
	t.Helper()
	mail := sealed(t, from.addr)
	for _, addr := range to {
		if reply, err := s.Send(from.addr, addr, mail); err != nil || reply[:3] != "250" {
			t.Fatalf("sending: %s, %v", reply, err)
		}
	}
}

// sealed is encryptedFrom with line ends as smtp.Client wants them, and each with a
// Message-ID of its own.
func sealed(t *testing.T, from string) string {
	t.Helper()
	text := strings.ReplaceAll(encryptedFrom(t, from), "\r\n", "\n")
	return strings.Replace(text, "\nMessage-ID: <", "\nMessage-ID: <"+rand.Text(), 1)
}

// poll is how often until looks.
const poll = 50 * time.Millisecond

// until waits for a condition that nobody tells us of.
func until(ctx context.Context, t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("waiting for %s: %v", what, ctx.Err())
		case <-tick.C:
		}
	}
}

// delivered waits until Postfix has no message left.
func (p *proof) delivered(t *testing.T) {
	t.Helper()
	ctx := deadline(t, partTimeout)
	until(ctx, t, "the queue to be empty", func() bool { return p.script(t, "postqueue -j") == "" })
}

// script runs lines of sh on the relay, and returns their output.
func (p *proof) script(t *testing.T, format string, args ...any) string {
	t.Helper()
	return strings.TrimSpace(sh(t, p.relay, fmt.Sprintf(format, args...)))
}

// home is the directory of a mailbox.
func (p *proof) home(addr string) string {
	return "/home/vmail/mail/" + p.relay.Domain + "/" + addr
}

// expired is a context for looking at what is there, without waiting.
func expired() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
