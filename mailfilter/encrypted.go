package mailfilter

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

var (
	errNotEncrypted = errors.New("not multipart/encrypted")
	errProtocol     = errors.New("multipart/encrypted of another protocol")
)

// direction is in what the two policies differ about the form of a message.
type direction struct {
	armorHeaders bool // "Version:" and "Comment:" may stand in the armor
	preamble     int  // octets of text before the first part
}

var (
	outward = direction{}
	inward  = direction{armorHeaders: true, preamble: maxPreamble}
)

// readers lends parts, which are large, to the bodies in flight.
type readers struct{ pool sync.Pool }

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

// private returns the rule for what may pass whoever it is from and for: an
// encrypted message or a SecureJoin request; or why the header is neither's.
func (rs *readers) private(h *Header, dir direction) (rule, error) {
	body, err := rs.encrypted(h, dir)
	if err == errNotEncrypted {
		if request, notSecureJoin := rs.secureJoin(h); notSecureJoin == nil {
			return request, nil
		}
	}
	return body, err
}

// encrypted returns the rule for an OpenPGP/MIME message (RFC 3156, section
// 4), or why the header is not that of one.
func (rs *readers) encrypted(h *Header, dir direction) (rule, error) {
	ct, err := h.contentType()
	if err != nil {
		return nil, err
	}
	if ct.media != "multipart/encrypted" {
		return nil, errNotEncrypted
	}
	if protocol, _ := ct.param("protocol"); !equalFold(protocol, "application/pgp-encrypted") {
		return nil, errProtocol
	}
	boundary, err := ct.boundary()
	if err != nil {
		return nil, err
	}
	if err := h.identity(); err != nil {
		return nil, err
	}
	return rs.rule(boundary, func(p *parts) error { return p.encrypted(dir) }), nil
}

func (p *parts) encrypted(dir direction) error {
	if err := p.preamble(dir.preamble); err != nil {
		return err
	}
	if _, err := p.leaf("application/pgp-encrypted"); err != nil {
		return err
	}
	m, err := p.sole(onlyLine{text: "Version: 1"})
	if err != nil {
		return err
	}
	if m != opening {
		return refuse(Unencrypted, errParts)
	}
	if _, err := p.leaf("application/octet-stream"); err != nil {
		return err
	}
	if err := p.armor(dir.armorHeaders); err != nil {
		return err
	}
	return p.epilogue()
}

// leaf reads the header of a part that must be of the given type.
func (p *parts) leaf(media string) (contentType, error) {
	h, err := p.header()
	if err != nil {
		return contentType{}, err
	}
	ct, err := h.contentType()
	if err != nil {
		return ct, refuse(Unencrypted, err)
	}
	if ct.media != media {
		return ct, refuse(Unencrypted, errParts)
	}
	return ct, nil
}

// armor reads the last part, which must be an armored message with nothing but
// empty lines around it.
func (p *parts) armor(headers bool) error {
	a := &p.pgp
	a.Reset(headers)
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
