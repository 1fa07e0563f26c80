package pgp

// bad is the value of octets outside the base64 alphabet. It has bits that no
// sextet has, so values can be or-ed together and looked at once.
const bad = 0x80

// alphabet maps an octet to the six bits that it stands for (RFC 4648, section
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

// inAlphabet says whether s is of the base64 alphabet alone, without padding.
func inAlphabet(s []byte) bool {
	var or byte
	for len(s) >= 8 {
		or |= alphabet[s[0]] | alphabet[s[1]] | alphabet[s[2]] | alphabet[s[3]] |
			alphabet[s[4]] | alphabet[s[5]] | alphabet[s[6]] | alphabet[s[7]]
		s = s[8:]
	}
	for _, c := range s {
		or |= alphabet[c]
	}
	return or < bad
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
// bits that no octet takes must be zero (section 3.5).
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

// flush hands on the first n octets of a group of 24 bits.
func (a *Armor) flush(group uint32, n int) error {
	a.quantum, a.sextets = 0, 0
	for shift := 16; n > 0; n-- {
		if err := a.packets.octet(byte(group >> shift)); err != nil {
			return err
		}
		shift -= 8
	}
	return nil
}
