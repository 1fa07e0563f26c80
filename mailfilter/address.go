package mailfilter

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"chatmaild/auth/mailaddr"
)

var (
	errAddress = errors.New("not a mail address")
	errForeign = errors.New("not an address of this relay")
)

// The limits of RFC 5321, section 4.5.3.1, in bytes.
const (
	maxLocalPart = 64
	maxDomain    = 255
)

// address is a mail address in lower case, as far as ASCII goes.
type address struct {
	local, domain string

	// mailbox is the address without its tag if it is one of ours, otherwise "".
	mailbox string
}

func (a address) String() string { return a.local + "@" + a.domain }

// domains are the mail domains of the relay itself, in lower case.
type domains []string

func newDomains(names []string) domains {
	own := make(domains, len(names))
	for i, name := range names {
		own[i] = lowerString(name)
	}
	return own
}

// parse reads an address of an envelope or a header. Of our own domains it accepts what
// package mailaddr accepts: any other spelling may be a user's address for Postfix or
// Dovecot, and nobody's for us. Quotes, routes, "%" and "!" are such spellings (RFC 5321,
// section 4.1.2; RFC 1123, section 5.2.16).
func (own domains) parse(s string) (address, error) {
	a, err := parseAddress(s)
	if err != nil || !slices.Contains(own, a.domain) {
		return a, err
	}
	mailbox, err := mailaddr.ParseRecipient(s, a.domain)
	if err != nil {
		return address{}, errAddress
	}
	a.mailbox = mailbox.String()
	return a, nil
}

// postmaster is the one address that needs no domain (RFC 5321, section 4.5.1).
const postmaster = "postmaster"

// recipient reads a forward-path.
func (own domains) recipient(s string) (address, error) {
	if equalFold(s, postmaster) && len(own) > 0 {
		s = postmaster + "@" + own[0]
	}
	return own.parse(s)
}

// recipients reads all forward-paths of an envelope.
func (own domains) recipients(paths []string) ([]address, error) {
	to := make([]address, len(paths))
	for i, path := range paths {
		var err error
		if to[i], err = own.recipient(path); err != nil {
			return nil, err
		}
	}
	return to, nil
}

// parseAddress accepts the addresses that are safe to compare: a dot-atom, "@", and a
// domain name in ASCII or a literal (RFC 5321, section 4.1.2; the local part may be UTF-8
// as in RFC 6531). Of what that allows, quoted local parts are not accepted.
func parseAddress(s string) (address, error) {
	at := strings.LastIndexByte(s, '@')
	if at < 0 || at > maxLocalPart || !utf8.ValidString(s) || !dotted(s[:at], isAtomChar) {
		return address{}, errAddress
	}
	domain, ok := parseDomain(s[at+1:])
	if !ok {
		return address{}, errAddress
	}
	return address{local: lowerString(s[:at]), domain: domain}, nil
}

// parseDomain returns a domain in lower case, and an address literal in its only
// spelling. An IPv4 address without brackets is no domain (RFC 1123, section 2.1), and
// Postfix takes no domain of digits alone either.
func parseDomain(s string) (domain string, ok bool) {
	if strings.HasPrefix(s, "[") {
		ip, ok := mailaddr.ParseLiteral(s)
		return mailaddr.Literal(ip), ok
	}
	return lowerString(s), len(s) <= maxDomain && dotted(s, isDomainChar) && strings.Trim(s, "0123456789.") != ""
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

// isDomainChar: an internationalized domain comes as its A-labels (RFC 5890, section
// 2.3.2.1). Readers differ in what else they take for the same domain.
func isDomainChar(c byte) bool { return isAlnum(c) || c == '-' || c == '_' }

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
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
