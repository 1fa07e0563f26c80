package authoritative

import (
	"context"
	"fmt"

	"github.com/miekg/dns"

	"chatmaild/applets/lookup"
)

// answer is what a server said of a name.
type answer struct {
	values []string
	ttl    uint32 // of the last value, in seconds
	alias  string // the name that the last alias in the answer leads to
}

// exchange asks one server, without asking for recursion: it is to say what it
// knows itself.
func exchange(ctx context.Context, server, name, kind string) (answer, error) {
	code, ok := dns.StringToType[kind]
	if !ok {
		return answer{}, fmt.Errorf("unsupported record type %s", kind)
	}
	if _, ok := dns.IsDomainName(name); !ok {
		return answer{}, fmt.Errorf("%q is not a DNS name", name)
	}
	reply, err := lookup.Ask(ctx, server, name, code, false)
	if err != nil {
		return answer{}, err
	}
	return parse(reply, code)
}

// parse reads a reply: the values of the records of type code in it. A name that does
// not exist has none.
func parse(reply *dns.Msg, code uint16) (a answer, err error) {
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
		if record.Header().Rrtype != code {
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

// value writes a record's data as Values has it.
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
