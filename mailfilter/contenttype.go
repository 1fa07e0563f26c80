package mailfilter

import (
	"errors"
	"strings"
)

// ErrCleartext is the Err of a Refusal that is about a message which does not even
// say that it is encrypted. Any other shows what is wrong with one that does.
var ErrCleartext = errors.New("not encrypted")

var (
	errContentType = errors.New("malformed Content-Type, or a parameter in it that may not be")
	errBoundary    = errors.New("missing or malformed boundary")
	errContent     = errors.New("a Content field with a value that no known program writes")
)

// contentType is a parsed Content-Type field (RFC 2045, section 5.1). mime's
// parser is not used: it takes RFC 2231 continuations for the parameter that
// they stand for, and drops what it cannot read.
type contentType struct {
	media  string // "type/subtype" in lower case
	params []param
}

// param is a parameter. Its name is in the case of the message.
type param struct{ name, value string }

// param returns the value of the parameter of that name, or "".
func (ct contentType) param(name string) string {
	for _, p := range ct.params {
		if equalFold(p.name, name) {
			return p.value
		}
	}
	return ""
}

// parseContentType parses a type of the given ones. It returns ErrCleartext
// for any other.
func parseContentType(value string, known media) (contentType, error) {
	name, rest, _ := strings.Cut(value, ";")
	ct := contentType{media: lowerString(strings.TrimRight(name, " \t"))}
	params, ok := known[ct.media]
	if !ok {
		return contentType{}, ErrCleartext
	}
	list, ok := parseParams(rest, params)
	if !ok {
		return contentType{}, errContentType
	}
	ct.params = list
	return ct, nil
}

// parseParams parses what follows the first semicolon of a Content-Type or
// Content-Disposition. It refuses parameters that are not known, given twice or
// without the value that they may have; comments; and everything after the last
// one but a semicolon.
func parseParams(rest string, known params) (list []param, ok bool) {
	if rest != "" {
		list = make([]param, 0, min(strings.Count(rest, ";")+1, len(known)))
	}
	for {
		rest = strings.TrimLeft(rest, " \t")
		if rest == "" {
			return list, true
		}
		name, after, _ := strings.Cut(rest, "=")
		value, size := paramValue(after)
		if size < 0 || len(list) == len(known) || !known.allow(name, value) {
			return nil, false
		}
		for _, p := range list {
			if equalFold(p.name, name) {
				return nil, false
			}
		}
		list = append(list, param{name, value})
		rest = strings.TrimLeft(after[size:], " \t")
		if rest == "" {
			return list, true
		}
		if rest[0] != ';' {
			return nil, false
		}
		rest = rest[1:]
	}
}

// paramValue returns the token or quoted string that s begins with, without
// the quotes, and the bytes that it takes, or -1. What a quoted string may
// hold is for the parameter to say; no parameter's value has a backslash, a
// semicolon or white space.
func paramValue(s string) (value string, size int) {
	if strings.HasPrefix(s, `"`) {
		end := strings.IndexByte(s[1:], '"')
		if end < 0 {
			return "", -1
		}
		return s[1 : 1+end], end + 2
	}
	for size < len(s) && isTokenChar(s[size]) {
		size++
	}
	if size == 0 {
		return "", -1
	}
	return s[:size], size
}

// isTokenChar: token of RFC 2045, section 5.1.
func isTokenChar(c byte) bool {
	return c > ' ' && c < 0x7f && strings.IndexByte(`()<>@,;:\"/[]?=`, c) < 0
}

// contentType parses the Content-Type of h, which must be there.
func (h *Header) contentType(known media) (contentType, error) {
	value, ok := h.one("Content-Type")
	if !ok {
		return contentType{}, ErrCleartext
	}
	return parseContentType(string(value), known)
}

// whole parses the Content-Type of a message that is shown as it stands.
func (h *Header) whole(known media) (contentType, error) {
	ct, err := h.contentType(known)
	if err == nil {
		err = h.plain()
	}
	return ct, err
}

// plain returns an error unless the fields that say how to show the message are of
// the same form as those of a part, and none of them twice.
func (h *Header) plain() error {
	for _, name := range [...]string{"Content-Transfer-Encoding", "Content-Disposition", "Content-Description", "Content-ID"} {
		if !has(h.fields, name) {
			continue
		}
		if value, ok := h.one(name); !ok || !(form{}).allow([]byte(name), value) {
			return errContent
		}
	}
	return nil
}
