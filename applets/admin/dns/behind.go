package dns

import (
	"net/netip"

	"chatmaild/applets/admin/dns/zone"
)

// behindProxies changes what a relay's records depend on to what they are with
// machines in front of it: its name is theirs, and its mail still comes from
// itself.
func behindProxies(relay *zone.Relay, proxies []netip.Addr) {
	if len(proxies) == 0 {
		return
	}
	for _, own := range []netip.Addr{relay.IPv4, relay.IPv6} {
		if own.IsValid() {
			relay.Senders = append(relay.Senders, own)
		}
	}
	relay.IPv4, relay.IPv6 = netip.Addr{}, netip.Addr{}
	for _, p := range proxies {
		switch {
		case p.Is4() && !relay.IPv4.IsValid():
			relay.IPv4 = p
		case p.Is6() && !relay.IPv6.IsValid():
			relay.IPv6 = p
		}
	}
}
