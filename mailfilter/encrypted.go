package mailfilter

import (
	"fmt"
	"io"
	"sync"
)

// readers lends parts, which are large, to the bodies in flight.
type readers struct{ pool sync.Pool }

// multipart is rule for a multipart, which must have a boundary.
func (rs *readers) multipart(ct contentType, read func(*parts) error) (rule, error) {
	boundary := ct.param("boundary")
	if boundary == "" {
		return nil, errBoundary
	}
	return rs.rule(boundary, read), nil
}

// rule returns the rule that read finds the parts right that boundary divides.
func (rs *readers) rule(boundary string, read func(*parts) error) rule {
	return func(r io.Reader) error {
		p, ok := rs.pool.Get().(*parts)
		if !ok {
			p = new(parts)
		}
		defer func() {
			p.src = nil
			rs.pool.Put(p)
		}()
		p.reset(r, boundary)
		return read(p)
	}
}

// anything lets every body pass.
func anything(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return fmt.Errorf("reading body: %w", err)
	}
	return nil
}

// private returns the rule for what may pass no matter who it is from and for: an
// encrypted message or a SecureJoin request; or why the header is neither's.
func (rs *readers) private(h *Header) (rule, error) {
	body, err := rs.encrypted(h)
	if err == ErrCleartext {
		if request, notSecureJoin := rs.secureJoin(h); notSecureJoin == nil {
			return request, nil
		}
	}
	return body, err
}

// encrypted returns the rule for an OpenPGP/MIME message (RFC 3156, section
// 4), or why the header is not that of one. The protocol parameter may be left
// out, which RFC 1847 does not allow: the first part says it again, and a reader
// that insists on the parameter shows two attachments, neither of them text.
func (rs *readers) encrypted(h *Header) (rule, error) {
	ct, err := h.whole(encryptedType)
	if err != nil {
		return nil, err
	}
	return rs.multipart(ct, (*parts).encrypted)
}

func (p *parts) encrypted() error {
	if err := p.preamble(false); err != nil {
		return err
	}
	if _, err := p.part(versionPart); err != nil {
		return err
	}
	m, err := p.sole(onlyLine{text: "Version: 1"})
	if err != nil {
		return err
	}
	if m != opening {
		return refuse(Unencrypted, errParts)
	}
	if _, err := p.part(dataPart); err != nil {
		return err
	}
	if err := p.armor(); err != nil {
		return err
	}
	return p.epilogue()
}

// armor reads the last part, which must be an armored message with nothing but
// empty lines around it.
func (p *parts) armor() error {
	a := &p.pgp
	a.Reset()
	begun := false
	for {
		p.start += a.Lines(p.buf[p.start:p.end])
		line, m, err := p.next()
		switch {
		case err != nil:
			return err
		case m == opening:
			return refuse(Unencrypted, errParts)
		case m == closing:
			if err := a.Close(); err != nil {
				return refuse(Unencrypted, err)
			}
			return nil
		case len(line) == 0 && (!begun || a.Done()):
			continue
		}
		begun = true
		if err := a.Line(line); err != nil {
			return refuse(Unencrypted, err)
		}
	}
}
