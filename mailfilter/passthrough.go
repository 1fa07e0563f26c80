package mailfilter

import (
	"fmt"
	"strings"
)

// passthrough is a set of addresses and of whole domains.
type passthrough struct {
	addresses, domains map[string]bool
}

// parsePassthrough reads entries of the form "addr" and "@domain". Their case
// does not matter.
func parsePassthrough(entries []string) (passthrough, error) {
	p := passthrough{make(map[string]bool), make(map[string]bool)}
	for _, e := range entries {
		if domain, ok := parseDomain(strings.TrimPrefix(e, "@")); ok && e[0] == '@' {
			p.domains[domain] = true
			continue
		}
		a, err := parseAddress(e)
		if err != nil {
			return p, fmt.Errorf("passthrough %q: want \"addr\" or \"@domain\": %w", e, err)
		}
		p.addresses[a.String()] = true
	}
	return p, nil
}

// match says whether a is in the set.
func (p passthrough) match(a address) bool {
	return p.domains[a.domain] || len(p.addresses) > 0 && p.addresses[a.String()]
}

// matchAll says whether there are addresses and all are in the set.
func (p passthrough) matchAll(addrs []address) bool {
	for _, a := range addrs {
		if !p.match(a) {
			return false
		}
	}
	return len(addrs) > 0
}
