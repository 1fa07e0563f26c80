package mailfilter

import "bytes"

// fieldSize returns the bytes of the first field of block with all its folded
// lines and the last line end. block holds whole lines.
func fieldSize(block []byte) (int, error) {
	size := 0
	for {
		end := bytes.IndexByte(block[size:], '\n')
		if end < 0 {
			return 0, errHeaderEnd
		}
		line := block[size : size+end+1]
		// A line of white space alone continues the field for one reader
		// and ends the header for another (RFC 5322, section 4.2).
		if size > 0 && len(bytes.TrimSpace(line)) == 0 {
			return 0, errHeaderName
		}
		size += end + 1
		if size == len(block) || block[size] != ' ' && block[size] != '\t' {
			return size, nil
		}
	}
}

// splitField splits a field at the colon. White space before the colon, which
// the obsolete syntax allows, is refused: not every reader sees a field there.
func splitField(text []byte) (field, error) {
	colon := bytes.IndexByte(text, ':')
	if colon <= 0 {
		return field{}, errHeaderName
	}
	for _, c := range text[:colon] {
		if c <= ' ' || c >= 0x7f {
			return field{}, errHeaderName
		}
	}
	value := text[colon+1:]
	for i, c := range value {
		folds := c == '\r' && i+1 < len(value) && value[i+1] == '\n' ||
			c == '\n' && i > 0 && value[i-1] == '\r'
		if c < ' ' && c != '\t' && !folds || c == 0x7f {
			return field{}, errHeaderByte
		}
	}
	return field{text[:colon], value}, nil
}

// ambiguous are the fields of which a second one is refused, whatever the
// message is: readers differ in which one they believe.
func ambiguous(name []byte) bool {
	return equalFold(name, "From") || equalFold(name, "Content-Type") ||
		equalFold(name, "Content-Transfer-Encoding")
}

// one returns the value of the only field of that name, unfolded and without
// white space around it. ok is false if there is no such field, or several.
func (h *Header) one(name string) (value []byte, ok bool) {
	for _, f := range h.fields {
		if !equalFold(f.name, name) {
			continue
		}
		if ok {
			return nil, false
		}
		value, ok = f.value, true
	}
	return unfold(value), ok
}

// unfold takes the line ends away and leaves the white space (RFC 5322, section
// 2.2.3), but for that around the value.
func unfold(value []byte) []byte {
	if bytes.IndexByte(value, '\n') >= 0 {
		value = bytes.ReplaceAll(value, crlf, nil)
	}
	return bytes.Trim(value, " \t")
}

// has says whether there is a field of that name.
func has[N ~string | ~[]byte](fields []field, name N) bool {
	for _, f := range fields {
		if equalFold(f.name, name) {
			return true
		}
	}
	return false
}

// equalFold compares as ASCII does. bytes.EqualFold knows that the Kelvin sign
// is a k, which mail programs do not.
func equalFold[A, B ~string | ~[]byte](a A, b B) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
