package mailfilter

import "io"

// partReader reads the content of a part up to the delimiter that ends it, without
// the empty lines before that: one belongs to the delimiter, and programs write more.
type partReader struct {
	p      *parts
	judged bool // by the reader, so that it takes nothing from p.room
	end    mark // how the part ended, once it did

	line []byte // the next line with text
	ends int    // line ends to be read before it
	out  []byte // what is being read
}

var crlf = []byte("\r\n")

// Read implements io.Reader. A malformed or too long line is a *Refusal.
func (r *partReader) Read(b []byte) (int, error) {
	for len(r.out) == 0 {
		switch {
		case r.line == nil && r.end == content:
			if err := r.advance(); err != nil {
				return 0, err
			}
		case r.ends > 0:
			r.ends--
			r.out = crlf
		case r.line != nil:
			r.out, r.line, r.ends = r.line, nil, 1
		default:
			return 0, io.EOF
		}
	}
	n := copy(b, r.out)
	r.out = r.out[n:]
	return n, nil
}

// advance takes the next line of the part.
func (r *partReader) advance() error {
	line, m, err := r.p.next()
	if !r.judged && err == nil {
		err = r.p.take(line, errReportSize)
	}
	switch {
	case err != nil:
		return err
	case m != content:
		r.end = m
		r.ends = min(r.ends, 1)
	case len(line) == 0:
		r.ends++
	default:
		r.line = line
	}
	return nil
}
