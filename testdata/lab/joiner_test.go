package lab

import (
	"crypto/rand"
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/chat"
	"chatmaild/applets/chat/mailbox"
	"chatmaild/testdata/lab/core"
	"chatmaild/testdata/lab/network"
)

// goClient is an account of our own client.
type goClient struct {
	t   *testing.T
	me  *chat.Self
	in  *mailbox.Inbox
	out *mailbox.Outbox
}

func newGoClient(t *testing.T, from network.Station, r *Relay) *goClient {
	t.Helper()
	addr, password := strings.ToLower(rand.Text()[:9])+"@"+r.Domain, rand.Text()
	key, err := chat.GenerateKey(addr, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	g := &goClient{t: t, me: &chat.Self{Addr: addr, Name: "Gödel", Key: key}}
	server := mailbox.New(r.Domain, &tls.Config{ServerName: r.Domain, InsecureSkipVerify: true})
	server.Dial = from.DialContext
	ctx := deadline(t, stepTimeout)
	if g.in, err = server.OpenInbox(ctx, addr, password); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.in.Close() })
	if g.out, err = server.OpenOutbox(ctx, addr, password); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.out.Close() })
	return g
}

func (g *goClient) send(s *chat.Sealed) {
	g.t.Helper()
	if err := g.out.Send(deadline(g.t, stepTimeout), s.To, s.Raw); err != nil {
		g.t.Fatal(err)
	}
}

// next returns the next message that our key or one of the secrets opens.
func (g *goClient) next(secrets ...string) *chat.Message {
	g.t.Helper()
	mail, err := g.in.Next(deadline(g.t, stepTimeout))
	if err != nil {
		g.t.Fatal(err)
	}
	m, err := g.me.Open(mail.Raw, secrets, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	return m
}

// join follows an invite to its end, and returns the inviter's key.
func (g *goClient) join(link string, v2 bool) *chat.Cert {
	g.t.Helper()
	invite, err := chat.ParseInvite(link)
	if err != nil {
		g.t.Fatal(err)
	}
	joiner := &chat.Joiner{Self: g.me, Invite: invite, V2: v2}
	step, err := joiner.Start(time.Now())
	if err != nil {
		g.t.Fatal(err)
	}
	for done := false; !done; {
		if step != nil {
			g.send(step)
		}
		if step, done, err = joiner.Answer(g.next(joiner.Secrets()...), time.Now()); err != nil {
			g.t.Fatal(err)
		}
	}
	return joiner.Peer()
}

// joinCore has our own client follow invites of the real one, in both versions of
// the protocol, to a person and to a group, and talk.
func (m *botMeeting) joinCore(t *testing.T) {
	var group uint32
	if err := m.alice.Call(deadline(t, stepTimeout), &group, "create_group_chat", "Gruppe", false); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		v2    bool
		group *uint32
	}{
		{"version 3", false, nil},
		{"version 2", true, nil},
		{"version 3 to a group", false, &group},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx := deadline(t, stepTimeout)
			g := newGoClient(t, m.bob.Client.Station, m.b)
			var link string
			if err := m.alice.Call(ctx, &link, "get_chat_securejoin_qr_code", tt.group); err != nil {
				t.Fatal(err)
			}
			from := m.alice.Position()
			alice := g.join(link, tt.v2)
			if _, err := m.alice.Wait(ctx, from, core.InviterProgress, func(e core.Event) bool { return e.Progress == core.Complete }); err != nil {
				t.Fatal(err)
			}
			text := "hello from Go, " + tt.name
			raw, err := g.me.Encrypt(&chat.Message{Date: time.Now(), Text: text}, []*chat.Cert{alice})
			if err != nil {
				t.Fatal(err)
			}
			g.send(&chat.Sealed{To: []string{m.alice.Addr}, Raw: raw})
			got := answer(ctx, t, m.alice, text, func(got core.Message) bool { return got.Text == text })
			// Who joins a group is no friend yet.
			if err := m.alice.Call(ctx, nil, "accept_chat", got.ChatID); err != nil {
				t.Fatal(err)
			}
			if _, err := m.alice.SendText(ctx, got.ChatID, "hello Go"); err != nil {
				t.Fatal(err)
			}
			for reply := g.next(); ; reply = g.next() {
				if reply.Text == "hello Go" {
					if !reply.Signed || !reply.Encrypted || reply.Sender.Fingerprint() != alice.Fingerprint() {
						t.Errorf("the reply is signed %v, encrypted %v", reply.Signed, reply.Encrypted)
					}
					break
				}
			}
		})
	}
}
