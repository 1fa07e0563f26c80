package dict

import (
	"bytes"

	"chatmaild/packaging/dovecot/tabline"
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

// maxFields is how many fields of a line are distinguished; no command has more.
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
		r.args[r.n] = tabline.Unescape(field)
		r.n++
	}
	return r, true
}

// appendLine appends a whole line: the letter, and the fields, escaped.
func appendLine(b []byte, letter byte, fields ...string) []byte {
	return tabline.AppendLine(append(b, letter), fields...)
}
