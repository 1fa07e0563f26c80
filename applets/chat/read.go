package chat

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/mail"
	"net/textproto"
	"path"
	"strings"
	"time"

	"github.com/emersion/go-message"

	"chatmaild/auth/mailaddr"
)

const (
	maxParts  = 32 // entities in a message
	maxDepth  = 4  // multiparts in multiparts
	maxGossip = 256
)

// Open reads a message that came in. What is encrypted is decrypted with our
// key or one of the secrets. A message that is not encrypted is read, too, and
// says so; nothing in it is to be trusted.
//
// A message is signed if the key that it brings, or one of known, signed it;
// known may be nil.
func (s *Self) Open(raw []byte, secrets []string, known func(fingerprint string) *Cert) (*Message, error) {
	outer, err := entity(raw)
	if err != nil {
		return nil, err
	}
	armored, err := payload(outer)
	if err != nil {
		return nil, err
	}
	if armored == nil {
		return readMessage(outer)
	}
	u, err := s.unseal(armored, int64(len(raw)), secrets)
	if err != nil {
		return nil, err
	}
	inner, err := entity(u.plain)
	if err != nil {
		return nil, err
	}
	m, err := readMessage(inner)
	if err != nil {
		return nil, err
	}
	m.Encrypted, m.Secret = true, u.secret
	if m.From.Address == "" {
		return nil, errors.New("no sender in the encrypted part")
	}
	// The relays have proven who wrote the field outside, not the one inside.
	from, err := addresses(&outer.Header, "From")
	if err != nil || len(from) != 1 || !strings.EqualFold(from[0].Address, m.From.Address) {
		return nil, errors.New("the outer sender is not the inner one")
	}
	if m.Sender == nil && known != nil {
		for _, sig := range u.signatures {
			if c := known(fmt.Sprintf("%X", sig.IssuerFingerprint)); m.Sender == nil && c != nil {
				m.Sender = c
			}
		}
	}
	m.Signed = m.Sender != nil && u.signedBy(m.Sender, s.Key.Cert())
	return m, nil
}

func entity(raw []byte) (*message.Entity, error) {
	e, err := message.ReadWithOptions(bytes.NewReader(raw), &message.ReadOptions{MaxHeaderBytes: maxFields})
	if err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err) {
		return nil, fmt.Errorf("reading a message: %w", err)
	}
	return e, nil
}

// payload returns the armored text of an encrypted message (RFC 3156, section
// 4), nil if the message is not encrypted.
func payload(e *message.Entity) (io.Reader, error) {
	kind, _, err := e.Header.ContentType()
	if err != nil || kind != "multipart/encrypted" {
		return nil, nil
	}
	parts := e.MultipartReader()
	for _, want := range []string{"application/pgp-encrypted", "application/octet-stream"} {
		p, err := parts.NextPart()
		if err != nil {
			return nil, fmt.Errorf("reading an encrypted message: %w", err)
		}
		if kind, _, _ := p.Header.ContentType(); kind != want {
			return nil, fmt.Errorf("a part of type %q in an encrypted message, not %s", kind, want)
		}
		if want == "application/octet-stream" {
			return p.Body, nil
		}
	}
	return nil, nil
}

func readMessage(e *message.Entity) (*Message, error) {
	m := &Message{Header: make(textproto.MIMEHeader), Gossip: make(map[string]*Cert)}
	if err := m.readHeader(&e.Header); err != nil {
		return nil, err
	}
	r := partReader{message: m, left: maxParts}
	if err := r.read(e, 0); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Message) readHeader(h *message.Header) error {
	from, err := addresses(h, "From")
	if err != nil {
		return err
	}
	if len(from) != 1 || !ValidAddress(from[0].Address) {
		return fmt.Errorf("%d authors, or one with no address", len(from))
	}
	m.From = from[0]
	if m.To, err = addresses(h, "To"); err != nil {
		return err
	}
	if m.Date, err = mail.ParseDate(h.Get("Date")); err != nil {
		m.Date = time.Time{}
	}
	for fields := h.Fields(); fields.Next(); {
		value, err := fields.Text()
		if err != nil {
			value = fields.Value()
		}
		switch name := textproto.CanonicalMIMEHeaderKey(fields.Key()); name {
		case "From", "To", "Date", "Content-Type", "Content-Transfer-Encoding", "Hp-Outer":
		case "Message-Id":
			m.ID = messageID(value)
		case "In-Reply-To":
			m.InReplyTo = messageID(value)
		case "Subject":
			m.Subject = value
		case "Autocrypt":
			// Another's key is not an error: mailing programs leave old fields.
			if addr, c, err := parseAutocrypt(value); err == nil && strings.EqualFold(addr, m.From.Address) {
				m.Sender = c
			}
		case "Autocrypt-Gossip":
			if addr, c, err := parseAutocrypt(value); err == nil && len(m.Gossip) < maxGossip {
				m.Gossip[strings.ToLower(addr)] = c
			}
		default:
			m.Header.Add(name, value)
		}
	}
	return nil
}

// addresses reads a field with a list of addresses. All are kept, because other
// fields speak of them by number; not to all a message can be sent.
func addresses(h *message.Header, name string) ([]mail.Address, error) {
	value := h.Get(name)
	if value == "" {
		return nil, nil
	}
	// Package mail takes the literal of an IPv6 address without its tag alone.
	list, err := mail.ParseAddressList(untagged.Replace(value))
	if err != nil {
		return nil, fmt.Errorf("the field %s: %w", name, err)
	}
	all := make([]mail.Address, len(list))
	for i, a := range list {
		all[i] = mail.Address{Name: a.Name, Address: tagged(a.Address)}
	}
	return all, nil
}

// untagged removes the tag of literals, in the spellings that programs write.
var untagged = strings.NewReplacer("@[IPv6:", "@[", "@[ipv6:", "@[", "@[IPV6:", "@[")

// tagged returns an address with the tag that the literal of an IPv6 address has.
func tagged(addr string) string {
	at := strings.LastIndexByte(addr, '@')
	inner, opened := strings.CutPrefix(addr[at+1:], "[")
	inner, closed := strings.CutSuffix(inner, "]")
	if !opened || !closed {
		return addr
	}
	return addr[:at+1] + mailaddr.Domain(inner)
}

func messageID(value string) string {
	id, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(value), "<"), ">")
	return id
}

// partReader gathers text and files from the parts of a message.
type partReader struct {
	message *Message
	left    int
	text    bool // was found
}

func (r *partReader) read(e *message.Entity, depth int) error {
	if r.left--; r.left < 0 {
		return errors.New("too many parts")
	}
	if parts := e.MultipartReader(); parts != nil {
		if depth == maxDepth {
			return errors.New("parts nested too deeply")
		}
		for {
			p, err := parts.NextPart()
			if err == io.EOF {
				return nil
			}
			if err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err) {
				return fmt.Errorf("reading a part: %w", err)
			}
			if err := r.read(p, depth+1); err != nil {
				return err
			}
		}
	}
	// The source is in memory already, and no encoding makes more of it.
	data, err := io.ReadAll(e.Body)
	if err != nil {
		return fmt.Errorf("reading a part: %w", err)
	}
	kind, params, err := e.Header.ContentType()
	if err != nil {
		kind = "application/octet-stream"
	}
	disposition, named, _ := e.Header.ContentDisposition()
	m := r.message
	switch {
	case kind == "message/disposition-notification":
		m.ReceiptFor = receipt(data)
	case kind == "text/plain" && disposition != "attachment" && !r.text:
		r.text = true
		if disposition == "reaction" {
			m.Header.Set("Content-Disposition", disposition)
		}
		m.Quote, m.Text = readText(string(data))
	case disposition == "attachment":
		name := named["filename"]
		if name == "" {
			name = params["name"]
		}
		m.Files = append(m.Files, File{Name: fileName(name), Type: kind, Data: data})
	}
	return nil
}

func receipt(report []byte) string {
	e, err := entity(append(bytes.TrimLeft(report, "\r\n"), "\r\n\r\n"...))
	if err != nil {
		return ""
	}
	return messageID(e.Header.Get("Original-Message-Id"))
}

// fileName returns a name that is not a path.
func fileName(name string) string {
	if decoded, err := new(mime.WordDecoder).DecodeHeader(name); err == nil {
		name = decoded
	}
	name = path.Base(strings.ReplaceAll(oneLine(strings.ToValidUTF8(name, "")), `\`, "/"))
	if name == "." || name == ".." || name == "/" {
		return "file"
	}
	return name
}
