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
		if domain, ok := strings.CutPrefix(e, "@"); ok && isDomain(domain) {
			p.domains[lowerString(domain)] = true
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

// match says whether addr is in the set. What is no plain address never is,
// so that no quoting or routing takes one address for another.
func (p passthrough) match(addr string) bool {
	if len(p.addresses) == 0 && len(p.domains) == 0 {
		return false
	}
	a, err := parseAddress(addr)
	return err == nil && (p.domains[a.domain] || p.addresses[a.String()])
}

// matchAll says whether there are addresses and all are in the set.
func (p passthrough) matchAll(addrs []string) bool {
	for _, addr := range addrs {
		if !p.match(addr) {
			return false
		}
	}
	return len(addrs) > 0
}
