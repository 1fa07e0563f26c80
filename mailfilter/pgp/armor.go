package pgp

import "errors"

// The lines around an armored message (RFC 9580, section 6.2), compared byte
// by byte.
const (
	Head = "-----BEGIN PGP MESSAGE-----"
	tail = "-----END PGP MESSAGE-----"
)

// maxLine is the greatest size of a line of base64. RFC 9580, section 6, wants
// at most 76; the least tolerant reader known, go-crypto, reads up to 96.
const maxLine = 96

var (
	errNoHead     = errors.New("no armor head")
	errBase64     = errors.New("bad base64 in armor")
	errPadding    = errors.New("bad end of base64 in armor")
	errChecksum   = errors.New("malformed armor checksum")
	errTail       = errors.New("bad armor tail")
	errAfterTail  = errors.New("text after the armor tail")
	errUnfinished = errors.New("armor without tail")
)

// Armor checks one armored message, line by line. It keeps nothing of the
// lines and takes the same memory for every message.
//
// The checksum line is optional, and must be well formed if it is there. Its
// value is not compared: RFC 9580, section 6.1, wants a wrong one to be
// ignored, so it would tell nothing about what readers make of the message.
type Armor struct {
	state    armorState
	headers  headerKind // those that came
	packets  packets
	quantum  uint32 // sextets of the unfinished group of four
	sextets  int    // how many
	finished bool   // base64 ended with padding
	width    int    // bytes of the last line of base64
}

type armorState uint8

const (
	beforeHead armorState = iota
	inHeaders
	inData
	afterChecksum
	afterTail
)

// Reset prepares a for a new message.
func (a *Armor) Reset() { *a = Armor{} }

// Line takes the next line, without its line end. The error says why this is
// not an encrypted message, and is final.
func (a *Armor) Line(line []byte) error {
	switch a.state {
	case inData:
		return a.data(line)
	case beforeHead:
		if string(line) != Head {
			return errNoHead
		}
		a.state = inHeaders
		return nil
	case inHeaders:
		return a.header(line)
	case afterChecksum:
		return a.end(line)
	}
	return errAfterTail
}

// Done says whether the tail was seen, and with it a whole encrypted message.
func (a *Armor) Done() bool { return a.state == afterTail }

// Close returns an error unless a is done.
func (a *Armor) Close() error {
	if !a.Done() {
		return errUnfinished
	}
	return nil
}

// header takes an armor header, or the empty line that has to follow even if
// there are none (RFC 9580, section 6.2.2).
func (a *Armor) header(line []byte) error {
	if len(line) == 0 {
		a.state = inData
		return nil
	}
	kind := knownHeader(line)
	if kind == 0 || a.headers&kind != 0 {
		return errHeader
	}
	a.headers |= kind
	return nil
}

// data takes a line of base64, or what may come after the last one.
func (a *Armor) data(line []byte) error {
	if len(line) == 0 || len(line) > maxLine {
		return errBase64
	}
	switch line[0] {
	case '-':
		return a.end(line)
	case '=':
		// Padding never begins a line: an encoder would have to break
		// inside a group of four, and readers take it for a checksum.
		return a.checksum(line)
	}
	if a.finished {
		return errPadding
	}
	a.width = len(line)
	return a.base64(line)
}

// checksum takes the line with the CRC-24.
func (a *Armor) checksum(line []byte) error {
	if len(line) != len("=AAAA") || !inAlphabet(line[1:]) || a.sextets != 0 {
		return errChecksum
	}
	a.state = afterChecksum
	return nil
}

// end takes the tail.
func (a *Armor) end(line []byte) error {
	if string(line) != tail {
		return errTail
	}
	if a.sextets != 0 {
		return errPadding
	}
	a.state = afterTail
	return a.packets.close()
}
