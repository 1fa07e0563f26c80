package chat

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Self is who writes: an address and its key.
type Self struct {
	Addr string
	Name string // shown to others; may be empty
	Key  *Key

	// MaxText is how many bytes a message that is opened may unpack to; 0 is
	// enough for all that relays let pass.
	MaxText int64
}

// maxBackdate is how far back the date outside may lie. The client draws it at
// random, so that the relay learns nothing from it; more than a week is refused
// by some servers.
const maxBackdate = 6 * 24 * time.Hour

// Encrypt returns the message ready to be sent, encrypted to the keys and to
// one's own, and signed. It sets From, and ID if that is empty. Date is the
// caller's to set. Who gets it is only in the envelope: whatever is in To is
// sealed.
func (s *Self) Encrypt(m *Message, to []*Cert) ([]byte, error) {
	if len(to) == 0 {
		return nil, errors.New("encrypting: no recipients")
	}
	// No compression where its length could betray a secret inside.
	l := &lock{certs: append([]*Cert{s.Key.Cert()}, to...), signer: s.Key, compress: m.Step() == ""}
	return s.encrypt(m, l, true)
}

// encryptSecret is Encrypt for all who know a secret; signed and with our key,
// or neither.
func (s *Self) encryptSecret(m *Message, secret string, signed bool) ([]byte, error) {
	l := &lock{secret: secret}
	if signed {
		l.signer = s.Key
	}
	return s.encrypt(m, l, signed)
}

func (s *Self) encrypt(m *Message, l *lock, withKey bool) ([]byte, error) {
	s.prepare(m)
	if l.secret == "" {
		m.Set(fieldVersion, "1.0")
	}
	// The fields outside, and what the text inside says of them (RFC 9788,
	// section 2.2).
	outer := []field{
		{"From", "<" + s.Addr + ">"},
		{"Date", date(m.Date.Add(-backdate()))},
		{"Message-ID", "<" + m.ID + ">"},
	}
	if version := m.Header.Get(fieldVersion); version != "" {
		outer = append(outer, field{fieldVersion, version})
	}
	outer = append(outer, field{"Subject", "[...]"}, field{"To", `"hidden-recipients": ;`})

	inner := s.protected(m, withKey)
	for _, f := range outer {
		inner = append(inner, field{"HP-Outer", f.name + ": " + f.value})
	}
	plain, err := render(inner, m.body(), map[string]string{"protected-headers": "v1", "hp": "cipher"})
	if err != nil {
		return nil, err
	}
	sealed, err := l.seal(plain, m.Date)
	if err != nil {
		return nil, err
	}
	outer = append(outer, field{"MIME-Version", "1.0"})
	return render(outer, part{
		kind: "multipart/encrypted", params: map[string]string{"protocol": "application/pgp-encrypted"},
		parts: []part{
			{kind: "application/pgp-encrypted", body: []byte("Version: 1\r\n")},
			{kind: "application/octet-stream", body: crlf(sealed)},
		},
	}, nil)
}

// cleartext is for the one message that cannot be encrypted: the first of the
// older SecureJoin. It has no name in it, and the form that relays let pass.
func (s *Self) cleartext(m *Message) ([]byte, error) {
	s.prepare(m)
	m.Set(fieldVersion, "1.0")
	fields := append(s.protected(&Message{
		ID: m.ID, From: m.From, To: m.To, Date: m.Date, Subject: m.Subject, Header: m.Header,
	}, true), field{"MIME-Version", "1.0"})
	fields[0].value = "<" + s.Addr + ">"
	// As it is: relays look at what it says.
	text := part{kind: "text/plain", params: map[string]string{"charset": "utf-8"}, body: []byte(m.Text)}
	return render(fields, part{kind: "multipart/mixed", parts: []part{text}}, nil)
}

func (s *Self) prepare(m *Message) {
	m.From.Name, m.From.Address = s.Name, s.Addr
	if m.ID == "" {
		m.ID = newID()
	}
}

// protected returns the fields that belong inside.
func (s *Self) protected(m *Message, withKey bool) []field {
	to := make([]string, len(m.To))
	for i, a := range m.To {
		to[i] = address(a)
	}
	if len(to) == 0 {
		to = []string{`"hidden-recipients": ;`}
	}
	fields := []field{
		{"From", address(m.From)},
		{"To", strings.Join(to, ", ")},
		{"Date", date(m.Date)},
		{"Message-ID", "<" + m.ID + ">"},
		{"Subject", encoded(m.Subject)},
	}
	if m.InReplyTo != "" {
		fields = append(fields, field{"In-Reply-To", "<" + m.InReplyTo + ">"}, field{"References", "<" + m.InReplyTo + ">"})
	}
	var names []string
	for name := range m.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range m.Header[name] {
			fields = append(fields, field{name, encoded(value)})
		}
	}
	if withKey {
		fields = append(fields, field{"Autocrypt", autocrypt(s.Addr, s.Key.Cert(), false)})
	}
	var gossip []string
	for addr := range m.Gossip {
		gossip = append(gossip, addr)
	}
	slices.Sort(gossip)
	for _, addr := range gossip {
		fields = append(fields, field{"Autocrypt-Gossip", autocrypt(addr, m.Gossip[addr], true)})
	}
	return fields
}

// body returns the part that holds text and files, or a read receipt.
func (m *Message) body() part {
	if m.ReceiptFor != "" {
		return part{
			kind: "multipart/report", params: map[string]string{"report-type": "disposition-notification"},
			parts: []part{
				textPart("This is a receipt notification."),
				{kind: "message/disposition-notification", body: []byte(
					"Original-Message-ID: <" + m.ReceiptFor + ">\r\n" +
						"Disposition: manual-action/MDN-sent-automatically; displayed\r\n")},
			},
		}
	}
	text := textPart(wireText(m.Quote, m.Text))
	if len(m.Files) == 0 {
		return text
	}
	parts := []part{text}
	for _, f := range m.Files {
		parts = append(parts, filePart(f))
	}
	return part{kind: "multipart/mixed", parts: parts}
}

// newID returns a fresh Message-ID like the client's, which does not tell the
// sender's domain.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x@localhost", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func backdate() time.Duration {
	var b [8]byte
	rand.Read(b[:])
	return time.Duration(binary.NativeEndian.Uint64(b[:])>>1) % maxBackdate
}

func date(t time.Time) string { return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700") }
