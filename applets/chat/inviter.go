package chat

import (
	"crypto/subtle"
	"net/mail"
	"strings"
	"time"
)

// A Sealed message is ready to be sent.
type Sealed struct {
	To  []string // the envelope's recipients
	Raw []byte
}

// The steps of SecureJoin (securejoin.delta.chat), which lets two people who
// trust a link, or see a QR code, get each other's keys for sure. Steps to a
// group begin with "vg", others with "vc".
const (
	stepRequest       = "vc-request"           // 2, joiner: give me your key; cleartext
	stepAuthRequired  = "vc-auth-required"     // 2, inviter: here it is; prove that you have the link
	stepRequestKey    = "vc-request-pubkey"    // 3, joiner: give me your key; encrypted to the secret
	stepKey           = "vc-pubkey"            // 3, inviter: here it is; encrypted likewise
	stepWithAuth      = "vc-request-with-auth" // joiner: here is the proof, and my key
	stepWithAuthGroup = "vg-request-with-auth"
	stepConfirm       = "vc-contact-confirm" // inviter: we know each other now
	stepAdded         = "vg-member-added"    // inviter: you are in the group
)

// An Inviter answers those who come with its link. It keeps nothing about them:
// a link stays good for as long as its tokens are the same.
type Inviter struct {
	Self         *Self
	Number, Auth string // see NewToken
	// Automatic marks the answers as a program's.
	Automatic bool
}

// Invite returns what the link says.
func (i *Inviter) Invite() *Invite {
	return &Invite{
		Fingerprint: i.Self.Key.Cert().Fingerprint(), Addrs: []string{i.Self.Addr},
		Name: i.Self.Name, Number: i.Number, Auth: i.Auth, V3: true,
	}
}

// Secrets are those that Open needs for a joiner's first message.
func (i *Inviter) Secrets() []string { return []string{i.Invite().secret()} }

// Answer returns what to answer to a step of the protocol, nil if it is none, or
// none that is answered. With it, joined tells that the author of the message has
// the link and the key that signed it.
func (i *Inviter) Answer(m *Message, now time.Time) (answer *Sealed, joined bool, err error) {
	step := m.Step()
	var raw []byte
	switch {
	case m.Header.Get(fieldInvite) != "" && m.Sender != nil:
		if !equal(m.Header.Get(fieldInvite), i.Number) {
			return nil, false, nil
		}
		next := stepAuthRequired
		if strings.HasPrefix(step, "vg") {
			next = "vg" + strings.TrimPrefix(next, "vc")
		}
		raw, err = i.Self.Encrypt(i.step(m, next, now), []*Cert{m.Sender})
	case step == stepRequestKey:
		secret := i.Invite().secret()
		if m.Secret != secret || !equal(m.Header.Get(fieldAuth), i.Auth) {
			return nil, false, nil
		}
		reply := &Message{Date: now, Subject: "Secure-Join", Text: "Secure-Join"}
		reply.Set(fieldSecureJoin, stepKey)
		reply.Set(fieldAuth, i.Auth)
		i.mark(reply)
		raw, err = i.Self.encryptSecret(reply, secret, true)
	case step == stepWithAuth || step == stepWithAuthGroup:
		if !i.proven(m) {
			return nil, false, nil
		}
		joined = true
		raw, err = i.Self.Encrypt(i.step(m, stepConfirm, now), []*Cert{m.Sender})
	default:
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return &Sealed{To: []string{m.From.Address}, Raw: raw}, joined, nil
}

// proven tells whether the message proves that its author has our link and the
// key that signed it, and meant it for us: our key must be in the gossip.
func (i *Inviter) proven(m *Message) bool {
	if !m.Signed || m.Secret != "" || !equal(m.Header.Get(fieldAuth), i.Auth) ||
		!strings.EqualFold(m.Header.Get(fieldJoinKey), m.Sender.Fingerprint()) {
		return false
	}
	return gossips(m, i.Self.Key.Cert())
}

func (i *Inviter) step(m *Message, step string, now time.Time) *Message {
	reply := handshake(step, now, m.From.Address, m.Sender)
	i.mark(reply)
	return reply
}

func (i *Inviter) mark(m *Message) {
	if i.Automatic {
		m.SetAutomatic()
	}
}

// handshake is a step to someone whose key is known. The key is in it, so that
// the reader sees whom it was meant for.
func handshake(step string, now time.Time, addr string, cert *Cert) *Message {
	m := &Message{
		Date: now, To: []mail.Address{{Address: addr}},
		Subject: "Message", Text: "Secure-Join: " + step,
		Gossip: map[string]*Cert{addr: cert},
	}
	m.Set(fieldSecureJoin, step)
	return m
}

func gossips(m *Message, c *Cert) bool {
	for _, known := range m.Gossip {
		if known.Fingerprint() == c.Fingerprint() {
			return true
		}
	}
	return false
}

// equal compares secrets in constant time.
func equal(a, b string) bool { return b != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
