package bot

import (
	"fmt"
	"net/mail"
	"strings"
	"testing"

	"chatmaild/applets/chat"
)

func TestJoin(t *testing.T) {
	b, alice := newBot(t, domain, 10), person(t, "alice")
	invite, err := chat.ParseInvite(b.Identity.InviteLink(domain))
	if err != nil {
		t.Fatal(err)
	}
	for _, v2 := range []bool{false, true} {
		joiner := &chat.Joiner{Self: alice, Invite: invite, V2: v2}
		next, err := joiner.Start(now)
		if err != nil {
			t.Fatal(err)
		}
		var done bool
		var greeting string
		for range 2 {
			r := b.Handle(next.Raw, now, now)
			for _, s := range r.Send {
				if len(s.To) != 1 || s.To[0] != alice.Addr {
					t.Errorf("an answer to %q", s.To)
				}
				m, err := alice.Open(s.Raw, joiner.Secrets(), nil)
				if err != nil {
					t.Fatal(err)
				}
				if m.Step() == "" {
					greeting = m.Text
					continue
				}
				answer, ended, err := joiner.Answer(m, now)
				if err != nil {
					t.Fatal(err)
				}
				if done = done || ended; answer != nil {
					next = answer
				}
			}
		}
		if !done || !strings.HasPrefix(greeting, "Hello!") {
			t.Errorf("version 2 %v: done %v, greeted with %q", v2, done, greeting)
		}
	}
}

func TestGroup(t *testing.T) {
	alice, bob := person(t, "alice"), person(t, "bob")
	file := []chat.File{{Name: "a", Type: "text/plain", Data: []byte("x")}}
	tests := map[string]struct {
		says *chat.Message
		want string
	}{
		"nobody asked":   {&chat.Message{Text: "hello echo"}, ""},
		"called":         {&chat.Message{Text: "@Echo: hello\nall"}, "hello\nall"},
		"called by name": {&chat.Message{Text: "echo hello"}, "hello"},
		"another word":   {&chat.Message{Text: "echoes of"}, ""},
		"command":        {&chat.Message{Text: "/ping"}, "pong"},
		"called command": {&chat.Message{Text: "@echo /help"}, "Hello!"},
		"quoted":         {&chat.Message{Text: "and you?", Quote: "x"}, "and you?"},
		"after it":       {&chat.Message{Text: "and you?"}, ""},
		"added":          {with(chat.Message{Text: "Member added"}, "Chat-Group-Member-Added", "echo@"+domain), "Hello, all!"},
		"another added":  {with(chat.Message{Text: "Member added"}, "Chat-Group-Member-Added", "bob@"+domain), ""},
		"file apart":     {with(chat.Message{Text: ""}, "Chat-Is-Post-Message", "1"), ""},
		"file":           {&chat.Message{Text: "@echo see", Files: file}, "see"},
		"file alone":     {&chat.Message{Text: "@echo", Files: file}, ""},
		"file to come":   {with(chat.Message{Text: "@echo see"}, "Chat-Post-Message-Id", "<p@localhost>"), "see"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBot(t, domain, 10)
			tell(t, b, alice, &chat.Message{Text: "hello"})
			tell(t, b, bob, &chat.Message{Text: "hello"})
			m := tt.says
			if name == "quoted" || name == "after it" {
				m.InReplyTo = b.mark + "x@localhost"
			}
			m.To = []mail.Address{{Address: "echo@" + domain}, {Name: "Bob", Address: bob.Addr}}
			m.Gossip = map[string]*chat.Cert{bob.Addr: bob.Key.Cert()}
			m = with(*m, "Chat-Group-Id", "group1234567", "Chat-Group-Name", "Grüppchen", "Ephemeral-Timer", "60",
				"Chat-Group-Member-Fpr", b.self.Key.Cert().Fingerprint()+" "+bob.Key.Cert().Fingerprint())
			m.Date = now
			raw, err := alice.Encrypt(m, []*chat.Cert{b.self.Key.Cert(), bob.Key.Cert()})
			if err != nil {
				t.Fatal(err)
			}
			r := b.Handle(raw, now, now)
			if tt.want == "" {
				if r.Outcome != Ignored || r.Send != nil {
					t.Errorf("got %+v, want nothing", r)
				}
				return
			}
			if len(r.Send) != 1 || fmt.Sprint(r.Send[0].To) != fmt.Sprint([]string{alice.Addr, bob.Addr}) {
				t.Fatalf("got %s to %+v", r.Outcome, r.Send)
			}
			for _, reader := range []*chat.Self{alice, bob} {
				answers, _ := open(t, b, reader, r)
				got := answers[0]
				if !strings.HasPrefix(got.Text, tt.want) || len(got.Files) != 0 || got.GroupID() != "group1234567" ||
					got.Header.Get("Chat-Group-Name") != "Grüppchen" || got.Header.Get("Ephemeral-Timer") != "60" {
					t.Errorf("%s reads %+v", reader.Name, got)
				}
				if want := alice.Key.Cert().Fingerprint() + " " + bob.Key.Cert().Fingerprint(); got.Header.Get("Chat-Group-Member-Fpr") != want {
					t.Errorf("members: got %s, want %s", got.Header.Get("Chat-Group-Member-Fpr"), want)
				}
			}
		})
	}
}

// TestStrangersInGroup has the author of a message name members whom the bot has never
// heard of, and one whom it has, at another address: nobody is written to but those who
// wrote themselves, where they wrote from.
func TestStrangersInGroup(t *testing.T) {
	b, alice, bob := newBot(t, domain, 10), person(t, "alice"), person(t, "bob")
	tell(t, b, bob, &chat.Message{Text: "hello"})
	m := &chat.Message{Text: "@echo hello", Gossip: map[string]*chat.Cert{}, Date: now}
	prints := []string{b.self.Key.Cert().Fingerprint()}
	m.To = []mail.Address{{Address: "echo@" + domain}}
	for i := range maxGroup - 2 {
		victim := person(t, fmt.Sprint("victim", i))
		m.To, prints = append(m.To, mail.Address{Address: victim.Addr}), append(prints, victim.Key.Cert().Fingerprint())
		m.Gossip[victim.Addr] = victim.Key.Cert()
	}
	m.To, prints = append(m.To, mail.Address{Address: "other@example.org"}), append(prints, bob.Key.Cert().Fingerprint())
	m = with(*m, "Chat-Group-Id", "group1234567", "Chat-Group-Name", "Group", "Chat-Group-Member-Fpr", strings.Join(prints, " "))
	raw, err := alice.Encrypt(m, []*chat.Cert{b.self.Key.Cert()})
	if err != nil {
		t.Fatal(err)
	}
	r := b.Handle(raw, now, now)
	if len(r.Send) != 1 || fmt.Sprint(r.Send[0].To) != fmt.Sprint([]string{alice.Addr, bob.Addr}) {
		t.Fatalf("got %s to %+v", r.Outcome, r.Send)
	}
	if r.From != alice.Addr || len(b.Contacts.(contacts)) != 2 {
		t.Errorf("from %s; %d contacts are kept, want 2", r.From, len(b.Contacts.(contacts)))
	}
}

// TestNewContactCosts holds that who is kept has taken an answer of his allowance, though
// there was nothing to say to him.
func TestNewContactCosts(t *testing.T) {
	b := newBot(t, domain, 1)
	for i, want := range []Outcome{Ignored, TooFast} {
		if _, got := tell(t, b, person(t, fmt.Sprint("p", i)), &chat.Message{Text: " "}); got != want {
			t.Errorf("contact %d: got %s, want %s", i, got, want)
		}
	}
	if n := len(b.Contacts.(contacts)); n != 1 {
		t.Errorf("%d contacts are kept, want 1", n)
	}
}
