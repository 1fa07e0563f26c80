package zone

import (
	"net/netip"
	"slices"
)

// addresses are the records of the relay's own addresses. Any of several will do. One
// that is not known, as behind a router, may be any.
func (r Relay) addresses() []Wanted {
	host := r.Host + "."
	v4 := required(host, A, "", "the relay's IPv4 address")
	v4.Value, v4.Also = values(r.IPv4)
	v6 := recommended(host, AAAA, "", "the relay's IPv6 address")
	v6.Value, v6.Also = values(r.IPv6)
	for _, a := range r.Temporary {
		v6.Not = append(v6.Not, a.String())
	}
	switch {
	case r.NoIPv6:
		v6.Value, v6.Also = "", nil
		v6.Absent, v6.Why = true, "disable_ipv6 is set: nothing listens there"
	case len(r.IPv6) == 0:
		return []Wanted{v4}
	}
	return []Wanted{v4, v6}
}

// values are those of an address record, the one to propose and the others.
func values(addrs []netip.Addr) (first string, also []string) {
	for i, a := range addrs {
		if text := a.Unmap().String(); i == 0 {
			first = text
		} else {
			also = append(also, text)
		}
	}
	return first, also
}

// compareAddress says how a record of the relay's own address stands. One that is not
// this machine's can be right: a floating address, or that of a router, is on no
// interface. One that the system replaces tomorrow is not.
func compareAddress(w Wanted, found []string) State {
	ours := func(value string) bool {
		return w.Value == "" || value == w.Value || slices.Contains(w.Also, value)
	}
	passing := func(value string) bool { return slices.Contains(w.Not, value) }
	switch {
	case w.Absent && len(found) > 0, slices.ContainsFunc(found, passing):
		return Different
	case w.Absent, slices.ContainsFunc(found, ours):
		return Fine
	case len(found) > 0:
		return Elsewhere
	}
	return Missing
}

// CompareAlias judges an alias that is not there by the addresses of its name and of what
// it would lead to: some web forms have no aliases, and others resolve them on their own.
func CompareAlias(f Finding, own, target []string) Finding {
	if f.Type != CNAME || f.State != Missing || len(own) == 0 {
		return f
	}
	f.Found, f.State = own, Fine
	for _, address := range own {
		if !slices.Contains(target, address) {
			f.State = Different
		}
	}
	return f
}

// Settle judges what no record shows alone: a relay that has an IPv6 address in the DNS
// can be reached without an IPv4 address, and which addresses SPF has to name depends on
// which the domain has.
func Settle(findings []Finding) {
	settleSPF(findings)
	there := slices.ContainsFunc(findings, func(f Finding) bool {
		return f.Type == AAAA && !f.Absent && len(f.Found) > 0
	})
	for i := range findings {
		if f := &findings[i]; there && f.Type == A && f.State == Missing {
			f.Required, f.Why = false, "without it, IPv4-only clients and servers cannot reach the relay"
		}
	}
}
