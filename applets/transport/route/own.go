package route

import (
	"net"
	"net/netip"
	"slices"
)

// Own reports whether an address is this machine's: a loopback one, or one of its interfaces.
// An address that only a router in front translates to ours is not known here, and mail for
// it comes back from outside, where the filter refuses it.
func Own(addr netip.Addr) bool {
	if addr.IsLoopback() || addr.IsUnspecified() {
		return true
	}
	addrs, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(addrs, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr().WithZone("") == addr.WithZone("")
	})
}
