package mailfilter

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
)

// MaxHeader is the greatest size of a header block in bytes, with its line
// ends and the empty line, and MaxFields how many fields it may have. Lines
// have no limit of their own: some programs write References in one. Postfix is
// configured for the same size, so that nothing is cut behind us.
const (
	MaxHeader = 60_000
	MaxFields = 1000
)

var (
	errHeaderSize  = errors.New("header too long")
	errHeaderMany  = errors.New("too many header fields")
	errHeaderEnd   = errors.New("header line without CRLF")
	errHeaderByte  = errors.New("control character in header")
	errHeaderName  = errors.New("header line without a field name")
	errHeaderTwice = errors.New("header field given twice")
)

// Header is the header block of a message.
type Header struct {
	raw    []byte
	fields []field
}

// field is one header field. name has the case of the message; value is all
// after the colon, still folded, without the last line end.
type field struct{ name, value []byte }

// ReadHeader reads a header block up to and with the empty line that ends it,
// or up to EOF after a whole line. The line ends have to be CRLF. It returns
// a *Refusal with BadHeader for a block that is malformed or beyond MaxHeader
// or MaxFields, and otherwise the error of r.
func ReadHeader(r *bufio.Reader) (*Header, error) {
	h := &Header{raw: make([]byte, 0, 1024)}
	for {
		start := len(h.raw)
		err := h.readLine(r)
		ended := err == io.EOF && len(h.raw) == start
		if err != nil && !ended {
			return nil, err
		}
		if ended || len(h.raw)-start == len("\r\n") {
			if err := h.split(start); err != nil {
				return nil, err
			}
			return h, nil
		}
	}
}

// Raw returns the bytes that ReadHeader read, with the empty line, exactly as
// they came. The caller must not change them.
func (h *Header) Raw() []byte { return h.raw }

// readLine appends one line to raw.
func (h *Header) readLine(r *bufio.Reader) error {
	start := len(h.raw)
	for {
		part, err := r.ReadSlice('\n')
		if len(h.raw)+len(part) > MaxHeader {
			return refuse(BadHeader, errHeaderSize)
		}
		h.raw = append(h.raw, part...)
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF && len(h.raw) > start:
			return refuse(BadHeader, errHeaderEnd)
		case err != nil:
			return err
		}
		if !bytes.HasSuffix(h.raw[start:], []byte("\r\n")) {
			return refuse(BadHeader, errHeaderEnd)
		}
		return nil
	}
}

// split finds the fields in raw[:end] and refuses what is not a field, and
// fields of which a second one would leave open which of them counts.
func (h *Header) split(end int) error {
	block := h.raw[:end]
	h.fields = slices.Grow(h.fields[:0], min(bytes.Count(block, []byte{'\n'}), MaxFields))
	for len(block) > 0 {
		if len(h.fields) == MaxFields {
			return refuse(BadHeader, errHeaderMany)
		}
		size, err := fieldSize(block)
		if err != nil {
			return refuse(BadHeader, err)
		}
		f, err := splitField(block[:size-len("\r\n")])
		if err != nil {
			return refuse(BadHeader, err)
		}
		if ambiguous(f.name) && has(h.fields, f.name) {
			return refuse(BadHeader, errHeaderTwice)
		}
		h.fields = append(h.fields, f)
		block = block[size:]
	}
	return nil
}
