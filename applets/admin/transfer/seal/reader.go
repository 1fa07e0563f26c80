package seal

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	openpgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

func reader(text []byte) io.Reader { return bytes.NewReader(text) }

// A Reader decrypts what a Writer wrote.
type Reader struct {
	r       *bufio.Reader
	keys    Keys
	message *message
	body    io.Reader
}

// NewReader decrypts r.
func NewReader(r io.Reader, keys Keys) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 64<<10), keys: keys}
}

// Read goes from one message to the next by itself, and returns io.EOF only between two.
func (r *Reader) Read(p []byte) (int, error) {
	for {
		if r.body == nil {
			if err := r.begin(); err != nil {
				return 0, err
			}
		}
		n, err := r.body.Read(p)
		if errors.Is(err, io.EOF) {
			if err = r.end(); err == nil && n == 0 {
				continue
			}
		} else if err != nil {
			err = r.fault(err)
		}
		return n, err
	}
}

func (r *Reader) begin() error {
	if _, err := r.r.Peek(1); err != nil {
		return err // io.EOF between two messages
	}
	r.message = &message{r: r.r}
	asked := false
	// The library asks again after a wrong passphrase, for ever: once is enough for a program.
	prompt := func(keys []openpgp.Key, symmetric bool) ([]byte, error) {
		if asked || !symmetric || len(r.keys.Passphrase) == 0 {
			return nil, ErrKey
		}
		asked = true
		return r.keys.Passphrase, nil
	}
	details, err := openpgp.ReadMessage(r.message, r.keys.Secret, prompt, config())
	if errors.Is(err, openpgperrors.ErrKeyIncorrect) {
		return ErrKey
	}
	if err != nil {
		return r.fault(err)
	}
	if !details.IsEncrypted {
		return fmt.Errorf("%w: it is not an encrypted message", ErrDamaged)
	}
	// Unverified as to signatures, of which there are none; that nothing was changed the
	// encryption itself shows.
	r.body = details.UnverifiedBody
	return nil
}

// end makes sure that the message was read to its end.
func (r *Reader) end() error {
	r.body = nil
	// What the library has not read: nothing, unless the stream was put together by others.
	if n, err := io.Copy(io.Discard, r.message); err != nil {
		return r.fault(err)
	} else if n > 0 {
		return fmt.Errorf("%w: there is more than one object in a message", ErrDamaged)
	}
	return nil
}

// fault tells a stream that ends too early from one that was changed.
func (r *Reader) fault(err error) error {
	switch {
	case errors.Is(err, ErrKey):
		return ErrKey
	case r.message.cut:
		return io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %v", ErrDamaged, err)
}

// Packet types of RFC 9580 §5 that make an encrypted message.
const (
	publicKeySession = 1
	symmetricSession = 3
	encryptedData    = 18
)

// maxSessions bounds the packets in front of the data.
const maxSessions = 64

// A message is the bytes of one encrypted OpenPGP message and no more. What reads
// messages looks for more packets behind one, and there the next begins.
type message struct {
	r       *bufio.Reader
	head    []byte // of a packet, or of a part of one, to be handed out
	left    int64  // bytes of the body, or of a part of it
	more    bool   // another part follows
	data    bool   // the packet is the last one
	packets int
	ended   bool
	cut     bool // the stream ended before the message did
}

func (m *message) Read(p []byte) (int, error) {
	for {
		switch {
		case len(m.head) > 0:
			n := copy(p, m.head)
			m.head = m.head[n:]
			return n, nil
		case m.left > 0:
			n, err := m.r.Read(p[:min(int64(len(p)), m.left)])
			m.left -= int64(n)
			return n, m.early(err)
		case m.ended:
			return 0, io.EOF
		}
		if err := m.header(); err != nil {
			return 0, err
		}
	}
}

// header reads the header of what comes next (RFC 9580 §4.2.1), if anything does.
func (m *message) header() error {
	switch {
	case m.more:
	case m.data:
		m.ended = true
		return nil
	default:
		tag, err := m.r.ReadByte()
		if err != nil {
			return m.early(err)
		}
		m.packets++
		kind := tag &^ 0xc0
		m.data = kind == encryptedData
		if tag < 0xc0 || m.packets > maxSessions || !m.data && kind != publicKeySession && kind != symmetricSession {
			return fmt.Errorf("%w: it is not an encrypted message", ErrDamaged)
		}
		m.head = append(m.head[:0], tag)
	}
	return m.length()
}

// length reads the length of a packet or of a part of one (RFC 9580 §4.2.1), and keeps its
// bytes to be handed out.
func (m *message) length() error {
	first, err := m.r.ReadByte()
	if err != nil {
		return m.early(err)
	}
	width, more := 0, false
	switch {
	case first < 192:
		m.left = int64(first)
	case first < 224:
		width = 1
	case first < 255:
		m.left, more = 1<<(first&0x1f), true
	default:
		width = 4
	}
	length := []byte{first}
	for range width {
		b, err := m.r.ReadByte()
		if err != nil {
			return m.early(err)
		}
		length = append(length, b)
	}
	switch width {
	case 1:
		m.left = int64(first-192)<<8 + int64(length[1]) + 192
	case 4:
		m.left = int64(length[1])<<24 | int64(length[2])<<16 | int64(length[3])<<8 | int64(length[4])
	}
	if more && !m.data {
		return fmt.Errorf("%w: a key is split into parts", ErrDamaged)
	}
	m.more = more
	m.head = append(m.head, length...)
	return nil
}

func (m *message) early(err error) error {
	if errors.Is(err, io.EOF) {
		m.cut = true
		return io.ErrUnexpectedEOF
	}
	return err
}
