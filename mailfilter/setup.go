package mailfilter

import (
	"errors"

	"chatmaild/mailfilter/pgp"
)

var errNotSetup = errors.New("not an Autocrypt Setup Message")

// setup returns the rule for an Autocrypt Setup Message, with which a user
// hands his keys to his own next device, or why the header is not that of one.
// https://autocrypt.org/level1.html, section 4.4.
func (rs *readers) setup(h *Header) (rule, error) {
	version, ok := h.one("Autocrypt-Setup-Message")
	if !ok || !equalFold(version, "v1") {
		return nil, errNotSetup
	}
	ct, err := h.contentType()
	if err != nil {
		return nil, err
	}
	if ct.media != "multipart/mixed" {
		return nil, errNotSetup
	}
	boundary, err := ct.boundary()
	if err != nil {
		return nil, err
	}
	if err := h.identity(); err != nil {
		return nil, err
	}
	return rs.rule(boundary, (*parts).setup), nil
}

func (p *parts) setup() error {
	if err := p.preamble(0); err != nil {
		return err
	}
	if _, err := p.leaf("text/plain"); err != nil {
		return err
	}
	for {
		_, m, err := p.next()
		if err != nil {
			return err
		}
		if m == closing {
			return refuse(Unencrypted, errParts)
		}
		if m == opening {
			break
		}
	}
	if _, err := p.leaf("application/autocrypt-setup"); err != nil {
		return err
	}
	if err := p.embedded(); err != nil {
		return err
	}
	return p.epilogue()
}

// embedded reads the last part, in which one armored message stands in HTML.
func (p *parts) embedded() error {
	a := &p.pgp
	a.Reset(true)
	begun := false
	for {
		line, m, err := p.next()
		if err != nil {
			return err
		}
		if m == opening {
			return refuse(Unencrypted, errParts)
		}
		if m == closing {
			if err := a.Close(); err != nil {
				return refuse(Unencrypted, err)
			}
			return nil
		}
		begun = begun || string(line) == pgp.Head
		if !begun || a.Done() && string(line) != pgp.Head {
			continue
		}
		if err := a.Line(line); err != nil {
			return refuse(Unencrypted, err)
		}
	}
}
