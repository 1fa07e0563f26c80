package dkim

import (
	"bytes"
	"crypto/sha256"
	"hash"
)

// scratchSize is how much of a body is squeezed at a time.
const scratchSize = 4 << 10

// body hashes the canonical form of a body (RFC 6376, sections 3.4.3 and 3.4.4)
// as it is written, in pieces of any size. The line ends of the message are CRLF.
type body struct {
	hash    hash.Hash
	relaxed bool

	ends  int  // line ends held back: at the end of the body, only one counts
	cr    bool // and a CR after them
	gap   bool // white space held back: at the end of a line, it does not count
	text  bool // not only line ends were written
	spare []byte
}

func newBody(relaxed bool) *body { return &body{hash: sha256.New(), relaxed: relaxed} }

func (b *body) write(p []byte) {
	if !b.relaxed || !b.gap && bytes.IndexByte(p, ' ') < 0 && bytes.IndexByte(p, '\t') < 0 {
		b.lines(p)
		return
	}
	if b.spare == nil {
		b.spare = make([]byte, 0, scratchSize)
	}
	out := b.spare[:0]
	for _, c := range p {
		switch {
		case c == ' ' || c == '\t':
			b.gap = true
			continue
		case c == '\r':
			b.gap = false
		case b.gap:
			b.gap = false
			out = append(out, ' ')
		}
		out = append(out, c)
		if len(out) > scratchSize-2 {
			b.lines(out)
			out = out[:0]
		}
	}
	b.lines(out)
}

// lines hashes p but for line ends at its end, which it counts.
func (b *body) lines(p []byte) {
	if len(p) == 0 {
		return
	}
	if b.cr {
		b.cr = false
		if p[0] == '\n' {
			b.ends++
			p = p[1:]
		} else {
			b.release()
			b.hash.Write([]byte{'\r'})
		}
	}
	end := len(p)
	if end > 0 && p[end-1] == '\r' {
		b.cr = true
		end--
	}
	last := end
	for end >= 2 && p[end-1] == '\n' && p[end-2] == '\r' {
		end -= 2
	}
	if end > 0 {
		b.release()
		b.hash.Write(p[:end])
	}
	b.ends += (last - end) / 2
}

// manyEnds lets a run of line ends be hashed in few calls.
const manyEnds = "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n" +
	"\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n"

// release hashes the line ends that turned out not to be at the end.
func (b *body) release() {
	b.text = true
	if b.ends == 0 {
		return
	}
	for run := []byte(manyEnds); b.ends > 0; {
		n := min(b.ends, len(run)/2)
		b.hash.Write(run[:2*n])
		b.ends -= n
	}
}

// sum ends the body.
func (b *body) sum() []byte {
	if b.cr {
		b.cr = false
		b.release()
		b.hash.Write([]byte{'\r'})
	}
	// An empty body is a line end to the one and nothing to the other.
	if b.text || !b.relaxed {
		b.hash.Write([]byte("\r\n"))
	}
	return b.hash.Sum(nil)
}
