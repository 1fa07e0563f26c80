package resolver

import (
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"chatmaild/applets/admin/dns/zone"
)

// typeCAA is the type of a CAA record (RFC 8659 §4.1), which dnsmessage does not
// know.
const typeCAA dnsmessage.Type = 257

var codes = map[zone.Type]dnsmessage.Type{
	zone.A: dnsmessage.TypeA, zone.AAAA: dnsmessage.TypeAAAA, zone.MX: dnsmessage.TypeMX,
	zone.CNAME: dnsmessage.TypeCNAME, zone.TXT: dnsmessage.TypeTXT, zone.SRV: dnsmessage.TypeSRV,
	zone.CAA: typeCAA,
}

// answer is what a server said of a name.
type answer struct {
	values []string
	ttl    uint32 // of the last value, in seconds
	alias  string // the name that the last alias in the answer leads to
}

// parse reads a reply: the values of the records of type t in it. A name that does
// not exist has none.
func parse(reply []byte, t zone.Type) (a answer, err error) {
	var p dnsmessage.Parser
	h, err := p.Start(reply)
	if err != nil {
		return a, fmt.Errorf("reading the answer: %w", err)
	}
	switch {
	case h.RCode == dnsmessage.RCodeNameError:
		return a, nil
	case h.RCode != dnsmessage.RCodeSuccess:
		return a, fmt.Errorf("the server says %s", strings.TrimPrefix(h.RCode.String(), "RCode"))
	}
	if err := p.SkipAllQuestions(); err != nil {
		return a, fmt.Errorf("reading the answer: %w", err)
	}
	for {
		r, err := p.Answer()
		if err == dnsmessage.ErrSectionDone {
			return a, nil
		}
		if err != nil {
			return answer{}, fmt.Errorf("reading the answer: %w", err)
		}
		if alias, ok := r.Body.(*dnsmessage.CNAMEResource); ok {
			a.alias = alias.CNAME.String()
		}
		if r.Header.Type != codes[t] {
			continue
		}
		text, err := value(r.Body)
		if err != nil {
			return answer{}, err
		}
		a.values, a.ttl = append(a.values, text), r.Header.TTL
	}
}

// value writes a record's data as zone.Record has it.
func value(body dnsmessage.ResourceBody) (string, error) {
	switch b := body.(type) {
	case *dnsmessage.AResource:
		return netip.AddrFrom4(b.A).String(), nil
	case *dnsmessage.AAAAResource:
		return netip.AddrFrom16(b.AAAA).String(), nil
	case *dnsmessage.MXResource:
		return fmt.Sprintf("%d %s", b.Pref, b.MX), nil
	case *dnsmessage.CNAMEResource:
		return b.CNAME.String(), nil
	case *dnsmessage.TXTResource:
		return strings.Join(b.TXT, ""), nil
	case *dnsmessage.SRVResource:
		return fmt.Sprintf("%d %d %d %s", b.Priority, b.Weight, b.Port, b.Target), nil
	case *dnsmessage.UnknownResource:
		return caa(b.Data)
	default:
		return "", fmt.Errorf("a record of type %T, which was not asked for", body)
	}
}

// caa reads flags, tag and value (RFC 8659 §4.1).
func caa(data []byte) (string, error) {
	if len(data) < 2 || len(data) < 2+int(data[1]) {
		return "", fmt.Errorf("a CAA record of %d octets is too short", len(data))
	}
	tag, value := data[2:2+data[1]], data[2+data[1]:]
	return fmt.Sprintf("%d %s %q", data[0], tag, value), nil
}
