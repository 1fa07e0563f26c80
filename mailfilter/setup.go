package mailfilter

import (
	"errors"

	"chatmaild/mailfilter/pgp"
)

var (
	errNotSetup  = errors.New("not an Autocrypt Setup Message")
	errSetupSize = errors.New("too much text in an Autocrypt Setup Message")
)

// maxSetup bounds the text of an Autocrypt Setup Message and the HTML around its
// keys, in bytes. Clients write it in the user's language, so it cannot be known.
const maxSetup = 4 << 10

// setup returns the rule for an Autocrypt Setup Message, with which a user
// hands his keys to his own next device, or why the header is not that of one.
// https://autocrypt.org/level1.html, section 4.4.
func (rs *readers) setup(h *Header) (rule, error) {
	version, ok := h.one("Autocrypt-Setup-Message")
	if !ok || !equalFold(version, "v1") {
		return nil, errNotSetup
	}
	ct, err := h.whole(setupType)
	if err != nil {
		return nil, err
	}
	return rs.multipart(ct, (*parts).setup)
}

func (p *parts) setup() error {
	if err := p.preamble(true); err != nil {
		return err
	}
	if _, err := p.part(requestPart); err != nil {
		return err
	}
	p.room = maxSetup
	for {
		_, m, err := p.text(errSetupSize)
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
	if _, err := p.part(keysPart); err != nil {
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
	a.Reset()
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
			if err := p.take(line, errSetupSize); err != nil {
				return err
			}
			continue
		}
		if err := a.Line(line); err != nil {
			return refuse(Unencrypted, err)
		}
	}
}
