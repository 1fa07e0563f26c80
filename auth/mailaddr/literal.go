package mailaddr

import (
	"net/netip"
	"strings"
)

// Domain is what stands behind the @ of a relay's addresses, of which host is the domain
// or the bare IP address: the domain itself, or a literal.
func Domain(host string) string {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	return Literal(addr)
}

// Literal is an address literal, which stands for a domain (RFC 5321, section 4.1.3), in
// the one spelling that is compared: the address as in RFC 5952, and the tag in lower
// case, as Delta Chat and Dovecot write it.
func Literal(addr netip.Addr) string {
	if addr.Is6() {
		return "[ipv6:" + addr.String() + "]"
	}
	return "[" + addr.String() + "]"
}

// ParseLiteral reads a literal in any of its spellings: "[192.0.2.1]" and
// "[IPv6:2001:db8::1]".
func ParseLiteral(s string) (addr netip.Addr, ok bool) {
	s, opened := strings.CutPrefix(s, "[")
	s, closed := strings.CutSuffix(s, "]")
	if !opened || !closed {
		return netip.Addr{}, false
	}
	const tag = "IPv6:"
	six := len(s) > len(tag) && strings.EqualFold(s[:len(tag)], tag)
	if six {
		s = s[len(tag):]
	}
	addr, err := netip.ParseAddr(s)
	return addr, err == nil && addr.Is6() == six && !addr.Is4In6() && addr.Zone() == ""
}

// InURL is a host as a URL has it: an IPv6 address in brackets (RFC 3986, section 3.2.2).
func InURL(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}
