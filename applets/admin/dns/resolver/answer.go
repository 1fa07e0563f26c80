package resolver

import (
	"context"
	"fmt"

	"github.com/miekg/dns"

	"chatmaild/applets/admin/dns/zone"
	"chatmaild/applets/lookup"
)

var codes = map[zone.Type]uint16{
	zone.A: dns.TypeA, zone.AAAA: dns.TypeAAAA, zone.MX: dns.TypeMX, zone.CNAME: dns.TypeCNAME,
	zone.TXT: dns.TypeTXT, zone.SRV: dns.TypeSRV, zone.CAA: dns.TypeCAA,
}

// answer is what a server said of a name.
type answer struct {
	values []string
	ttl    uint32 // of the last value, in seconds
	alias  string // the name that the last alias in the answer leads to
}

// exchange asks one server, without asking for recursion: it is to say what it
// knows itself.
func exchange(ctx context.Context, server, name string, t zone.Type) (answer, error) {
	code, ok := codes[t]
	if !ok {
		return answer{}, fmt.Errorf("record type %s is not known here", t)
	}
	if _, ok := dns.IsDomainName(name); !ok {
		return answer{}, fmt.Errorf("%q is not a DNS name", name)
	}
	reply, err := lookup.Ask(ctx, server, name, code, false)
	if err != nil {
		return answer{}, err
	}
	return parse(reply, t)
}

// parse reads a reply: the values of the records of type t in it. A name that does
// not exist has none.
func parse(reply *dns.Msg, t zone.Type) (a answer, err error) {
	switch reply.Rcode {
	case dns.RcodeSuccess:
	case dns.RcodeNameError:
		return a, nil
	default:
		return a, fmt.Errorf("the name server answers %s", dns.RcodeToString[reply.Rcode])
	}
	for _, record := range reply.Answer {
		if alias, ok := record.(*dns.CNAME); ok {
			a.alias = alias.Target
		}
		if record.Header().Rrtype != codes[t] {
			continue
		}
		text, err := value(record)
		if err != nil {
			return answer{}, err
		}
		a.values, a.ttl = append(a.values, text), record.Header().Ttl
	}
	return a, nil
}

// value writes a record's data as zone.Record has it.
func value(record dns.RR) (string, error) {
	switch r := record.(type) {
	case *dns.A:
		return r.A.String(), nil
	case *dns.AAAA:
		return r.AAAA.String(), nil
	case *dns.MX:
		return fmt.Sprintf("%d %s", r.Preference, r.Mx), nil
	case *dns.CNAME:
		return r.Target, nil
	case *dns.TXT:
		return lookup.Text(r), nil
	case *dns.SRV:
		return fmt.Sprintf("%d %d %d %s", r.Priority, r.Weight, r.Port, r.Target), nil
	case *dns.CAA:
		return fmt.Sprintf("%d %s %q", r.Flag, r.Tag, r.Value), nil
	default:
		return "", fmt.Errorf("a record of type %T, which was not asked for", record)
	}
}
