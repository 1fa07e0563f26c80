package chat

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/mail"
	"slices"
	"strings"

	"github.com/emersion/go-message"
)

// maxFields is how much of a header is read, in bytes.
const maxFields = 1 << 20

type field struct{ name, value string }

// A part is one entity of a message that is written (RFC 2045): parts, or a body in the
// encoding that is named.
type part struct {
	kind     string
	params   map[string]string
	encoding string // "" for 7bit
	fields   []field
	body     []byte
	parts    []part
}

func textPart(text string) part {
	return part{
		kind: "text/plain", params: map[string]string{"charset": "utf-8"},
		encoding: "quoted-printable", body: append(crlf([]byte(text)), "\r\n"...),
	}
}

func filePart(f File) part {
	kind, _, err := mime.ParseMediaType(f.Type)
	if main, _, _ := strings.Cut(kind, "/"); err != nil || main == "multipart" || main == "message" {
		kind = "application/octet-stream"
	}
	disposition := mime.FormatMediaType("attachment", map[string]string{"filename": oneLine(f.Name)})
	return part{kind: kind, encoding: "base64", fields: []field{{"Content-Disposition", disposition}}, body: f.Data}
}

// header returns the fields, then those that describe the part; params are added to its
// type.
func (p *part) header(before []field, params map[string]string) (h message.Header) {
	fields := slices.Concat(before, p.fields)
	if p.encoding != "" {
		fields = append(fields, field{"Content-Transfer-Encoding", p.encoding})
	}
	for _, f := range slices.Backward(fields) { // each is added on top of the others
		h.Add(f.name, oneLine(f.value))
	}
	all := make(map[string]string)
	maps.Copy(all, p.params)
	maps.Copy(all, params)
	h.SetContentType(p.kind, all)
	return h
}

// render writes the fields, then the part; params are added to its type.
func render(fields []field, p part, params map[string]string) ([]byte, error) {
	var b bytes.Buffer
	w, err := message.CreateWriter(&b, p.header(fields, params))
	if err == nil {
		err = p.write(w)
	}
	if err != nil {
		return nil, fmt.Errorf("writing a message: %w", err)
	}
	return b.Bytes(), nil
}

func (p *part) write(w *message.Writer) error {
	for i := range p.parts {
		child, err := w.CreatePart(p.parts[i].header(nil, nil))
		if err != nil {
			return err
		}
		if err := p.parts[i].write(child); err != nil {
			return err
		}
	}
	if p.parts == nil {
		if _, err := io.Copy(w, bytes.NewReader(p.body)); err != nil {
			return err
		}
	}
	return w.Close()
}

// oneLine keeps what came from a stranger from beginning a field of its own.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}

// encoded returns the text of a field, as an encoded word if it is not ASCII
// (RFC 2047).
func encoded(s string) string { return mime.QEncoding.Encode("utf-8", oneLine(s)) }

func address(a mail.Address) string {
	if a.Name == "" {
		return "<" + a.Address + ">"
	}
	return (&mail.Address{Name: oneLine(a.Name), Address: a.Address}).String()
}

// crlf ends all lines as mail does.
func crlf(text []byte) []byte {
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))
}
