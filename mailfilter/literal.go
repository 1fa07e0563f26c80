package mailfilter

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
)

var (
	errLiteral = errors.New("the author's address literal is not the client's address")
	errFamily  = errors.New("the author's address literal is of another protocol than the client's address")
)

// An address literal instead of a domain (RFC 5321, section 4.1.3) has neither DNS nor a
// DKIM key. What proves it is that the client has that very address.

// parseLiteral reads "[192.0.2.1]" and "[IPv6:2001:db8::1]".
func parseLiteral(s string) (ip netip.Addr, ok bool) {
	s, opened := strings.CutPrefix(s, "[")
	s, closed := strings.CutSuffix(s, "]")
	if !opened || !closed {
		return netip.Addr{}, false
	}
	return parseClient(s)
}

// parseClient reads an address as it stands between the brackets of a literal, and of
// the Received fields that Postfix writes.
func parseClient(s string) (ip netip.Addr, ok bool) {
	const tag = "IPv6:"
	six := len(s) > len(tag) && equalFold(s[:len(tag)], tag)
	if six {
		s = s[len(tag):]
	}
	ip, err := netip.ParseAddr(s)
	return ip, err == nil && ip.Is6() == six && !ip.Is4In6() && ip.Zone() == ""
}

// literalDomain is the one spelling of a literal that we compare.
func literalDomain(ip netip.Addr) string {
	if ip.Is6() {
		return "[ipv6:" + ip.String() + "]"
	}
	return "[" + ip.String() + "]"
}

// provenLiteral says whether the client has the address that ip, the author's, is.
func (h *Header) provenLiteral(ip netip.Addr) error {
	switch client, ok := h.client(); {
	case ok && client == ip:
		return nil
	case ok && client.Is4() != ip.Is4():
		// A relay with both protocols may come by the other one next time.
		return refuse(LiteralFamily, errFamily)
	default:
		return refuse(ForgedLiteral, errLiteral)
	}
}

// client returns the address of the SMTP client, from the topmost field, which is the
// trace that our own smtpd adds to each message before it hands it over:
//
//	Received: from HELO (NAME [ADDRESS])
//		by …
//
// Postfix leaves neither spaces nor parentheses in what the client calls itself.
func (h *Header) client() (ip netip.Addr, ok bool) {
	if len(h.fields) == 0 || !equalFold(h.fields[0].name, "Received") {
		return netip.Addr{}, false
	}
	from, _, folded := bytes.Cut(h.fields[0].value, []byte("\r\n\tby "))
	from, ok = bytes.CutPrefix(from, []byte(" from "))
	_, from, named := bytes.Cut(from, []byte(" ("))
	_, from, opened := bytes.Cut(from, []byte(" ["))
	from, closed := bytes.CutSuffix(from, []byte("])"))
	if !folded || !ok || !named || !opened || !closed {
		return netip.Addr{}, false
	}
	return parseClient(string(from))
}
