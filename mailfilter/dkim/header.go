package dkim

import (
	"bytes"
	"crypto/sha256"
)

// field is a header field as it stands in the message, with its line end.
type field struct {
	name string // in lower case
	text []byte
}

// split splits a header block, up to the empty line or its end, into fields.
func split(header []byte) []field {
	var fields []field
	for len(header) > 0 && header[0] != '\r' {
		end := fieldEnd(header)
		text := header[:end]
		header = header[end:]
		colon := bytes.IndexByte(text, ':')
		fields = append(fields, field{lower(trim(string(text[:max(colon, 0)]))), text})
	}
	return fields
}

// fieldEnd finds the line end that no white space follows.
func fieldEnd(header []byte) int {
	for end := 0; ; {
		i := bytes.IndexByte(header[end:], '\n')
		if i < 0 {
			return len(header)
		}
		end += i + 1
		if end == len(header) || header[end] != ' ' && header[end] != '\t' {
			return end
		}
	}
}

// value is what stands after the colon.
func (f field) value() string {
	return string(f.text[bytes.IndexByte(f.text, ':')+1:])
}

// digest is what a signature signs: the fields that it names, from the last of
// each name upwards, and its own field, at the index self, without the value of
// b= (RFC 6376, section 3.7).
func digest(s *signature, fields []field, self int, b tag) [sha256.Size]byte {
	canonical := simpleHeader
	if s.relaxedHeader {
		canonical = relaxedHeader
	}
	used := make([]bool, len(fields))
	used[self] = true
	var buf []byte
	for _, name := range s.fields {
		for i := len(fields) - 1; i >= 0; i-- {
			if !used[i] && fields[i].name == name {
				used[i] = true
				buf = canonical(buf, fields[i].text)
				break
			}
		}
	}
	text := fields[self].text
	from := bytes.IndexByte(text, ':') + 1
	own := append(append([]byte{}, text[:from+b.start]...), text[from+b.end:]...)
	// A value at the very end took the line end with it.
	own = append(bytes.TrimRight(own, "\r\n"), "\r\n"...)
	buf = canonical(buf, own)
	return sha256.Sum256(bytes.TrimSuffix(buf, []byte("\r\n")))
}

func simpleHeader(to, text []byte) []byte { return append(to, text...) }

// relaxedHeader has the name in lower case, and all white space in the value as
// one space, but none around it (RFC 6376, section 3.4.2).
func relaxedHeader(to, text []byte) []byte {
	colon := bytes.IndexByte(text, ':')
	to = append(to, lower(trim(string(text[:max(colon, 0)])))...)
	to = append(to, ':')
	first, gap := true, false
	for _, c := range text[colon+1:] {
		if space(c) {
			gap = true
			continue
		}
		if gap && !first {
			to = append(to, ' ')
		}
		to = append(to, c)
		first, gap = false, false
	}
	return append(to, "\r\n"...)
}
