package mailfilter

import (
	"errors"
	"io"
)

var errNotSecureJoin = errors.New("not a SecureJoin request")

// secureJoin returns the rule for the first message of the SecureJoin protocol,
// version 2, the only one that is sent in the clear; or why the header is not
// that of one. The request stands in the header and again in the only text,
// which is the body or the one part of a multipart.
// https://securejoin.delta.chat/en/latest/new.html, "Setup Contact protocol".
func (rs *readers) secureJoin(h *Header) (rule, error) {
	request, ok := h.one("Secure-Join")
	if !ok || !equalFold(request, "vc-request") && !equalFold(request, "vg-request") {
		return nil, errNotSecureJoin
	}
	ct, err := h.whole(requestType)
	if err != nil {
		return nil, err
	}
	text := onlyLine{text: "Secure-Join: " + string(request), fold: true}
	if ct.media == "text/plain" {
		return rs.rule("", func(p *parts) error { return p.plain(text) }), nil
	}
	return rs.multipart(ct, func(p *parts) error { return p.secureJoin(text) })
}

func (p *parts) secureJoin(text onlyLine) error {
	if err := p.preamble(true); err != nil {
		return err
	}
	if _, err := p.part(requestPart); err != nil {
		return err
	}
	m, err := p.sole(text)
	if err != nil {
		return err
	}
	if m != closing {
		return refuse(Unencrypted, errParts)
	}
	return p.epilogue()
}

// plain reads a body that is not divided into parts.
func (p *parts) plain(text onlyLine) error {
	for {
		line, err := p.line()
		switch {
		case err == io.EOF:
			return text.done()
		case err != nil:
			return err
		}
		if err := text.add(line); err != nil {
			return err
		}
	}
}
