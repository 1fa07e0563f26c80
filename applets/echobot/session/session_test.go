package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"chatmaild/applets/chat"
	"chatmaild/applets/chat/chattest"
	"chatmaild/applets/chat/mailbox"
	"chatmaild/applets/echobot/bot"
)

const (
	domain = "relay.test"
	botAt  = "echo@" + domain
	alice  = "alice@" + domain
)

type always struct{}

func (always) Allow(string) bool { return true }

// record keeps what happened.
type record struct {
	handled chan bot.Outcome
	sent    chan error
	probed  chan Probe
}

func newRecord() *record {
	return &record{make(chan bot.Outcome, 100), make(chan error, 100), make(chan Probe, 100)}
}

func (r *record) Handled(o bot.Outcome) { r.handled <- o }
func (r *record) Sent(err error)        { r.sent <- err }
func (r *record) Probed(p Probe)        { r.probed <- p }

// phone is a person at work.
type phone struct {
	t   *testing.T
	ctx context.Context
	me  *chat.Self
	in  *mailbox.Inbox
	out *mailbox.Outbox
}

func newPhone(t *testing.T, r *chattest.Relay) *phone {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	key, err := chat.GenerateKey(alice, time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	p := &phone{t: t, ctx: ctx, me: &chat.Self{Addr: alice, Key: key}}
	r.Add(t, alice, "a")
	if p.in, err = r.Server().OpenInbox(ctx, alice, "a"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.in.Close() })
	if p.out, err = r.Server().OpenOutbox(ctx, alice, "a"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.out.Close() })
	return p
}

func (p *phone) send(s *chat.Sealed) {
	p.t.Helper()
	if err := p.out.Send(p.ctx, s.To, s.Raw); err != nil {
		p.t.Fatal(err)
	}
}

func (p *phone) next(secrets ...string) *chat.Message {
	p.t.Helper()
	mail, err := p.in.Next(p.ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	m, err := p.me.Open(mail.Raw, secrets, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return m
}

// join follows the bot's invite.
func (p *phone) join(link string) *chat.Cert {
	p.t.Helper()
	invite, err := chat.ParseInvite(link)
	if err != nil {
		p.t.Fatal(err)
	}
	joiner := &chat.Joiner{Self: p.me, Invite: invite}
	step, err := joiner.Start(time.Now())
	if err != nil {
		p.t.Fatal(err)
	}
	for done := false; !done; {
		if step != nil {
			p.send(step)
		}
		if step, done, err = joiner.Answer(p.next(joiner.Secrets()...), time.Now()); err != nil {
			p.t.Fatal(err)
		}
	}
	return joiner.Peer()
}

func (p *phone) say(to *chat.Cert, text string) {
	p.t.Helper()
	raw, err := p.me.Encrypt(&chat.Message{Date: time.Now(), Text: text}, []*chat.Cert{to})
	if err != nil {
		p.t.Fatal(err)
	}
	p.send(&chat.Sealed{To: []string{botAt}, Raw: raw})
}

// start runs a bot until stop is called, which waits for its end.
func start(t *testing.T, r *chattest.Relay, id *bot.Identity, dir string, probe time.Duration) (events *record, stop func()) {
	t.Helper()
	people, err := OpenContacts(dir, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	events = newRecord()
	s := New(Options{
		Bot:    bot.New(bot.Options{Identity: id, Domain: domain, Contacts: people, Answers: always{}}),
		Server: r.Server(), Addr: botAt, Password: id.Password, Send: always{}, Probe: probe,
		Events: events, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	return events, stop
}

func newIdentity(t *testing.T, r *chattest.Relay) *bot.Identity {
	t.Helper()
	id, err := bot.NewIdentity(domain, time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	r.Add(t, botAt, id.Password)
	return id
}

// TestSession follows a bot from its invite over a refusal and a restart.
func TestSession(t *testing.T) {
	r := chattest.New(t)
	id := newIdentity(t, r)
	p := newPhone(t, r)
	dir := t.TempDir()
	events, stop := start(t, r, id, dir, 0)
	bot := p.join(id.InviteLink(domain))
	p.next() // its greeting
	p.say(bot, "one")
	if got := p.next(); got.Text != "one" {
		t.Errorf("got %q, want %q", got.Text, "one")
	}
	for range 4 { // two steps, the greeting, the answer
		if err := <-events.sent; err != nil {
			t.Error(err)
		}
	}

	// A relay that cannot just now is asked again.
	once := false
	r.Refuse(func(from string) error {
		if from == botAt && !once {
			once = true
			return &smtp.SMTPError{Code: 450, Message: "later"}
		}
		return nil
	})
	for _, text := range []string{"two", "three", "four"} {
		p.say(bot, text)
	}
	texts := map[string]bool{}
	for range 3 {
		texts[p.next().Text] = true
	}
	if fmt.Sprint(texts) != fmt.Sprint(map[string]bool{"two": true, "three": true, "four": true}) {
		t.Errorf("got %v", texts)
	}
	r.Refuse(nil)
	stop()

	p.say(bot, "are you there") // nobody is
	_, stop = start(t, r, id, dir, 0)
	defer stop()
	if got := p.next(); got.Text != "are you there" {
		t.Errorf("after a restart: got %q", got.Text)
	}
}

func TestProbe(t *testing.T) {
	r := chattest.New(t)
	events, stop := start(t, r, newIdentity(t, r), t.TempDir(), 50*time.Millisecond)
	first := <-events.probed
	for !first.OK { // a slow machine
		first = <-events.probed
	}
	if first.Seconds <= 0 || !first.LastSuccess.Equal(first.Time) || first.Error != "" {
		t.Errorf("got %+v", first)
	}
	r.Refuse(func(string) error { return &smtp.SMTPError{Code: 550, Message: "not from echo@relay.test"} })
	var failed Probe
	for failed = <-events.probed; failed.OK; failed = <-events.probed {
		first = failed
	}
	if failed.Error == "" || failed.LastSuccess.Before(first.Time) {
		t.Errorf("got %+v after %+v", failed, first)
	}
	r.Refuse(nil)
	for p := range events.probed {
		if p.OK {
			break
		}
	}
	stop()
	text, err := failed.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParseProbe(text); err != nil || again != failed {
		t.Errorf("got %+v, %v, want %+v", again, err, failed)
	}
}

// TestQueue has one source fill the queue as far as it can, in number and in bytes, while
// another has a single message, which is the next but one.
func TestQueue(t *testing.T) {
	for _, tt := range []struct {
		name string
		size int
		want int
	}{{"number", 1, maxSourced}, {"bytes", maxSourcedBytes / 2, 2}} {
		q := newQueue()
		hostile := chat.Sealed{Raw: make([]byte, tt.size)}
		taken := 0
		for range 2 * maxQueued {
			if q.put("hostile", hostile) {
				taken++
			}
		}
		if taken != tt.want {
			t.Errorf("%s: one source has %d in the queue, want %d", tt.name, taken, tt.want)
		}
		if !q.put("honest", chat.Sealed{To: []string{alice}}) {
			t.Errorf("%s: no room for another source", tt.name)
		}
		if first, second := q.next(), q.next(); first.To != nil || second.To == nil {
			t.Errorf("%s: the other source waits for all of the first", tt.name)
		}
	}
}

// TestQueueIsBounded fills it from many sources.
func TestQueueIsBounded(t *testing.T) {
	q := newQueue()
	for i := range 2 * maxQueued {
		if got, want := q.put(fmt.Sprint(i), chat.Sealed{}), i < maxQueued; got != want {
			t.Fatalf("message %d: got %v, want %v", i, got, want)
		}
	}
	m := q.next()
	if q.put("x", chat.Sealed{}) {
		t.Error("there is room before a message is sent")
	}
	q.done(m)
	if !q.put("x", chat.Sealed{}) {
		t.Error("there is no room after a message was sent")
	}
	for range maxQueued {
		q.done(q.next())
	}
	if q.next() != nil || q.count != 0 || q.bytes != 0 {
		t.Errorf("%d messages of %d bytes are left", q.count, q.bytes)
	}
	big := chat.Sealed{Raw: make([]byte, maxSourcedBytes)}
	for i := range 5 {
		if got, want := q.put(fmt.Sprint(i), big), i < 4; got != want {
			t.Errorf("a quarter of what it holds, %d times: got %v, want %v", i+1, got, want)
		}
	}
}

func TestNoAddressInTheLog(t *testing.T) {
	err := fmt.Errorf("sending: %w", &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "<alice@relay.test>"})
	if got := withoutText(err).Error(); got != "SMTP error 550: refused" {
		t.Errorf("got %q", got)
	}
	if other := errors.New("x"); withoutText(other) != other {
		t.Error("another error is changed")
	}
}

func TestContacts(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	people, err := OpenContacts(dir, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	var certs []*chat.Cert
	for range 4 {
		key, err := chat.GenerateKey(alice, now.Add(-time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		certs = append(certs, key.Cert())
	}
	for i, c := range certs {
		if err := people.Put(&bot.Contact{Cert: c, Addr: alice}); err != nil {
			t.Fatal(err)
		}
		at := now.Add(time.Duration(i) * time.Minute)
		if err := os.Chtimes(filepath.Join(dir, c.Fingerprint()), at, at); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range certs {
		if got := people.Get(c.Fingerprint()); got == nil || got.Cert.Base64() != c.Base64() || got.Addr != alice {
			t.Errorf("%s is not there", c.Fingerprint())
		}
	}
	for _, bad := range []string{"", "../x", certs[0].Fingerprint() + "/.", "0123"} {
		if people.Get(bad) != nil {
			t.Errorf("there is a key %q", bad)
		}
	}
	// One that is seen again, a day later, is not the oldest any more.
	now = now.Add(2 * seenStep)
	if err := people.Put(&bot.Contact{Cert: certs[0], Addr: alice}); err != nil {
		t.Fatal(err)
	}
	if err := people.prune(2); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false, false, true} {
		if got := people.Get(certs[i].Fingerprint()) != nil; got != want {
			t.Errorf("key %d: there %v, want %v", i, got, want)
		}
	}
	// A file that is another key than its name says is none.
	if err := os.Rename(filepath.Join(dir, certs[0].Fingerprint()), filepath.Join(dir, certs[1].Fingerprint())); err != nil {
		t.Fatal(err)
	}
	if people.Get(certs[1].Fingerprint()) != nil {
		t.Error("a key is found under another's name")
	}
}
