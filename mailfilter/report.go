package mailfilter

import (
	"bufio"
	"bytes"
	"errors"
	"strings"
)

var (
	errNotReport  = errors.New("not a delivery report")
	errReportSize = errors.New("too much text in a delivery report")
	errStatus     = errors.New("malformed delivery status in a delivery report")
	errReturned   = errors.New("a delivery report returns neither a header with a Message-ID nor an encrypted message")
)

// MaxReport bounds what can be read of a delivery report, in bytes: all of its
// parts together, but for the encrypted body of a message that it returns.
// Exchange and Gmail write some 40 KiB: HTML, and a picture. Postfix writes some 460
// bytes for each recipient, of whom a large group may have lost hundreds.
const MaxReport = 512 << 10

// report returns the rule for a delivery report (RFC 3464) that a mail server
// made automatically, or why envelope and header are not those of one. It has three
// parts: a notice for people, the delivery status, and what it returns, which is a
// header alone or a message that may pass on its own. The notice may say anything.
// What bounds it: its domain is proven, it is short, and Delta Chat shows no message
// that it understands as a report, which is one with the Message-ID of another
// (process_delivery_status in its mimeparser.rs).
//
// OpenSMTPD's reports are multipart/mixed, which clients do show. They are refused.
func (rs *readers) report(env Envelope, h *Header) (rule, error) {
	if env.Sender != "" {
		return nil, errNotReport
	}
	if auto, ok := h.one("Auto-Submitted"); has(h.fields, "Auto-Submitted") && (!ok || !isAutomatic(auto)) {
		return nil, errNotReport
	}
	ct, err := h.whole(reportType)
	if err != nil {
		return nil, err
	}
	if ct.param("report-type") == "" {
		return nil, errNotReport
	}
	return rs.multipart(ct, func(p *parts) error { return p.report(rs) })
}

// isAutomatic: RFC 3834, section 5.
func isAutomatic(value []byte) bool {
	return strings.HasPrefix(lowerString(string(value)), "auto-")
}

func (p *parts) report(rs *readers) error {
	p.room = MaxReport
	if err := p.preamble(false); err != nil {
		return err
	}
	if _, err := p.part(noticePart); err != nil {
		return err
	}
	if err := p.notice(); err != nil {
		return err
	}
	if _, err := p.part(statusPart); err != nil {
		return err
	}
	m, err := p.status()
	if err != nil {
		return err
	}
	if m != opening {
		return refuse(Unencrypted, errReturned)
	}
	if err := p.returned(rs); err != nil {
		return err
	}
	return p.epilogue()
}

// notice reads the text for people, up to the next part.
func (p *parts) notice() error {
	for {
		_, m, err := p.text(errReportSize)
		switch {
		case err != nil:
			return err
		case m == closing:
			return refuse(Unencrypted, errParts)
		case m == opening:
			return nil
		}
	}
}

// statusFields are the fields of a delivery status (RFC 3464, section 2; RFC 3461
// and 4865 for what is behind them). Beside them there may be some with "X-".
var statusFields = oneOf("Action", "Arrival-Date", "Diagnostic-Code", "DSN-Gateway", "Final-Log-ID", "Final-Recipient",
	"Future-Release-Request", "Last-Attempt-Date", "Original-Envelope-Id", "Original-Recipient",
	"Received-From-MTA", "Remote-MTA", "Reporting-MTA", "Status", "Will-Retry-Until")

// status reads a delivery status: fields in groups, with empty lines between them.
func (p *parts) status() (mark, error) {
	folds, found := false, false
	for {
		line, m, err := p.text(errReportSize)
		switch {
		case err != nil:
			return m, err
		case m != content && !found:
			return m, refuse(Unencrypted, errStatus)
		case m != content:
			return m, nil
		case len(line) == 0:
			folds = false
			continue
		case folds && (line[0] == ' ' || line[0] == '\t'):
			continue
		}
		name, _, ok := bytes.Cut(line, []byte(":"))
		if !ok || !isStatusField(string(name)) {
			return m, refuse(Unencrypted, errStatus)
		}
		folds, found = true, true
	}
}

func isStatusField(name string) bool {
	return statusFields(name) || len(name) > 2 && equalFold(name[:2], "X-") && isName(name, maxWord, "-")
}

// returned reads the last part: the message that was not delivered, or its header.
func (p *parts) returned(rs *readers) error {
	ct, err := p.part(returnedPart)
	if err != nil {
		return err
	}
	src := &partReader{p: p}
	r := bufio.NewReader(src)
	h, err := ReadHeader(r)
	if err != nil {
		return unencrypted(err)
	}
	if !h.named() {
		return refuse(Unencrypted, errReturned)
	}
	if ct.media == "message/rfc822" || ct.media == "message/global" {
		src.judged = true
		err = rs.copy(h, r)
	} else if _, end := r.ReadByte(); end == nil {
		err = errReturned
	}
	if err != nil {
		return unencrypted(err)
	}
	if src.end != closing {
		return refuse(Unencrypted, errParts)
	}
	return nil
}

// named says whether a header has one Message-ID (RFC 5322, section 3.6.4).
func (h *Header) named() bool {
	id, _ := h.one("Message-ID")
	return len(id) > 2 && id[0] == '<' && bytes.IndexByte(id, '>') == len(id)-1 && !bytes.ContainsAny(id, " \t")
}

// copy judges the copy of a message. Servers cut off long ones: the beginning of
// a message that may pass may pass.
func (rs *readers) copy(h *Header, r *bufio.Reader) error {
	body, err := rs.private(h)
	if err != nil {
		return errReturned
	}
	if err := body(r); !errors.Is(err, errCutOff) {
		return err
	}
	return nil
}

// unencrypted makes a refusal of err, if it is about the message at all.
func unencrypted(err error) error {
	if no, ok := errors.AsType[*Refusal](err); ok {
		return refuse(Unencrypted, no.Err)
	}
	if err == errReturned {
		return refuse(Unencrypted, err)
	}
	return err
}
