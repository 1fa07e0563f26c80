package dns

import (
	"net/netip"
	"slices"

	"chatmaild/applets/admin/dns/zone"
)

// behindProxies changes what a relay's records depend on to what they are with
// machines in front of it: its name is theirs, and its mail still comes from
// itself.
func behindProxies(relay *zone.Relay, proxies []netip.Addr) {
	if len(proxies) == 0 {
		return
	}
	// SPF has to allow them by address, since the A record is no longer theirs.
	relay.Senders = slices.Concat(relay.IPv4, relay.IPv6)
	relay.IPv4, relay.IPv6 = nil, nil
	for _, p := range proxies {
		if p.Is4() {
			relay.IPv4 = append(relay.IPv4, p)
		} else {
			relay.IPv6 = append(relay.IPv6, p)
		}
	}
}
