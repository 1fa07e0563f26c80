package mailfilter

import (
	"errors"
	"strings"
	"unicode/utf8"
)

var errFrom = errors.New("header From is not exactly one mail address")

// author returns the only address of the From field (RFC 5322, section 3.6.2), which
// has to be canonical if it is of our own domain.
func (h *Header) author(own domains) (address, error) {
	value, ok := h.one("From")
	if !ok || !utf8.Valid(value) {
		return address{}, errFrom
	}
	spec, err := mailboxSpec(string(value))
	if err != nil {
		return address{}, err
	}
	a, err := own.parse(spec)
	if err != nil {
		return address{}, errFrom
	}
	return a, nil
}

// mailboxSpec finds the address in one mailbox: "addr", "name <addr>", or
// "addr (name)", which Postfix and cron write. Groups, routes, lists and any
// other comments are refused, because readers do not agree on them; so are
// angle brackets in a quoted name, which make naive ones see another address. A name
// may be the address once more without quotes, as some programs write it, but no
// other address. "Doe, Joe <addr>" is a list, of which some readers take the first
// and mailparse none.
func mailboxSpec(s string) (string, error) {
	if spec, comment, ok := strings.Cut(s, " ("); ok && !strings.ContainsAny(spec, "\"<") {
		text, ok := strings.CutSuffix(comment, ")")
		if !ok || strings.ContainsAny(text, "()<>@\"\\,;:") {
			return "", errFrom
		}
		return strings.TrimRight(spec, " \t"), nil
	}
	open := strings.LastIndexByte(s, '<')
	if open < 0 {
		return s, nil
	}
	spec, ok := strings.CutSuffix(s[open+1:], ">")
	if name := strings.Trim(s[:open], " \t"); !ok || !isPhrase(name) && !equalFold(name, spec) {
		return "", errFrom
	}
	return spec, nil
}

// isPhrase says whether s is a display name: words, dots and quoted strings
// (RFC 5322, sections 3.2.5 and 4.1). Encoded words are words to it, and are
// never decoded. The empty name is one.
func isPhrase(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			n := quotedEnd(s[i:])
			if n < 0 || strings.ContainsAny(s[i:i+n], "<>") {
				return false
			}
			i += n - 1
		case c == ' ', c == '\t', c == '.', isAtomChar(c):
		default:
			return false
		}
	}
	return true
}

// quotedEnd returns the size of the quoted string that s begins with, or -1.
func quotedEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}
