package chat

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"strings"
)

const (
	lineLength = 76      // of base64, and where header fields are folded
	maxFields  = 1 << 20 // octets of a header that is read
)

type field struct{ name, value string }

// A part is one entity of a message that is written (RFC 2045): parts, or
// octets in the encoding that is named.
type part struct {
	kind     string
	params   map[string]string
	encoding string // "" for 7bit
	fields   []field
	raw      []byte
	parts    []part
}

func textPart(text string) part {
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b)
	w.Write(crlf([]byte(text))) // to memory
	w.Close()
	return part{
		kind: "text/plain", params: map[string]string{"charset": "utf-8"},
		encoding: "quoted-printable", raw: append(b.Bytes(), "\r\n"...),
	}
}

func filePart(f File) part {
	kind, _, err := mime.ParseMediaType(f.Type)
	if main, _, _ := strings.Cut(kind, "/"); err != nil || main == "multipart" || main == "message" {
		kind = "application/octet-stream"
	}
	disposition := mime.FormatMediaType("attachment", map[string]string{"filename": oneLine(f.Name)})
	encoded := base64.StdEncoding.EncodeToString(f.Data)
	raw := make([]byte, 0, len(encoded)/lineLength*(lineLength+2)+lineLength+2)
	for encoded != "" {
		n := min(len(encoded), lineLength)
		raw = append(append(raw, encoded[:n]...), "\r\n"...)
		encoded = encoded[n:]
	}
	return part{kind: kind, encoding: "base64", fields: []field{{"Content-Disposition", disposition}}, raw: raw}
}

// render writes the fields, then the part; params are added to its type.
func render(fields []field, p part, params map[string]string) []byte {
	var b bytes.Buffer
	for _, f := range fields {
		writeField(&b, f)
	}
	p.params = maps.Clone(p.params)
	if p.params == nil {
		p.params = make(map[string]string)
	}
	maps.Copy(p.params, params)
	p.write(&b)
	return b.Bytes()
}

func (p *part) write(b *bytes.Buffer) {
	params := p.params
	var boundary string
	if p.parts != nil {
		boundary = rand.Text()
		params = maps.Clone(params)
		if params == nil {
			params = make(map[string]string)
		}
		params["boundary"] = boundary
	}
	writeField(b, field{"Content-Type", contentType(p.kind, params)})
	if p.encoding != "" {
		writeField(b, field{"Content-Transfer-Encoding", p.encoding})
	}
	for _, f := range p.fields {
		writeField(b, f)
	}
	b.WriteString("\r\n")
	if p.parts == nil {
		b.Write(p.raw)
		return
	}
	for i := range p.parts {
		fmt.Fprintf(b, "--%s\r\n", boundary)
		p.parts[i].write(b)
		b.WriteString("\r\n")
	}
	fmt.Fprintf(b, "--%s--\r\n", boundary)
}

// contentType quotes all values: the relays' filters and the clients read them.
func contentType(kind string, params map[string]string) string {
	for _, name := range []string{"charset", "protocol", "report-type", "protected-headers", "hp", "boundary"} {
		if value, ok := params[name]; ok {
			kind += fmt.Sprintf("; %s=%q", name, value)
		}
	}
	return kind
}

// writeField folds at spaces (RFC 5322, section 2.2.3).
func writeField(b *bytes.Buffer, f field) {
	line := len(f.name) + 1
	b.WriteString(f.name + ":")
	for i, word := range strings.Split(oneLine(f.value), " ") {
		if i > 0 && word != "" && line+1+len(word) > lineLength {
			b.WriteString("\r\n")
			line = 0
		}
		b.WriteString(" " + word)
		line += 1 + len(word)
	}
	b.WriteString("\r\n")
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
