package bot

import (
	"crypto/rand"
	"fmt"
	"net/mail"
	"regexp"
	"strings"
	"time"

	"chatmaild/applets/chat"
)

const (
	// MaxFile is the size of the largest file that is sent back, in bytes, and
	// MaxMail that of the largest mail that is read: it holds such a file twice
	// encoded in base64.
	MaxFile = 2 << 20
	MaxMail = 4 << 20

	maxGroup   = 50             // members of a group that the bot speaks in
	maxAge     = 24 * time.Hour // of a message that is still answered
	maxPending = 64             // texts whose file is still to come
)

// Contact is one who has written to the bot.
type Contact struct {
	Cert *chat.Cert
	Addr string // from which he wrote last; nobody else's, as DKIM or the login proved it
}

// Contacts keeps them.
type Contacts interface {
	Get(fingerprint string) *Contact // nil if he has not written
	Put(*Contact) error
}

// Limiter says whether there may be one more answer to an address.
type Limiter interface{ Allow(addr string) bool }

// Options are what a Bot is made of. All are required.
type Options struct {
	Identity *Identity
	Domain   string // what stands behind the "@"
	Contacts Contacts
	Answers  Limiter
}

// Bot answers messages. Handle is for one goroutine.
type Bot struct {
	Options
	self    *chat.Self
	inviter *chat.Inviter
	mark    string // with which the IDs of its messages begin
	called  *regexp.Regexp
	pending []pendingText
}

// pendingText is what came ahead of a file: clients send large files apart.
type pendingText struct {
	id   string // of the message with the file
	text string
}

// New returns a bot.
func New(o Options) *Bot {
	self := o.Identity.Self(o.Domain)
	return &Bot{
		Options: o, self: self, inviter: o.Identity.inviter(o.Domain),
		called: regexp.MustCompile(called),
		mark:   "echo." + strings.ToLower(self.Key.Cert().Fingerprint()[:12]) + ".",
	}
}

// Outcome says what became of a message.
type Outcome string

// The outcomes.
const (
	Answered   Outcome = "answered"
	Joined     Outcome = "securejoin" // a step of SecureJoin
	Probed     Outcome = "probe"
	Ignored    Outcome = "ignored" // of a program, or nothing to answer
	TooFast    Outcome = "too_fast"
	Unreadable Outcome = "unreadable" // not for the bot, damaged, or not signed
	Failed     Outcome = "failed"     // a fault of ours
)

// Outcomes lists them all.
func Outcomes() []Outcome {
	return []Outcome{Answered, Joined, Probed, Ignored, TooFast, Unreadable, Failed}
}

// Result is what to do about a message.
type Result struct {
	Outcome Outcome
	From    string        // the address that it came from
	Send    []chat.Sealed // in this order
	Probe   string        // the ID of the bot's own message that came back
	Err     error         // why it was unreadable, or failed
}

// Handle says what to do about a message that was received then, and is read now.
func (b *Bot) Handle(raw []byte, received, now time.Time) Result {
	m, err := b.self.Open(raw, b.inviter.Secrets(), b.cert)
	if err != nil {
		return Result{Outcome: Unreadable, Err: err}
	}
	r := b.handle(m, received, now)
	r.From = m.From.Address
	return r
}

// cert returns the key of a contact, or nil.
func (b *Bot) cert(fingerprint string) *chat.Cert {
	if c := b.Contacts.Get(fingerprint); c != nil {
		return c.Cert
	}
	return nil
}

func (b *Bot) handle(m *chat.Message, received, now time.Time) Result {
	switch {
	case m.Encrypted && m.Signed && m.Sender.Fingerprint() == b.self.Key.Cert().Fingerprint():
		return Result{Outcome: Probed, Probe: m.ID}
	case now.Sub(received) > maxAge:
		return Result{Outcome: Ignored}
	case m.Step() != "" || m.Header.Get("Secure-Join-Invitenumber") != "":
		return b.join(m, now)
	case !m.Encrypted || m.Secret != "" || !m.Signed:
		return Result{Outcome: Unreadable}
	case m.Automatic() || control(m):
		return Result{Outcome: Ignored}
	}
	return b.talk(m, now)
}

// join answers a step of SecureJoin, and greets who has taken the last.
func (b *Bot) join(m *chat.Message, now time.Time) Result {
	if !b.Answers.Allow(m.From.Address) {
		return Result{Outcome: TooFast}
	}
	answer, joined, err := b.inviter.Answer(m, now)
	if err != nil {
		return Result{Outcome: Failed, Err: err}
	}
	if answer == nil {
		return Result{Outcome: Ignored}
	}
	r := Result{Outcome: Joined, Send: []chat.Sealed{*answer}}
	if joined && !m.Automatic() {
		hello, err := b.seal(b.destination(m, now), b.greeting())
		if err != nil {
			return Result{Outcome: Failed, Err: err}
		}
		r.Send = append(r.Send, *hello)
	}
	return r
}

// talk answers what a person wrote. One who is new takes an answer of his allowance, even
// if there is nothing to say to him: he is kept.
func (b *Bot) talk(m *chat.Message, now time.Time) Result {
	if m.GroupID() != "" && len(m.To) > maxGroup {
		return Result{Outcome: Ignored}
	}
	reply := b.reply(m, now)
	known := b.Contacts.Get(m.Sender.Fingerprint())
	if reply == nil && known != nil && known.Addr == m.From.Address {
		return Result{Outcome: Ignored}
	}
	if !b.Answers.Allow(m.From.Address) {
		return Result{Outcome: TooFast}
	}
	if err := b.Contacts.Put(&Contact{m.Sender, m.From.Address}); err != nil {
		return Result{Outcome: Failed, Err: err}
	}
	if reply == nil {
		return Result{Outcome: Ignored}
	}
	sealed, err := b.seal(b.destination(m, now), reply)
	if err != nil {
		return Result{Outcome: Failed, Err: err}
	}
	return Result{Outcome: Answered, Send: []chat.Sealed{*sealed}}
}

// destination is where an answer goes: to one person, or to a group.
type destination struct {
	now     time.Time
	to      *chat.Message // that is answered
	group   bool
	members []member
}

type member struct {
	addr        mail.Address
	fingerprint string
	contact     *Contact // nil if he has not written: then he gets nothing
}

// destination returns where the answer to a message goes: to its author, and to those
// that it went to who have written, too. What others say of a person, his key and his
// addresses, is not looked at: it could be anybody's.
func (b *Bot) destination(m *chat.Message, now time.Time) *destination {
	d := &destination{now: now, to: m, group: m.GroupID() != ""}
	d.members = append(d.members, member{m.From, m.Sender.Fingerprint(), &Contact{m.Sender, m.From.Address}})
	if !d.group {
		return d
	}
	prints := fingerprints(m)
	for i, addr := range m.To {
		if strings.EqualFold(addr.Address, b.self.Addr) || i >= len(prints) || !chat.ValidAddress(addr.Address) {
			continue
		}
		d.members = append(d.members, member{addr, prints[i], b.Contacts.Get(prints[i])})
	}
	return d
}

// fingerprints are those of whom a group's message went to, in the order of To.
func fingerprints(m *chat.Message) []string {
	return strings.Fields(strings.ToUpper(m.Header.Get("Chat-Group-Member-Fpr")))
}

// seal writes an answer to its destination. What belongs to the chat is as in the
// message that is answered: an answer without it would change the chat.
func (b *Bot) seal(d *destination, m *chat.Message) (*chat.Sealed, error) {
	m.Date, m.ID = d.now, b.mark+rand.Text()+"@localhost"
	m.SetAutomatic()
	for _, name := range []string{"Ephemeral-Timer", "Chat-Group-Id", "Chat-Group-Name", "Chat-Group-Name-Timestamp"} {
		if value := d.to.Header.Get(name); value != "" {
			m.Header.Set(name, value)
		}
	}
	m.Subject = "Message from " + Name
	var certs []*chat.Cert
	var envelope, prints []string
	for _, member := range d.members {
		m.To = append(m.To, member.addr)
		prints = append(prints, member.fingerprint)
		if member.contact != nil {
			certs = append(certs, member.contact.Cert)
			envelope = append(envelope, member.contact.Addr)
		}
	}
	if d.group {
		m.Subject = d.to.Header.Get("Chat-Group-Name")
		m.Header.Set("Chat-Group-Member-Fpr", strings.Join(prints, " "))
	}
	raw, err := b.self.Encrypt(m, certs)
	if err != nil {
		return nil, fmt.Errorf("answering: %w", err)
	}
	return &chat.Sealed{To: envelope, Raw: raw}, nil
}

// Probe returns a message to the bot itself, and its ID, by which Handle's result
// says that it came back. It may be called beside Handle.
func (b *Bot) Probe(now time.Time) (*chat.Sealed, string, error) {
	m := &chat.Message{ID: b.mark + rand.Text() + "@localhost", Date: now, Subject: "Probe", Text: "probe"}
	m.SetAutomatic()
	raw, err := b.self.Encrypt(m, []*chat.Cert{b.self.Key.Cert()})
	if err != nil {
		return nil, "", err
	}
	return &chat.Sealed{To: []string{b.self.Addr}, Raw: raw}, m.ID, nil
}
