package mailfilter

import (
	"errors"
	"strings"
)

var (
	errContentType = errors.New("malformed content type")
	errBoundary    = errors.New("missing or malformed boundary")
	errEncoding    = errors.New("transfer encoding that hides the content")
)

// maxBoundary is the greatest size of a boundary (RFC 2046, section 5.1.1), and
// maxParams how many parameters a type may have.
const (
	maxBoundary = 70
	maxParams   = 16
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

// param returns the value of the parameter of that name.
func (ct contentType) param(name string) (value string, ok bool) {
	for _, p := range ct.params {
		if equalFold(p.name, name) {
			return p.value, true
		}
	}
	return "", false
}

// parseContentType refuses comments, parameters given twice, more of them than
// maxParams, and everything after the last one but a semicolon.
func parseContentType(value string) (contentType, error) {
	bad := contentType{}
	media, rest, _ := strings.Cut(value, ";")
	media = strings.TrimRight(media, " \t")
	major, minor, _ := strings.Cut(media, "/")
	if !isToken(major) || !isToken(minor) {
		return bad, errContentType
	}
	ct := contentType{media: lowerString(media)}
	if rest != "" {
		ct.params = make([]param, 0, min(strings.Count(rest, ";")+1, maxParams))
	}
	for {
		rest = strings.TrimLeft(rest, " \t")
		if rest == "" {
			return ct, nil
		}
		name, after, ok := strings.Cut(rest, "=")
		if !ok || !isToken(name) {
			return bad, errContentType
		}
		val, size := paramValue(after)
		if size < 0 {
			return bad, errContentType
		}
		if _, twice := ct.param(name); twice || len(ct.params) == maxParams {
			return bad, errContentType
		}
		ct.params = append(ct.params, param{name, val})
		rest = strings.TrimLeft(after[size:], " \t")
		if rest == "" {
			return ct, nil
		}
		if rest[0] != ';' {
			return bad, errContentType
		}
		rest = rest[1:]
	}
}

// paramValue returns the token or quoted string that s begins with, without
// the quotes, and the octets that it takes, or -1. A quoted string with a
// backslash is refused: readers do not agree on what that quotes.
func paramValue(s string) (value string, size int) {
	if strings.HasPrefix(s, `"`) {
		end := strings.IndexByte(s[1:], '"')
		if end < 0 || strings.IndexByte(s[1:1+end], '\\') >= 0 {
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

func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenChar(s[i]) {
			return false
		}
	}
	return s != ""
}

// isTokenChar: token of RFC 2045, section 5.1.
func isTokenChar(c byte) bool {
	return c > ' ' && c < 0x7f && strings.IndexByte(`()<>@,;:\"/[]?=`, c) < 0
}

// boundary returns the boundary of a multipart, which must be written as the
// one parameter of that name (RFC 2046, section 5.1.1).
func (ct contentType) boundary() (string, error) {
	for _, p := range ct.params {
		if strings.HasPrefix(lowerString(p.name), "boundary*") {
			return "", errBoundary
		}
	}
	b, _ := ct.param("boundary")
	if b == "" || len(b) > maxBoundary || b[len(b)-1] == ' ' {
		return "", errBoundary
	}
	for i := range len(b) {
		if !isAlnum(b[i]) && strings.IndexByte("'()+_,-./:=? ", b[i]) < 0 {
			return "", errBoundary
		}
	}
	return b, nil
}

// contentType parses the Content-Type of h, which must be there.
func (h *Header) contentType() (contentType, error) {
	value, ok := h.one("Content-Type")
	if !ok {
		return contentType{}, errContentType
	}
	return parseContentType(string(value))
}

// identity returns an error unless the content is as it stands, in one of the
// encodings that change nothing (RFC 2045, section 6.2).
func (h *Header) identity() error {
	if !has(h.fields, "Content-Transfer-Encoding") {
		return nil
	}
	value, _ := h.one("Content-Transfer-Encoding")
	for _, name := range []string{"7bit", "8bit", "binary"} {
		if equalFold(value, name) {
			return nil
		}
	}
	return errEncoding
}
