package bot

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/chat"
)

const domain = "relay.test"

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// contacts keeps contacts in memory.
type contacts map[string]*Contact

func (k contacts) Get(print string) *Contact { return k[print] }

func (k contacts) Put(c *Contact) error {
	k[c.Cert.Fingerprint()] = c
	return nil
}

// allowance lets so many pass.
type allowance int

func (a *allowance) Allow(string) bool {
	*a--
	return *a >= 0
}

func newBot(t testing.TB, domain string, answers int) *Bot {
	t.Helper()
	id, err := NewIdentity(domain, now.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	a := allowance(answers)
	return New(Options{Identity: id, Domain: domain, Contacts: contacts{}, Answers: &a})
}

func person(t testing.TB, name string) *chat.Self {
	t.Helper()
	key, err := chat.GenerateKey(name+"@"+domain, now.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return &chat.Self{Addr: name + "@" + domain, Name: name, Key: key}
}

// tell has a person write to the bot, and returns its answers as that person
// reads them.
func tell(t *testing.T, b *Bot, from *chat.Self, m *chat.Message) ([]*chat.Message, Outcome) {
	t.Helper()
	m.Date = now.Add(-2 * time.Second)
	raw, err := from.Encrypt(m, []*chat.Cert{b.self.Key.Cert()})
	if err != nil {
		t.Fatal(err)
	}
	return open(t, b, from, b.Handle(raw, now.Add(-time.Second), now))
}

func open(t *testing.T, b *Bot, reader *chat.Self, r Result) ([]*chat.Message, Outcome) {
	t.Helper()
	var answers []*chat.Message
	for _, s := range r.Send {
		m, err := reader.Open(s.Raw, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !m.Signed || m.Sender.Fingerprint() != b.self.Key.Cert().Fingerprint() || !m.Automatic() {
			t.Errorf("an answer that is signed %v, automatic %v", m.Signed, m.Automatic())
		}
		answers = append(answers, m)
	}
	return answers, r.Outcome
}

func with(m chat.Message, fields ...string) *chat.Message {
	for i := 0; i < len(fields); i += 2 {
		m.Set(fields[i], fields[i+1])
	}
	return &m
}

func TestTalk(t *testing.T) {
	file := func(size int) []chat.File {
		return []chat.File{{Name: "a.bin", Type: "application/octet-stream", Data: make([]byte, size)}}
	}
	tests := map[string]struct {
		says  *chat.Message
		want  string // the text of the answer; "" for none
		files int
	}{
		"text":           {&chat.Message{Text: "hello\nyou"}, "hello\nyou", 0},
		"spaces":         {&chat.Message{Text: " \n "}, "", 0},
		"help":           {&chat.Message{Text: "/HELP"}, "Hello!", 0},
		"ping":           {&chat.Message{Text: "/ping"}, "pong\n\nYour clock said 11:59:58 when you sent it; here it is 12:00:00: about 2 seconds.", 0},
		"file":           {&chat.Message{Text: "see", Files: file(1000)}, "see", 1},
		"file alone":     {&chat.Message{Files: file(0)}, "", 1},
		"large file":     {&chat.Message{Files: file(MaxFile + 1)}, "That is too large", 0},
		"long text":      {&chat.Message{Text: strings.Repeat("ä", maxText)}, strings.Repeat("ä", maxText/2) + " …", 0},
		"a bot":          {with(chat.Message{Text: "hello"}, "Auto-Submitted", "auto-generated"), "", 0},
		"an answer":      {with(chat.Message{Text: "hello"}, "Auto-Submitted", "auto-replied"), "", 0},
		"an old bot":     {with(chat.Message{Text: "hello"}, "Chat-Bot", "1"), "", 0},
		"no bot":         {with(chat.Message{Text: "hello"}, "Auto-Submitted", "no"), "hello", 0},
		"receipt":        {&chat.Message{ReceiptFor: "x@localhost"}, "", 0},
		"edit":           {with(chat.Message{Text: "hello"}, "Chat-Edit", "x@localhost"), "", 0},
		"call":           {with(chat.Message{Text: "hello"}, "Chat-Content", "call"), "", 0},
		"channel":        {with(chat.Message{Text: "hello"}, "Chat-List-Id", "news <x>"), "", 0},
		"sticker":        {with(chat.Message{Files: file(9)}, "Chat-Content", "sticker"), "", 1},
		"too large soon": {with(chat.Message{Text: "see"}, "Chat-Post-Message-Id", "<p@localhost>", "Chat-Post-Message-Metadata", `{"size":9000000}`), "That is too large", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b, alice := newBot(t, domain, 10), person(t, "alice")
			answers, outcome := tell(t, b, alice, tt.says)
			if tt.want == "" && tt.files == 0 {
				if len(answers) != 0 || outcome != Ignored {
					t.Errorf("got %s, %d answers, want none", outcome, len(answers))
				}
				return
			}
			if len(answers) != 1 || outcome != Answered {
				t.Fatalf("got %s, %d answers, want one", outcome, len(answers))
			}
			if got := answers[0]; !strings.HasPrefix(got.Text, tt.want) || len(got.Files) != tt.files || got.InReplyTo != tt.says.ID {
				t.Errorf("got %.80q, %d files, to %s; want %.80q, %d files, to %s", got.Text, len(got.Files), got.InReplyTo, tt.want, tt.files, tt.says.ID)
			}
			if got := answers[0].Header.Get("Chat-Content"); got == "sticker" != (name == "sticker") {
				t.Errorf("Chat-Content: got %q", got)
			}
		})
	}
}

// TestFileApart has a file come after the message that announces it.
func TestFileApart(t *testing.T) {
	b, alice := newBot(t, domain, 10), person(t, "alice")
	if answers, _ := tell(t, b, alice, with(chat.Message{Text: "see"}, "Chat-Post-Message-Id", "<p@localhost>", "Chat-Post-Message-Metadata", `{"size":90}`)); len(answers) != 0 {
		t.Errorf("the announcement is answered: %q", answers[0].Text)
	}
	answers, _ := tell(t, b, alice, with(chat.Message{ID: "p@localhost", Files: []chat.File{{Name: "a", Type: "text/plain", Data: []byte("x")}}}, "Chat-Is-Post-Message", "1"))
	if len(answers) != 1 || answers[0].Text != "see" || len(answers[0].Files) != 1 {
		t.Errorf("got %+v", answers)
	}
	for i := range 2 * maxPending {
		tell(t, b, alice, with(chat.Message{Text: "see"}, "Chat-Post-Message-Id", fmt.Sprintf("<%d@localhost>", i)))
	}
	if len(b.pending) != maxPending {
		t.Errorf("%d texts wait for their files, want %d", len(b.pending), maxPending)
	}
}

// TestDistrust holds that nobody is answered who has not proven who he is.
func TestDistrust(t *testing.T) {
	b, alice := newBot(t, domain, 10), person(t, "alice")
	if r := b.Handle([]byte("From: <alice@relay.test>\r\nSubject: x\r\n\r\nhello\r\n"), now, now); r.Outcome != Unreadable || r.Send != nil {
		t.Errorf("cleartext: got %+v", r)
	}
	raw, err := alice.Encrypt(&chat.Message{Date: now, Text: "x"}, []*chat.Cert{alice.Key.Cert()})
	if err != nil {
		t.Fatal(err)
	}
	if r := b.Handle(raw, now, now); r.Outcome != Unreadable || r.Send != nil {
		t.Errorf("to another: got %+v", r)
	}
	if raw, err = alice.Encrypt(&chat.Message{Date: now, Text: "x"}, []*chat.Cert{b.self.Key.Cert()}); err != nil {
		t.Fatal(err)
	}
	if r := b.Handle(raw, now.Add(-maxAge-time.Second), now); r.Outcome != Ignored || r.Send != nil {
		t.Errorf("too old: got %+v", r)
	}
}

func TestRate(t *testing.T) {
	b, alice := newBot(t, domain, 2), person(t, "alice")
	var got []Outcome
	for range 4 {
		_, outcome := tell(t, b, alice, &chat.Message{Text: "x"})
		got = append(got, outcome)
	}
	if want := []Outcome{Answered, Answered, TooFast, TooFast}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestNoLoop gives a bot everything that a bot says, a step of SecureJoin too.
func TestNoLoop(t *testing.T) {
	a, b := newBot(t, "a.test", 1000), newBot(t, "b.test", 1000)
	joiner := &chat.Joiner{Self: a.self, Invite: b.inviter.Invite()}
	start, err := joiner.Start(now)
	if err != nil {
		t.Fatal(err)
	}
	mails := [][]byte{start.Raw}
	from, to := a, b
	for n := 0; len(mails) > 0; n++ {
		if n > 3 {
			t.Fatal("two bots do not stop")
		}
		var next [][]byte
		for _, raw := range mails {
			for _, answer := range to.Handle(raw, now, now).Send {
				next = append(next, answer.Raw)
			}
		}
		mails, from, to = next, to, from
	}
	probe, id, err := a.Probe(now)
	if err != nil {
		t.Fatal(err)
	}
	if r := a.Handle(probe.Raw, now, now); r.Outcome != Probed || r.Probe != id || r.Send != nil {
		t.Errorf("its own message: got %+v", r)
	}
	if r := b.Handle(probe.Raw, now, now); r.Outcome != Unreadable {
		t.Errorf("another's probe: got %+v", r)
	}
}
