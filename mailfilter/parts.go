package mailfilter

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"chatmaild/mailfilter/pgp"
)

// MaxLine is the greatest length of a line in bytes, without its line end and a
// stuffed dot (RFC 5321, section 4.5.3.1.6). Postfix breaks no line up to that.
const MaxLine = 998

// The bounds of what is read of a body at a time: the buffer, which leaves room for the
// other fields of parts in 80 KiB, and with half of which a large message takes 5 % more
// CPU, in more system calls; the header of a part.
const (
	bufferSize    = 79 << 10
	maxPartHeader = 2 << 10
)

var (
	errBodyLine   = errors.New("line too long, with NUL, or with a bare CR or LF")
	errDelimiter  = errors.New("malformed boundary delimiter")
	errCutOff     = errors.New("it ends within a part")
	errParts      = errors.New("not the parts that it should have")
	errText       = errors.New("a part says something else than it may")
	errAround     = errors.New("text before or after the parts that no known program writes")
	errPartHeader = errors.New("header of a part with a field or value that no known program writes")
)

// preambles are what programs write before the first part of an encrypted message
// or of a report.
var preambles = [...]string{
	"This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)",
	"This is an OpenPGP/MIME encrypted message (RFC 2440 and 3156)",
	"This is a multi-part message in MIME format.",
	"This is a MIME-encapsulated message.",
	"This is a MIME-encapsulated message",
}

// parts reads the parts of a multipart body, line by line (RFC 2046, section
// 5.1.1), through a buffer of its own.
type parts struct {
	src       io.Reader
	delimiter string // with the two hyphens

	room       int   // bytes of text that may still come
	err        error // of src, once it failed or ended
	start, end int   // what of buf is still to be read
	head       Header
	pgp        pgp.Armor
	buf        [bufferSize]byte
}

func (p *parts) reset(src io.Reader, boundary string) {
	p.src, p.delimiter = src, "--"+boundary
	p.err, p.start, p.end = nil, 0, 0
}

// line returns the next line without its line end, valid until the next call.
// At the end it returns io.EOF. A bare CR or LF and NUL, which end a line for
// some readers, are refused.
func (p *parts) line() ([]byte, error) {
	for {
		unread := p.buf[p.start:p.end]
		end := bytes.IndexByte(unread, '\n')
		if end < 0 && len(unread) <= MaxLine+1 {
			if err := p.fill(); err != nil {
				return nil, err
			}
			continue
		}
		if end < 1 || end > MaxLine+1 || bytes.IndexByte(unread[:end], '\r') != end-1 ||
			bytes.IndexByte(unread[:end], 0) >= 0 {
			return nil, refuse(Unencrypted, errBodyLine)
		}
		p.start += end + 1
		return unread[:end-1], nil
	}
}

// fill reads more, after what is unread.
func (p *parts) fill() error {
	switch {
	case p.err == io.EOF && p.start < p.end:
		return refuse(Unencrypted, errBodyLine)
	case p.err == io.EOF:
		return io.EOF
	case p.err != nil:
		return fmt.Errorf("reading body: %w", p.err)
	}
	p.end = copy(p.buf[:], p.buf[p.start:p.end])
	p.start = 0
	n, err := p.src.Read(p.buf[p.end:])
	p.end, p.err = p.end+n, err
	return nil
}

// mark is what a line is to the multipart.
type mark uint8

const (
	content mark = iota
	opening      // begins a part
	closing      // ends the last part
)

// next returns the next line and what it is. A line that begins like a
// delimiter and continues is refused: white space there is padding to some
// readers and content to others, and for some a longer boundary is a boundary.
func (p *parts) next() ([]byte, mark, error) {
	line, err := p.line()
	if err != nil {
		if err == io.EOF {
			err = refuse(Unencrypted, errCutOff)
		}
		return nil, content, err
	}
	if len(line) == 0 || line[0] != '-' || len(line) < len(p.delimiter) ||
		string(line[:len(p.delimiter)]) != p.delimiter {
		return line, content, nil
	}
	switch string(line[len(p.delimiter):]) {
	case "":
		return nil, opening, nil
	case "--":
		return nil, closing, nil
	}
	return nil, content, refuse(Unencrypted, errDelimiter)
}

// text is next for text that is not judged, of which there may be p.room.
func (p *parts) text(tooMuch error) ([]byte, mark, error) {
	line, m, err := p.next()
	if err == nil {
		err = p.take(line, tooMuch)
	}
	return line, m, err
}

// take counts a line, and refuses the message with tooMuch once p.room is used up.
func (p *parts) take(line []byte, tooMuch error) error {
	if p.room -= len(line) + len(crlf); p.room < 0 {
		return refuse(Unencrypted, tooMuch)
	}
	return nil
}

// preamble reads up to the first part. Before it may be empty lines and one line
// that a known program writes, unless silent.
func (p *parts) preamble(silent bool) error {
	for {
		line, m, err := p.next()
		switch {
		case err != nil:
			return err
		case m == opening:
			return nil
		case m == closing:
			return refuse(Unencrypted, errParts)
		case len(line) == 0:
			continue
		case silent || !isPreamble(line):
			return refuse(Unencrypted, errAround)
		}
		silent = true
	}
}

func isPreamble(line []byte) bool {
	for _, known := range preambles {
		if string(line) == known {
			return true
		}
	}
	return false
}

// part reads the header of a part that must be of the given form.
func (p *parts) part(f form) (contentType, error) {
	h := &p.head
	h.raw = h.raw[:0]
	for {
		line, m, err := p.next()
		switch {
		case errors.Is(err, errCutOff), err == nil && m != content, len(h.raw)+len(line) > maxPartHeader:
			// Its fields have not been checked yet.
			return contentType{}, refuse(Unencrypted, errPartHeader)
		case err != nil:
			return contentType{}, err
		case len(line) > 0:
			h.raw = append(append(h.raw, line...), "\r\n"...)
			continue
		}
		if err := h.split(len(h.raw)); err != nil {
			return contentType{}, refuse(Unencrypted, errPartHeader)
		}
		if err := h.fits(f); err != nil {
			return contentType{}, refuse(Unencrypted, err)
		}
		if f.untyped && !has(h.fields, "Content-Type") {
			return contentType{media: "text/plain"}, nil
		}
		ct, err := h.contentType(f.types)
		if err == ErrCleartext {
			err = errParts
		}
		if err != nil {
			return ct, refuse(Unencrypted, err)
		}
		return ct, nil
	}
}

// fits says whether the fields of a part are of the form, each at most once.
func (h *Header) fits(f form) error {
	for i, field := range h.fields {
		if has(h.fields[:i], field.name) {
			return errPartHeader
		}
		if !f.allow(field.name, unfold(field.value)) {
			return errPartHeader
		}
	}
	return nil
}

// sole reads a part that must be one line, with nothing but empty lines around
// it. It returns how the part ended.
func (p *parts) sole(want onlyLine) (mark, error) {
	for {
		line, m, err := p.next()
		switch {
		case err != nil:
			return m, err
		case m != content:
			return m, want.done()
		}
		if err := want.add(line); err != nil {
			return m, err
		}
	}
}

// epilogue reads what follows the last part. It must be empty lines.
func (p *parts) epilogue() error {
	for {
		line, err := p.line()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case len(line) > 0:
			return refuse(Unencrypted, errAround)
		}
	}
}

// onlyLine takes lines, of which one has to be text and the others empty.
type onlyLine struct {
	text  string
	fold  bool // the case of letters does not matter
	found bool
}

func (o *onlyLine) add(line []byte) error {
	switch {
	case len(line) == 0:
		return nil
	case o.found, !o.fold && string(line) != o.text, !equalFold(line, o.text):
		return refuse(Unencrypted, errText)
	}
	o.found = true
	return nil
}

func (o *onlyLine) done() error {
	if !o.found {
		return refuse(Unencrypted, errText)
	}
	return nil
}
