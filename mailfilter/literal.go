package mailfilter

import (
	"bytes"
	"errors"
	"net/netip"

	"chatmaild/auth/mailaddr"
)

var (
	errLiteral = errors.New("the author's address literal is not the client's address")
	errFamily  = errors.New("the author's address literal is of another protocol than the client's address")
)

// An address literal instead of a domain (RFC 5321, section 4.1.3) has neither DNS nor a
// DKIM key. What proves it is that the client has that very address.

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
// trace that our own smtpd adds to each message before it hands it over, with the address
// as between the brackets of a literal:
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
	return mailaddr.ParseLiteral("[" + string(from) + "]")
}
