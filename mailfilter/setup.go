package mailfilter

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"io"

	"chatmaild/mailfilter/pgp"
)

var (
	errNotSetup    = errors.New("not an Autocrypt Setup Message")
	errSetupSize   = errors.New("too much text in an Autocrypt Setup Message")
	errSetupBase64 = errors.New("malformed base64 in an Autocrypt Setup Message")
)

// maxSetup bounds the text of an Autocrypt Setup Message, as it is encoded, and the
// HTML around its keys, in bytes. Clients write it in the user's language, so it cannot
// be known.
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
	return rs.multipart(ct, func(p *parts) error { return setupParts{p, rs}.read(setupPart) })
}

// setupParts are the parts of an Autocrypt Setup Message.
type setupParts struct {
	*parts
	readers *readers
}

// read reads a text and the keys. Delta Chat since 1.132 has them in a multipart of
// their own, the only part, in whose header it repeats the Message-ID.
func (p setupParts) read(first form) error {
	if err := p.preamble(true); err != nil {
		return err
	}
	ct, err := p.part(first)
	switch {
	case err != nil:
	case ct.media == "multipart/mixed":
		err = p.wrapped(ct)
	default:
		err = p.handover()
	}
	if err != nil {
		return err
	}
	return p.epilogue()
}

// wrapped reads the multipart that is the only part.
func (p setupParts) wrapped(ct contentType) error {
	if err := p.head.plain(); err != nil {
		return refuse(Unencrypted, err)
	}
	inner, err := p.readers.multipart(ct, func(inner *parts) error { return setupParts{inner, p.readers}.read(setupTextPart) })
	if err != nil {
		return refuse(Unencrypted, err)
	}
	src := &partReader{p: p.parts, judged: true}
	if err := inner(src); err != nil {
		return err
	}
	if src.end != closing {
		return refuse(Unencrypted, errParts)
	}
	return nil
}

// handover reads the text, whose header was read, and the part with the keys.
func (p setupParts) handover() error {
	p.room = maxSetup
	for m := content; m != opening; {
		var err error
		if _, m, err = p.text(errSetupSize); err != nil {
			return err
		}
		if m == closing {
			return refuse(Unencrypted, errParts)
		}
	}
	if _, err := p.part(keysPart); err != nil {
		return err
	}
	src := &partReader{p: p.parts, judged: true}
	var text io.Reader = src
	if encoding, _ := p.head.one("Content-Transfer-Encoding"); isBase64(string(encoding)) {
		text = base64.NewDecoder(base64.StdEncoding.Strict(), &padded{Reader: src})
	}
	if err := p.keys(bufio.NewReaderSize(text, MaxLine+len(crlf))); err != nil {
		return err
	}
	if src.end != closing {
		return refuse(Unencrypted, errParts)
	}
	return nil
}

// keys reads one armored message that stands in HTML. Delta Chat before 1.137.4 ends
// some lines with LF alone, in base64.
func (p setupParts) keys(text *bufio.Reader) error {
	a := &p.pgp
	a.Reset()
	begun := false
	for {
		line, err := text.ReadSlice('\n')
		if err == io.EOF && len(line) == 0 {
			break
		}
		if err != nil && err != io.EOF {
			return keysError(err)
		}
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte{'\n'}), []byte{'\r'})
		if bytes.ContainsAny(line, "\r\x00") {
			return refuse(Unencrypted, errBodyLine)
		}
		begun = begun || string(line) == pgp.Head
		if !begun || a.Done() && string(line) != pgp.Head {
			err = p.take(line, errSetupSize)
		} else if err = a.Line(line); err != nil {
			err = refuse(Unencrypted, err)
		}
		if err != nil {
			return err
		}
	}
	if err := a.Close(); err != nil {
		return refuse(Unencrypted, err)
	}
	return nil
}

// keysError shows what is wrong with the keys' part if it could not be read.
func keysError(err error) error {
	var corrupt base64.CorruptInputError
	switch {
	case err == bufio.ErrBufferFull:
		return refuse(Unencrypted, errBodyLine)
	case errors.As(err, &corrupt), err == io.ErrUnexpectedEOF:
		return refuse(Unencrypted, errSetupBase64)
	}
	return err
}

// padded is base64 that its padding ends. Some readers would read on, others not.
type padded struct {
	io.Reader
	ended bool
}

// Read implements io.Reader.
func (r *padded) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	for _, c := range b[:n] {
		if r.ended && c != '=' && c != '\r' && c != '\n' {
			return 0, refuse(Unencrypted, errSetupBase64)
		}
		r.ended = r.ended || c == '='
	}
	return n, err
}
