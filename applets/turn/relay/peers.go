package relay

import (
	"net"
	"net/netip"
)

// closed are networks that lead to no peer of the public internet, beside those that
// package netip knows (iana.org/assignments/iana-ipv4-special-registry and its like for
// IPv6). Some of IPv6 lead to IPv4 addresses: those of NAT64, 6to4 and Teredo.
var closed = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("3fff::/20"),
}

// global is what IPv6 addresses are given out of (RFC 4291 §2.4).
var global = netip.MustParsePrefix("2000::/3")

// Public reports whether an address may be a peer's.
func Public(addr netip.Addr) bool {
	addr = addr.Unmap()
	if !addr.IsGlobalUnicast() || addr.IsPrivate() || addr.Is6() && !global.Contains(addr) {
		return false
	}
	for _, p := range closed {
		if p.Contains(addr) {
			return false
		}
	}
	return true
}

// interfaces are the machine's own addresses.
func interfaces() []netip.Addr {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var own []netip.Addr
	for _, a := range list {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			own = append(own, prefix.Addr().Unmap())
		}
	}
	return own
}

// route is the address from which this machine reaches the internet; in a network
// without a way there, its first one. Nothing is sent.
func route(family string) (netip.Addr, error) {
	somewhere := "192.0.2.1:9" // RFC 5737
	if family == "udp6" {
		somewhere = "[2001:db8::1]:9" // RFC 3849
	}
	conn, err := net.Dial(family, somewhere)
	if err != nil {
		for _, own := range interfaces() {
			if own.Is4() == (family == "udp4") && own.IsGlobalUnicast() {
				return own, nil
			}
		}
		return netip.Addr{}, err
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}
