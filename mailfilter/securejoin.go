package mailfilter

import (
	"errors"
	"io"
	"strings"
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
	ct, err := h.contentType()
	if err != nil {
		return nil, err
	}
	if err := h.identity(); err != nil {
		return nil, err
	}
	text := onlyLine{text: "Secure-Join: " + string(request), fold: true}
	if ct.media == "text/plain" {
		if !ct.readable() {
			return nil, errNotSecureJoin
		}
		return rs.rule("", func(p *parts) error { return p.plain(text) }), nil
	}
	if !strings.HasPrefix(ct.media, "multipart/") {
		return nil, errNotSecureJoin
	}
	boundary, err := ct.boundary()
	if err != nil {
		return nil, err
	}
	return rs.rule(boundary, func(p *parts) error { return p.secureJoin(text) }), nil
}

func (p *parts) secureJoin(text onlyLine) error {
	if err := p.preamble(0); err != nil {
		return err
	}
	ct, err := p.leaf("text/plain")
	if err != nil {
		return err
	}
	if !ct.readable() {
		return refuse(Unencrypted, errParts)
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

// readable says whether the text is in a charset in which ASCII is ASCII.
func (ct contentType) readable() bool {
	charset, ok := ct.param("charset")
	return !ok || equalFold(charset, "utf-8") || equalFold(charset, "us-ascii")
}
