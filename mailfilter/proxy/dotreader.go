package proxy

import (
	"bytes"
	"errors"
	"io"
	"time"

	"chatmaild/mailfilter"
)

// What a message is refused for by the reader, whatever the policy says.
var (
	errBareLineEnd = errors.New("bare CR or LF in the message")
	errNUL         = errors.New("NUL in the message")
	errLongLine    = errors.New("line too long")
	errTooLarge    = errors.New("message too large")
)

// source is where the data of a message comes from: an SMTP client's connection, or
// an article.
type source interface {
	io.Reader

	// unread returns what Read returned beyond the end of the message.
	unread(b []byte)

	// waiting is the time that Read has taken so far.
	waiting() time.Duration

	// gone reports whether nobody waits for the reply any more.
	gone() bool
}

// dotReader reads the data of one message off the wire, up to and with the dot
// that ends it, and returns it without the dots that the sender stuffed
// (RFC 5321, section 4.5.2). Only <CR><LF>.<CR><LF> is an end.
//
// In an article, dots are dots, and the end is that of src.
//
// Read fails on the first byte that is not allowed. The reader can then still
// find the end of the message; see skip.
type dotReader struct {
	src     source
	article bool      // no dots are stuffed
	tee     io.Writer // if set, gets all that Read returns; it must not fail
	limit   int64     // greatest size of the message

	state  dotState
	length int   // of the current line so far
	size   int64 // of the message so far
	fault  error // the first byte that was not allowed
	err    error // io.EOF at the end of the message, or the error of src
}

// dotState is what was seen last.
type dotState uint8

const (
	atStart     dotState = iota // a line end, or nothing yet
	afterDot                    // a dot at the start of a line
	afterDotCR                  // a dot and CR at the start of a line
	inLine                      // a byte of a line
	afterLineCR                 // CR behind bytes of a line
	afterEnd                    // the end of the message
)

// Read returns io.EOF after the last byte of the message.
func (d *dotReader) Read(b []byte) (int, error) {
	for d.err == nil && d.fault == nil {
		n, err := d.src.Read(b)
		d.err = d.ending(err)
		kept, used := d.decode(b[:n])
		if d.state == afterEnd {
			d.src.unread(b[used:n])
			d.err = io.EOF
		}
		if d.fault != nil {
			break
		}
		if kept > 0 {
			if d.tee != nil {
				_, _ = d.tee.Write(b[:kept])
			}
			return kept, nil
		}
	}
	if d.fault != nil {
		return 0, d.fault
	}
	return 0, d.err
}

// skip reads to the end of the message, at most limit bytes of it, into the
// scratch space b. It returns nil once the end has come.
func (d *dotReader) skip(b []byte, limit int64) error {
	for d.err == nil && limit > 0 {
		n, err := d.src.Read(b)
		d.err = d.ending(err)
		limit -= int64(n)
		if _, used := d.decode(b[:n]); d.state == afterEnd {
			d.src.unread(b[used:n])
			d.err = io.EOF
		}
	}
	switch d.err {
	case io.EOF:
		return nil
	case nil:
		return errTooLarge
	default:
		return d.err
	}
}

// ended reports whether all of the message has been read.
func (d *dotReader) ended() bool { return d.err == io.EOF }

// failed reports whether the peer went away before that.
func (d *dotReader) failed() bool { return d.err != nil && d.err != io.EOF }

// decode removes stuffed dots from b in place. It returns how many bytes are
// left, and how many of b it looked at: fewer than all only when the message
// ended. After a fault it keeps on looking for the end; bytes that are not
// allowed then count as part of their line.
func (d *dotReader) decode(b []byte) (kept, used int) {
	defer func() {
		if bytes.IndexByte(b[:kept], 0) >= 0 {
			d.refuse(errNUL)
		}
	}()
	i := 0
	tried := false // wholeLines, which is tried once lest it be tried for each line
	for i < len(b) {
		switch d.state {
		case atStart:
			if !tried {
				tried = true
				if n := d.wholeLines(b[i:]); n > 0 {
					kept += shift(b, kept, i, n)
					i += n
					d.count(n)
					continue
				}
			}
			d.length = 0
			if b[i] == '.' && !d.article {
				d.state = afterDot
				i++
				continue
			}
			d.state = inLine
		case afterDot:
			if b[i] == '\r' {
				d.state = afterDotCR
				i++
				continue
			}
			d.state = inLine
		case afterDotCR:
			if b[i] == '\n' {
				d.state = afterEnd
				return kept, i + 1
			}
			d.refuse(errBareLineEnd)
			d.state = inLine
		case afterLineCR:
			if b[i] == '\n' {
				b[kept] = '\n'
				kept++
				i++
				d.count(1)
				d.state = atStart
				continue
			}
			d.refuse(errBareLineEnd)
			d.state = inLine
		case inLine:
			n := d.restOfLine(b[i:])
			kept += shift(b, kept, i, n)
			i += n
			d.count(n)
		}
	}
	return kept, i
}

// shift moves n bytes of b from one place to another and returns n.
func shift(b []byte, to, from, n int) int {
	if to != from {
		copy(b[to:], b[from:from+n])
	}
	return n
}

// wholeLines returns how many bytes at the start of b are lines that need no
// closer look: none has a dot in front, and all is well with them; 0 if that
// takes a closer look to say. Armor has lines of one length. So it guesses where
// each line ends, and counts line ends in b to see that it guessed right.
func (d *dotReader) wholeLines(b []byte) int {
	b = b[:bytes.LastIndexByte(b, '\n')+1]
	ends := bytes.Count(b, []byte{'\n'})
	if bytes.Count(b, []byte{'\r'}) != ends {
		return 0
	}
	for i, length := 0, 0; i < len(b); ends-- {
		end := i + length
		if length == 0 || end > len(b) || b[end-1] != '\n' {
			end = i + bytes.IndexByte(b[i:], '\n') + 1
			length = end - i
		}
		if length < 2 || length > mailfilter.MaxLine+2 || b[end-2] != '\r' || b[i] == '.' {
			return 0
		}
		i = end
	}
	if ends != 0 {
		return 0
	}
	return len(b)
}

// restOfLine returns how many bytes of b belong to the current line, and moves
// on to the state behind them.
func (d *dotReader) restOfLine(b []byte) int {
	n := len(b)
	end := bytes.IndexByte(b, '\n')
	switch {
	case end > 0 && b[end-1] == '\r':
		n = end + 1
		d.state = atStart
		end--
	case end >= 0:
		d.refuse(errBareLineEnd)
		return end + 1
	case b[n-1] == '\r':
		d.state = afterLineCR
		end = n - 1
	default:
		end = n
	}
	if bytes.IndexByte(b[:end], '\r') >= 0 {
		d.refuse(errBareLineEnd)
	}
	if d.length += end; d.length > mailfilter.MaxLine {
		d.refuse(errLongLine)
	}
	return n
}

func (d *dotReader) count(n int) {
	if d.size += int64(n); d.size > d.limit {
		d.refuse(errTooLarge)
	}
}

func (d *dotReader) refuse(err error) {
	if d.fault == nil {
		d.fault = err
	}
}

// ending is what an error of src means: the end of the data is that of an article only.
func (d *dotReader) ending(err error) error {
	if err == io.EOF && !d.article {
		return io.ErrUnexpectedEOF
	}
	return err
}
