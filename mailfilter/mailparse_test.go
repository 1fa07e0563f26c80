package mailfilter_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime/quotedprintable"
	"strings"
	"unicode/utf8"
)

// What follows is a model of the rules by which mailparse reads, the parser that
// Delta Chat uses (github.com/staktrace/mailparse, 0.13 to 0.16). It is more lenient
// than the filter in about every way, which is what it is for.

// entity is a message or a part as mailparse sees it.
type entity struct {
	fields   []mailparseField
	media    string
	params   map[string]string
	body     string // of a multipart: what is before its first part
	children []*entity
}

type mailparseField struct{ name, value string }

// mailparse parses a message, as deep as it goes.
func mailparse(raw string) (*entity, error) {
	e := &entity{media: "text/plain"}
	at, err := e.header(raw)
	if err != nil {
		return nil, err
	}
	if value, ok := e.first("Content-Type"); ok {
		e.media, e.params = mailparseParams(value)
		e.media = strings.ToLower(e.media)
	}
	e.body = raw[at:]
	boundary, ok := e.params["boundary"]
	if !strings.HasPrefix(e.media, "multipart/") || !ok || len(raw) <= at {
		return e, nil
	}
	delimiter := "--" + boundary
	start := lineWith(raw, at, delimiter)
	if start < 0 {
		return e, nil
	}
	e.body = withoutLineEnd(raw[at:start])
	for end := start + len(delimiter); ; {
		newline := strings.IndexByte(raw[end:], '\n')
		if newline < 0 {
			return e, nil
		}
		from := end + newline + 1
		content, next := raw[from:], lineWith(raw, from, delimiter)
		if next >= 0 {
			content = withoutLineEnd(raw[from:next])
		}
		child, err := mailparse(content)
		if err != nil {
			return nil, err
		}
		e.children = append(e.children, child)
		if next < 0 {
			return e, nil
		}
		end = next + len(delimiter)
		if end+2 > len(raw) || raw[end:end+2] == "--" {
			return e, nil
		}
	}
}

// lineWith returns where the first line begins, from at on, that begins with prefix.
// The place to search from counts as the beginning of a line.
func lineWith(raw string, at int, prefix string) int {
	for i := at; ; i++ {
		found := strings.Index(raw[i:], prefix)
		if found < 0 {
			return -1
		}
		i += found
		if i == at || raw[i-1] == '\n' {
			return i
		}
	}
}

func withoutLineEnd(s string) string {
	if cut, ok := strings.CutSuffix(s, "\n"); ok {
		return strings.TrimSuffix(cut, "\r")
	}
	return s
}

// header takes fields up to an empty line. A line without a colon is a field with
// no value; spaces before the value go, and a line that begins with white space
// belongs to the field before it.
func (e *entity) header(raw string) (end int, err error) {
	at := 0
	for at < len(raw) {
		switch {
		case raw[at] == '\n':
			return at + 1, nil
		case strings.HasPrefix(raw[at:], "\r\n"):
			return at + 2, nil
		case raw[at] == '\r':
			return 0, fmt.Errorf("mailparse: lone CR after the header")
		case raw[at] == ' ':
			return 0, fmt.Errorf("mailparse: header begins with a space")
		}
		line := raw[at:]
		if n := strings.IndexByte(line, '\n'); n >= 0 {
			line = line[:n+1]
		}
		name, _, ok := strings.Cut(line, ":")
		if !ok {
			e.fields = append(e.fields, mailparseField{name: strings.TrimSuffix(line, "\n")})
			at += len(line)
			continue
		}
		from := at + len(name) + 1
		for from < len(raw) && raw[from] == ' ' {
			from++
		}
		to := from
		for to < len(raw) {
			n := strings.IndexByte(raw[to:], '\n')
			if n < 0 {
				to = len(raw)
				break
			}
			to += n + 1
			if to == len(raw) || raw[to] != ' ' && raw[to] != '\t' {
				break
			}
		}
		e.fields = append(e.fields, mailparseField{name, strings.TrimRight(raw[from:to], "\r\n")})
		at = to
	}
	return at, nil
}

// first returns the value of the first field of that name, unfolded and decoded.
func (e *entity) first(name string) (string, bool) {
	for _, f := range e.fields {
		if strings.EqualFold(f.name, name) && len(f.name) == len(name) {
			return mailparseValue(f.value), true
		}
	}
	return "", false
}

// mailparseValue joins the lines of a value with single spaces, and decodes encoded
// words wherever they stand, also in quotes.
func mailparseValue(raw string) string {
	if !utf8.ValidString(raw) {
		var b strings.Builder
		for i := range len(raw) {
			b.WriteRune(rune(raw[i]))
		}
		raw = b.String()
	}
	var out strings.Builder
	for i, line := range strings.Split(raw, "\n") {
		if i > 0 {
			out.WriteByte(' ')
		}
		decodeWords(&out, strings.TrimLeft(strings.TrimSuffix(line, "\r"), " \t\v\f\r\u0085\u00a0"))
	}
	return out.String()
}

func decodeWords(out *strings.Builder, line string) {
	const around = " \t\v\f\r\"()<>,"
	for {
		start := strings.Index(line, "=?")
		if start < 0 {
			out.WriteString(line)
			return
		}
		if start > 0 && !strings.ContainsRune(around, rune(line[start-1])) {
			out.WriteString(line[:start+2])
			line = line[start+2:]
			continue
		}
		out.WriteString(line[:start])
		rest := line[start+2:]
		end := 0
		for {
			n := strings.Index(rest[end:], "?=")
			if n < 0 {
				out.WriteString(line[start:])
				return
			}
			end += n
			if after := rest[end+2:]; after == "" || strings.ContainsRune(around, rune(after[0])) {
				break
			}
			end += 2
		}
		if text, ok := decodeWord(rest[:end]); ok {
			out.WriteString(text)
		} else {
			out.WriteString(line[start : start+2+end+2])
		}
		line = rest[end+2:]
	}
}

// decodeWord takes each charset for one in which ASCII is ASCII.
func decodeWord(word string) (string, bool) {
	charset, rest, _ := strings.Cut(word, "?")
	encoding, text, ok := strings.Cut(rest, "?")
	switch {
	case !ok || charset == "":
		return "", false
	case strings.EqualFold(encoding, "b"):
		decoded, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
		return string(decoded), err == nil
	case strings.EqualFold(encoding, "q"):
		decoded, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(strings.ReplaceAll(text, "_", " "))))
		return string(decoded), err == nil
	}
	return "", false
}

// decoded returns the body of a part without its base64, of which white space is not a part.
func (e *entity) decoded() (string, error) {
	encoding, _ := e.first("Content-Transfer-Encoding")
	if !strings.EqualFold(strings.TrimSpace(encoding), "base64") {
		return e.body, nil
	}
	text, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(e.body), ""))
	return string(text), err
}

// mailparseParams splits at each semicolon, also in quotes. The last parameter of
// a name wins; then pieces are put together (RFC 2231) where there is no whole one.
func mailparseParams(value string) (string, map[string]string) {
	pieces := strings.Split(value, ";")
	params := make(map[string]string)
	for _, piece := range pieces[1:] {
		name, v, ok := strings.Cut(piece, "=")
		if !ok {
			continue
		}
		v = strings.TrimSpace(v)
		if len(v) > 1 && v[0] == '"' && v[len(v)-1] == '"' {
			v = v[1 : len(v)-1]
		}
		params[strings.ToLower(strings.TrimSpace(name))] = v
	}
	for name, v := range params {
		bare, ok := strings.CutSuffix(name, "*")
		if _, whole := params[bare]; ok && !whole {
			if parts := strings.SplitN(v, "'", 3); len(parts) == 3 {
				v = parts[2]
			}
			params[bare] = percentDecode(v)
		}
	}
	for name := range params {
		bare, ok := strings.CutSuffix(name, "*0")
		if _, whole := params[bare]; !ok || whole {
			continue
		}
		var all strings.Builder
		for i := 0; ; i++ {
			v, more := params[fmt.Sprintf("%s*%d", bare, i)]
			if !more {
				break
			}
			all.WriteString(v)
		}
		params[bare] = all.String()
	}
	return strings.TrimSpace(pieces[0]), params
}

func percentDecode(s string) string {
	var out bytes.Buffer
	for i := 0; i < len(s); i++ {
		var char byte
		if s[i] == '%' && i+2 < len(s) {
			if _, err := fmt.Sscanf(s[i+1:i+3], "%02x", &char); err == nil {
				out.WriteByte(char)
				i += 2
				continue
			}
		}
		out.WriteByte(s[i])
	}
	return out.String()
}
