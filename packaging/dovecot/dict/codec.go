package dict

import (
	"bytes"
	"strings"
)

// The commands and replies, as dict-client.h names them.
const (
	cmdHello       = 'H'
	cmdLookup      = 'L'
	cmdIterate     = 'I'
	cmdBegin       = 'B'
	cmdCommit      = 'C'
	cmdCommitAsync = 'D'
	cmdRollback    = 'R'
	cmdSet         = 'S'
	cmdUnset       = 'U'
	cmdIncrement   = 'A'
	cmdTimestamp   = 'T'
	cmdHideValues  = 'V'

	replyOK       = 'O'
	replyNotFound = 'N'
	replyFail     = 'F'
	replyAsync    = 'A'
)

// maxFields is how many fields of a line are told apart; no command has more.
const maxFields = 5

// request is one line of a client.
type request struct {
	cmd  byte
	args [maxFields]string
	n    int // how many args the line had, maxFields at most
}

// arg returns the i-th field, or "" if the line had fewer.
func (r *request) arg(i int) string { return r.args[i] }

// parseRequest parses a line without its line feed. Any line that is not empty
// has a meaning; whether the command and its fields make sense is seen later.
func parseRequest(line []byte) (r request, ok bool) {
	if len(line) == 0 {
		return r, false
	}
	r.cmd = line[0]
	rest, more := line[1:], true
	for more && r.n < maxFields {
		var field []byte
		field, rest, more = bytes.Cut(rest, []byte{'\t'})
		r.args[r.n] = unescape(field)
		r.n++
	}
	return r, true
}

// appendLine appends a whole line: the letter, and the fields, escaped.
func appendLine(b []byte, letter byte, fields ...string) []byte {
	b = append(b, letter)
	for i, f := range fields {
		if i > 0 {
			b = append(b, '\t')
		}
		b = appendEscaped(b, f)
	}
	return append(b, '\n')
}

// The characters that Dovecot escapes (strescape.c, str_append_tabescaped), and
// NUL, which it reads back but has no way to send.
const special = "\x00\x01\t\r\n"

// appendEscaped appends s, escaped to be one field of a line.
func appendEscaped(b []byte, s string) []byte {
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

// unescape is the inverse of appendEscaped. As in Dovecot, an unknown letter
// stands for itself and an escape at the very end for nothing.
func unescape(field []byte) string {
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
		switch c := field[i]; c {
		case '0':
			b.WriteByte(0)
		case '1':
			b.WriteByte(1)
		case 't':
			b.WriteByte('\t')
		case 'r':
			b.WriteByte('\r')
		case 'n':
			b.WriteByte('\n')
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
