package mailfilter

import (
	"errors"
	"strings"
	"unicode/utf8"
)

var (
	errAddress = errors.New("not a mail address")
	errFrom    = errors.New("header From is not exactly one mail address")
)

// The limits of RFC 5321, section 4.5.3.1, in octets.
const (
	maxLocalPart = 64
	maxDomain    = 255
)

// address is a mail address that has passed parseAddress.
type address struct{ local, domain string }

func (a address) String() string { return a.local + "@" + a.domain }

// parseAddress accepts the addresses that are safe to look up and to compare:
// a dot-atom, "@", and a domain name or literal (RFC 5321, section 4.1.2; UTF-8
// as in RFC 6531). Of what that allows, quoted local parts are not accepted,
// nor is a slash, because mailboxes are folders with the name of the address.
// The result is in lower case, as far as ASCII goes.
func parseAddress(s string) (address, error) {
	at := strings.LastIndexByte(s, '@')
	if at < 0 || !utf8.ValidString(s) {
		return address{}, errAddress
	}
	local, domain := s[:at], s[at+1:]
	if len(local) > maxLocalPart || !dotted(local, isLocalChar) || !isDomain(domain) {
		return address{}, errAddress
	}
	return address{lowerString(local), lowerString(domain)}, nil
}

func isDomain(s string) bool {
	if len(s) > maxDomain {
		return false
	}
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		return len(s) > 2 && !strings.ContainsFunc(s[1:len(s)-1], notLiteralChar)
	}
	return dotted(s, isDomainChar)
}

// dotted says whether s consists of atoms with single dots between them.
func dotted(s string, atom func(byte) bool) bool {
	dot := true
	for i := range len(s) {
		switch {
		case s[i] == '.' && dot:
			return false
		case s[i] != '.' && !atom(s[i]):
			return false
		}
		dot = s[i] == '.'
	}
	return !dot
}

// isAtomChar: atext of RFC 5322, section 3.2.3, and RFC 6532.
func isAtomChar(c byte) bool {
	return isAlnum(c) || c >= utf8.RuneSelf || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

func isLocalChar(c byte) bool { return isAtomChar(c) && c != '/' }

func isDomainChar(c byte) bool {
	return isAlnum(c) || c == '-' || c == '_' || c >= utf8.RuneSelf
}

// notLiteralChar is false for what IPv4 and IPv6 literals are written with.
func notLiteralChar(c rune) bool {
	return c >= utf8.RuneSelf || !isAlnum(byte(c)) && c != '.' && c != ':'
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// base returns the address without the part after the recipient delimiter:
// the mailbox of user+tag@ is user@.
func (a address) base() (address, error) {
	local, _, _ := strings.Cut(a.local, "+")
	if !dotted(local, isLocalChar) {
		return address{}, errAddress
	}
	return address{local, a.domain}, nil
}

// lowerString maps ASCII letters alone. strings.ToLower maps the Kelvin sign
// to k, and with that one address to another.
func lowerString(s string) string {
	for i := range len(s) {
		if lower(s[i]) != s[i] {
			b := []byte(s)
			for i := range b {
				b[i] = lower(b[i])
			}
			return string(b)
		}
	}
	return s
}

// printable replaces what does not belong into a reply line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f {
			return '?'
		}
		return r
	}, s)
}

// author returns the only address of the From field (RFC 5322, section 3.6.2).
func (h *Header) author() (address, error) {
	value, ok := h.one("From")
	if !ok || !utf8.Valid(value) {
		return address{}, errFrom
	}
	spec, err := mailboxSpec(string(value))
	if err != nil {
		return address{}, err
	}
	a, err := parseAddress(spec)
	if err != nil {
		return address{}, errFrom
	}
	return a, nil
}

// mailboxSpec finds the address in one mailbox: "addr", "name <addr>", or
// "addr (name)", which Postfix and cron write. Groups, routes, lists and any
// other comments are refused, because readers do not agree on them; so are
// angle brackets in a quoted name, which make naive ones see another address.
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
	if !ok || !isPhrase(s[:open]) {
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
