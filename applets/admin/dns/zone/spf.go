package zone

import (
	"net/netip"
	"slices"
	"strings"
)

// spf is a record of RFC 7208 that says where a relay's mail comes from: from the
// addresses of the relay's host ("a", "a:HOST", or "mx", which is the same here) and from
// others.
type spf struct {
	host     bool
	prefixes []netip.Prefix
}

// spfRecord is the record for mail that comes from these addresses beside the host's,
// which has a term of its own.
func spfRecord(host string, others []netip.Prefix) string {
	terms := []string{"v=spf1", host}
	for _, p := range others {
		text := p.String()
		if p.IsSingleIP() {
			text = p.Addr().String()
		}
		if p.Addr().Is4() {
			terms = append(terms, "ip4:"+text)
		} else {
			terms = append(terms, "ip6:"+text)
		}
	}
	return strings.Join(append(terms, "~all"), " ")
}

// single are the prefixes of one address each.
func single(addrs []netip.Addr) (all []netip.Prefix) {
	for _, a := range addrs {
		a = a.Unmap()
		all = append(all, netip.PrefixFrom(a, a.BitLen()))
	}
	return all
}

// networks are where temporary addresses come from: the next one is in the same /64
// (RFC 8981 §3.3.1, RFC 4291 §2.5.1).
func networks(temporary []netip.Addr) (all []netip.Prefix) {
	for _, a := range temporary {
		if p := netip.PrefixFrom(a, 64).Masked(); !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

// merge is both, without what is part of another one.
func merge(addrs, networks []netip.Prefix) []netip.Prefix {
	addrs = slices.DeleteFunc(slices.Clone(addrs), func(a netip.Prefix) bool {
		return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(a.Addr()) })
	})
	return append(addrs, networks...)
}

// isSPF reports whether a text is meant to be such a record.
func isSPF(text string) bool { return strings.HasPrefix(strings.ToLower(text), "v=spf1") }

// spfHost is the term for the relay's host in a record that spfRecord made.
func spfHost(record string) string { return strings.Fields(record)[1] }

// parseSPF reads a record in which host is the term for the relay's host. It is not ok if
// others may send as well, or if what is not listed may: what the record includes from
// elsewhere is not known here. Where the relay has a host name of its own, those who have
// the domain's may send, too.
func parseSPF(text, host string) (r spf, ok bool) {
	terms := strings.Fields(strings.ToLower(text))
	if len(terms) < 3 || terms[0] != "v=spf1" {
		return r, false
	}
	last := len(terms) - 1
	if terms[last] != "~all" && terms[last] != "-all" {
		return r, false
	}
	for _, term := range terms[1:last] {
		term = strings.TrimPrefix(term, "+")
		kind, value, _ := strings.Cut(term, ":")
		switch {
		case term == host || term == "mx":
			r.host = true
		case kind == "ip4" || kind == "ip6":
			prefix, err := parsePrefix(value)
			if err != nil || prefix.Addr().Is4() != (kind == "ip4") {
				return r, false
			}
			r.prefixes = append(r.prefixes, prefix)
		case host == "a":
			return r, false
		}
	}
	return r, r.host || r.prefixes != nil || host == "a"
}

func parsePrefix(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		return netip.ParsePrefix(text)
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return addr.Prefix(addr.BitLen())
}

// permits reports whether mail may come from anywhere in a network, given the host's own
// addresses.
func (r spf) permits(from netip.Prefix, host []string) bool {
	if r.host && from.IsSingleIP() && slices.Contains(host, from.Addr().String()) {
		return true
	}
	return slices.ContainsFunc(r.prefixes, func(p netip.Prefix) bool { return p.Bits() <= from.Bits() && p.Contains(from.Addr()) })
}

// settleSPF judges the SPF record by the addresses that the host has in the DNS, and
// proposes one that permits all of the machine's own: mail comes from any of them.
func settleSPF(findings []Finding) {
	var host []string
	for _, f := range findings {
		if f.Type == A || f.Type == AAAA {
			if f.State == Unknown {
				return
			}
			host = append(host, f.Found...)
		}
	}
	if host == nil {
		return
	}
	for i := range findings {
		f := &findings[i]
		if f.Type != TXT || !isSPF(f.Value) || f.State == Unknown {
			continue
		}
		needs := slices.DeleteFunc(slices.Clone(f.Senders), func(p netip.Prefix) bool {
			return p.IsSingleIP() && slices.Contains(host, p.Addr().String())
		})
		term := spfHost(f.Value)
		f.Value = spfRecord(term, needs)
		if f.State != Fine {
			continue
		}
		found, _ := parseSPF(f.Found[0], term)
		if slices.ContainsFunc(f.Senders, func(p netip.Prefix) bool { return !found.permits(p, host) }) {
			f.State = Different
		}
	}
}
