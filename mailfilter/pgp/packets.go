package pgp

import "errors"

// The packet types that an encrypted message is made of (RFC 9580, section 5).
const (
	tagPKESK = 1
	tagSKESK = 3
	tagSEIPD = 18
)

// minPartial is the least size of the first part of a body of partial lengths
// (RFC 9580, section 4.2.1.4).
const minPartial = 512

// maxSessionKey is the greatest size of a session key packet's body. Those of
// RSA with 16,384 bits and of the largest ML-KEM take half of it.
const maxSessionKey = 4 << 10

// probe is how many bytes of a packet's body are looked at.
const probe = 4

var (
	errNotPacket    = errors.New("no OpenPGP packet header")
	errForeign      = errors.New("packet that is not part of an encrypted message")
	errOldLength    = errors.New("old-format packet of indeterminate length")
	errPartial      = errors.New("partial length where none may be")
	errNoSessionKey = errors.New("encrypted data without an encrypted session key")
	errTrailing     = errors.New("bytes after the encrypted data")
	errTruncated    = errors.New("truncated packet")
	errLong         = errors.New("session key too long to be one")
	errBody         = errors.New("packet of unknown version or malformed")
)

// packets walks a sequence of packets as the bytes pass. Bytes that it does
// not have to see may be skipped by the caller. The zero value is at the start
// of a message.
type packets struct {
	state   packetState
	tag     byte
	esk     bool   // a session key was seen
	partial bool   // another length follows the part being read
	pending int    // bytes of the length still to come
	length  uint32 // the length as far as it was read
	left    uint32 // bytes of the part still to come
	size    uint64 // bytes of the body in all parts so far
	seen    int    // how many bytes of the body are in first
	first   [probe]byte
}

type packetState uint8

const (
	atTag packetState = iota
	atLength
	inTwoByteLength
	inLength
	inBody
	atEnd
)

// skippable returns how many of the next bytes need not be seen.
func (p *packets) skippable() uint32 {
	if p.state != inBody || p.seen < probe {
		return 0
	}
	return p.left
}

// skip passes n bytes, at most skippable, without seeing them.
func (p *packets) skip(n uint32) error {
	p.left -= n
	if p.left == 0 {
		return p.endOfPart()
	}
	return nil
}

// byte takes the next byte.
func (p *packets) take(c byte) error {
	switch p.state {
	case atTag:
		return p.header(c)
	case atLength:
		return p.lengthByte(c)
	case inTwoByteLength:
		return p.part(p.length<<8+uint32(c)+192, false)
	case inLength:
		p.length = p.length<<8 | uint32(c)
		p.pending--
		if p.pending > 0 {
			return nil
		}
		return p.part(p.length, false)
	case inBody:
		if p.seen < probe {
			p.first[p.seen] = c
			p.seen++
		}
		return p.skip(1)
	}
	return errTrailing
}

// header takes the byte that begins a packet (RFC 9580, section 4.2).
func (p *packets) header(c byte) error {
	*p = packets{esk: p.esk}
	switch c >> 6 {
	case 3:
		p.tag, p.state = c&0x3f, atLength
	case 2:
		// GnuPG writes session keys in the old format, with a length of
		// 1, 2 or 4 bytes. The fourth kind of length means "to the end".
		if c&3 == 3 {
			return errOldLength
		}
		p.tag, p.state, p.pending = c>>2&0x0f, inLength, 1<<(c&3)
	default:
		return errNotPacket
	}
	switch p.tag {
	case tagPKESK, tagSKESK:
		return nil
	case tagSEIPD:
		if p.esk {
			return nil
		}
		return errNoSessionKey
	}
	return errForeign
}

// lengthByte takes the first byte of a new-format length (RFC 9580, section
// 4.2.1). A length in more bytes than it needs has only one meaning, and some
// programs write it; so it is accepted.
func (p *packets) lengthByte(c byte) error {
	switch {
	case c < 192:
		return p.part(uint32(c), false)
	case c < 224:
		p.length, p.state = uint32(c)-192, inTwoByteLength
		return nil
	case c == 255:
		p.length, p.pending, p.state = 0, 4, inLength
		return nil
	}
	n := uint32(1) << (c & 0x1f)
	if p.tag != tagSEIPD || p.size == 0 && n < minPartial {
		return errPartial
	}
	return p.part(n, true)
}

// part begins a part of the body: all of it, unless it is partial or follows a
// partial one.
func (p *packets) part(n uint32, partial bool) error {
	p.state, p.left, p.partial = inBody, n, partial
	p.size += uint64(n)
	if p.tag != tagSEIPD && n > maxSessionKey {
		return errLong
	}
	if n == 0 {
		return p.endOfPart()
	}
	return nil
}

// endOfPart is called when a part has passed whole.
func (p *packets) endOfPart() error {
	if p.partial {
		p.state = atLength
		return nil
	}
	p.state, p.esk = atTag, true
	if p.tag == tagSEIPD {
		p.state = atEnd
	}
	return p.check()
}

// close says whether the bytes may end here.
func (p *packets) close() error {
	if p.state != atEnd {
		return errTruncated
	}
	return nil
}
