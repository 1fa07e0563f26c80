package tabline

import (
	"bytes"
	"strings"
)

// special are the characters that Dovecot escapes (str_append_tabescaped), and
// NUL, which it reads back but never sends.
const special = "\x00\x01\t\r\n"

// AppendField appends s, escaped to be one field of a line.
func AppendField(b []byte, s string) []byte {
	for {
		i := strings.IndexAny(s, special)
		if i < 0 {
			return append(b, s...)
		}
		b = append(b, s[:i]...)
		b = append(b, 1, escapeLetter(s[i]))
		s = s[i+1:]
	}
}

// AppendLine appends a whole line: the fields, escaped, with tabs between them.
func AppendLine(b []byte, fields ...string) []byte {
	for i, f := range fields {
		if i > 0 {
			b = append(b, '\t')
		}
		b = AppendField(b, f)
	}
	return append(b, '\n')
}

func escapeLetter(c byte) byte {
	switch c {
	case 0:
		return '0'
	case 1:
		return '1'
	case '\t':
		return 't'
	case '\r':
		return 'r'
	default: // '\n'
		return 'n'
	}
}

// Unescape is the inverse of AppendField. As in Dovecot, an unknown letter stands
// for itself and an escape at the very end for nothing.
func Unescape(field []byte) string {
	if bytes.IndexByte(field, 1) < 0 {
		return string(field)
	}
	var b strings.Builder
	b.Grow(len(field))
	for i := 0; i < len(field); i++ {
		c := field[i]
		if c != 1 {
			b.WriteByte(c)
			continue
		}
		if i++; i == len(field) {
			break
		}
		b.WriteByte(escaped(field[i]))
	}
	return b.String()
}

// escaped is what a letter behind \001 stands for.
func escaped(letter byte) byte {
	switch letter {
	case '0':
		return 0
	case '1':
		return 1
	case 't':
		return '\t'
	case 'r':
		return '\r'
	case 'n':
		return '\n'
	default:
		return letter
	}
}
