package pgp

import "encoding/binary"

// bad is the value of bytes outside the base64 alphabet.
const bad = 0xff

// alphabet maps a byte to the six bits that it stands for (RFC 4648, section
// 4), or to bad. It never changes.
var alphabet = func() (t [256]byte) {
	for i := range t {
		t[i] = bad
	}
	for i := range 26 {
		t['A'+i], t['a'+i] = byte(i), byte(26+i)
	}
	for i := range 10 {
		t['0'+i] = byte(52 + i)
	}
	t['+'], t['/'] = 62, 63
	return t
}()

// Words of eight equal bytes, for looking at eight bytes at a time.
const (
	ones = 0x0101010101010101
	high = 0x80 * ones
)

// inAlphabet says whether s is of the base64 alphabet alone, without padding.
// Nearly all bytes of a large message go through it and through nothing else.
func inAlphabet(s []byte) bool {
	wrong := uint64(0)
	for len(s) >= 32 {
		wrong |= outside(binary.LittleEndian.Uint64(s)) | outside(binary.LittleEndian.Uint64(s[8:])) |
			outside(binary.LittleEndian.Uint64(s[16:])) | outside(binary.LittleEndian.Uint64(s[24:32]))
		s = s[32:]
	}
	for len(s) >= 8 {
		wrong |= outside(binary.LittleEndian.Uint64(s))
		s = s[8:]
	}
	if wrong&high != 0 {
		return false
	}
	for _, c := range s {
		if alphabet[c] == bad {
			return false
		}
	}
	return true
}

// outside returns a word in which the high bit is set for some byte exactly if
// one of x is not in the alphabet; the other bits mean nothing. No sum of two
// bytes below 128 carries into the next byte: x plus 128-n has the high bit
// where x is at least n. So two sums differ in the high bit within a range, and
// as no byte is in two of the ranges, their exclusive or says all. Bytes of 128
// and more spoil their neighbours, but set a bit by themselves.
func outside(x uint64) uint64 {
	folded := x | 0x20*ones
	letter := (folded + (0x80-'a')*ones) ^ (folded + (0x7f-'z')*ones)
	slashToNine := (x + (0x80-'/')*ones) ^ (x + (0x7f-'9')*ones)
	notPlus := (x ^ '+'*ones) + 0x7f*ones
	return letter ^ slashToNine ^ notPlus | x
}

// Lines takes as many lines of block, which end with CRLF, as can be taken
// without a closer look: those inside the encrypted data that are as long as
// the line before. It returns how many bytes that is; the caller has to find
// and take the next line itself.
func (a *Armor) Lines(block []byte) (n int) {
	if a.state != inData || a.sextets != 0 || a.finished || a.width == 0 || a.width%4 != 0 {
		return 0
	}
	size, decoded := a.width+len("\r\n"), uint32(a.width/4*3)
	// The last byte of the part stays: what follows it must be decoded.
	room := max(a.packets.skippable(), 1) - 1
	for n+size <= len(block) && room >= decoded {
		line := block[n : n+size]
		if line[a.width] != '\r' || line[a.width+1] != '\n' || !inAlphabet(line[:a.width]) {
			break
		}
		n += size
		room -= decoded
		a.packets.left -= decoded
	}
	return n
}

// base64 takes a line of data, which ends with the padding if the data do.
// Groups of four may span lines.
func (a *Armor) base64(line []byte) error {
	data := len(line)
	for data > 0 && line[data-1] == '=' {
		data--
	}
	for i := 0; i < data; {
		if a.sextets == 0 {
			// Whole groups inside a packet's body need not be decoded.
			n := min((data-i)/4, int(a.packets.skippable()/3))
			if n > 0 {
				if !inAlphabet(line[i : i+4*n]) {
					return errBase64
				}
				if err := a.packets.skip(uint32(3 * n)); err != nil {
					return err
				}
				i += 4 * n
				continue
			}
		}
		if err := a.sextet(line[i]); err != nil {
			return err
		}
		i++
	}
	if data < len(line) {
		return a.padding(line[data:])
	}
	return nil
}

// sextet takes one character.
func (a *Armor) sextet(c byte) error {
	v := alphabet[c]
	if v == bad {
		return errBase64
	}
	a.quantum = a.quantum<<6 | uint32(v)
	a.sextets++
	if a.sextets < 4 {
		return nil
	}
	return a.flush(a.quantum, 3)
}

// padding ends the data in the middle of a group (RFC 4648, section 4). The
// bits that no byte takes must be zero (section 3.5).
func (a *Armor) padding(p []byte) error {
	switch {
	case a.sextets == 2 && string(p) == "==" && a.quantum&0xf == 0:
		a.finished = true
		return a.flush(a.quantum<<12, 1)
	case a.sextets == 3 && string(p) == "=" && a.quantum&0x3 == 0:
		a.finished = true
		return a.flush(a.quantum<<6, 2)
	}
	return errPadding
}

// flush hands on the first n bytes of a group of 24 bits.
func (a *Armor) flush(group uint32, n int) error {
	a.quantum, a.sextets = 0, 0
	for shift := 16; n > 0; n-- {
		if err := a.packets.take(byte(group >> shift)); err != nil {
			return err
		}
		shift -= 8
	}
	return nil
}
