package dns

import (
	"net"
	"net/netip"
)

// notPublic are addresses that package netip takes for global ones, and that nobody
// reaches from outside: between a provider and its customers (RFC 6598), where Tailscale
// has its own too; for IPv4 over IPv6 (RFC 7335); for measurements (RFC 2544).
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
}

// publicAddresses returns those of a machine's addresses that the world can reach. A
// machine behind a router knows none, and then any record will do.
func publicAddresses(interfaces []net.Addr) (v4, v6 []netip.Addr) {
	for _, a := range interfaces {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		switch addr := prefix.Addr().Unmap(); {
		case !public(addr):
		case addr.Is4():
			v4 = append(v4, addr)
		default:
			v6 = append(v6, addr)
		}
	}
	return v4, v6
}

func public(addr netip.Addr) bool {
	for _, p := range notPublic {
		if p.Contains(addr) {
			return false
		}
	}
	return addr.IsGlobalUnicast() && !addr.IsPrivate()
}
