package chat

import (
	"net/mail"
	"net/textproto"
	"strings"
	"time"

	"chatmaild/auth/mailaddr"
)

// A Message is what one writes to others, or got from them: the decrypted text
// and its protected header.
type Message struct {
	ID        string // the Message-ID, without angle brackets; made when empty
	From      mail.Address
	To        []mail.Address // all members of a group but the author; see ValidAddress
	Date      time.Time      // from the sealed part
	Subject   string
	InReplyTo string // a Message-ID, without angle brackets

	// Header holds all other fields, decoded: Chat-*, Secure-Join*,
	// Auto-Submitted. Of a message that was not encrypted, it holds what anyone
	// could have written.
	Header textproto.MIMEHeader

	Quote string // the text that is answered
	Text  string // without quote and signature
	Files []File

	// ReceiptFor is the ID of the message that was read, if this is a read
	// receipt (RFC 8098).
	ReceiptFor string

	// Gossip holds the keys of the other members of a group, by address.
	Gossip map[string]*Cert

	// Sender is the author's key, as the message brings it (Autocrypt). Set by
	// Open.
	Sender *Cert
	// Encrypted and Signed tell whether the message was encrypted to us, and
	// whether Sender has signed it for us. Set by Open.
	Encrypted, Signed bool
	// Secret is the secret that opened the message, if our key did not.
	Secret string
}

// A File is an attachment.
type File struct {
	Name string // without a path
	Type string // as in Content-Type
	Data []byte
}

// Field names of the client. Only those that our programs use are here.
const (
	fieldVersion    = "Chat-Version"
	fieldGroupID    = "Chat-Group-Id"
	fieldAuto       = "Auto-Submitted"
	fieldSecureJoin = "Secure-Join"
	fieldInvite     = "Secure-Join-Invitenumber"
	fieldAuth       = "Secure-Join-Auth"
	fieldJoinKey    = "Secure-Join-Fingerprint"
	fieldJoinGroup  = "Secure-Join-Group"
)

// Automatic tells whether a program wrote the message: bots must not answer
// such (RFC 3834, section 2).
func (m *Message) Automatic() bool {
	auto := m.Header.Get(fieldAuto)
	return auto != "" && !strings.EqualFold(auto, "no") || m.Header.Get("Chat-Bot") != "" || m.ReceiptFor != ""
}

// SetAutomatic marks the message as written by a program.
func (m *Message) SetAutomatic() { m.Set(fieldAuto, "auto-generated") }

// GroupID returns the group that the message was written in, "" if it was
// written to us alone.
func (m *Message) GroupID() string { return m.Header.Get(fieldGroupID) }

// Step returns the SecureJoin step that the message is, "" for none.
func (m *Message) Step() string { return m.Header.Get(fieldSecureJoin) }

// Set sets a field of the header.
func (m *Message) Set(name, value string) {
	if m.Header == nil {
		m.Header = make(textproto.MIMEHeader)
	}
	m.Header.Set(name, value)
}

// ValidAddress tells whether the text can be an address: one @, something on
// both sides, nothing that would end an SMTP command or a header field. A colon is for
// the literal of an IPv6 address.
func ValidAddress(addr string) bool {
	local, domain, ok := strings.Cut(addr, "@")
	if ip, literal := mailaddr.ParseLiteral(domain); literal && ip.Is6() {
		addr, domain = local+"@literal", "literal"
	}
	return ok && local != "" && domain != "" && len(addr) <= 254 && !strings.ContainsFunc(addr, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`<>(),;:\"`, r)
	}) && !strings.Contains(domain, "@")
}
