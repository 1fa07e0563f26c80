package relay

import (
	"bytes"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
)

// controlSize is as much as the kernel says about a datagram, in bytes: where it came to
// (ip(7), ipv6(7)).
const controlSize = 64

// wayBack turns what the kernel said of a datagram into what to tell it with the answer, so
// that it leaves from the address that was asked: nil if it said nothing.
func wayBack(control []byte) []byte {
	const addr4, addr6 = 4, 16 // bytes before an in_pktinfo's address, and of an in6_pktinfo's
	for len(control) >= unix.SizeofCmsghdr {
		header, data, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			return nil
		}
		interfaceAt := -1
		switch {
		case header.Level == unix.IPPROTO_IPV6 && header.Type == unix.IPV6_PKTINFO && len(data) == unix.SizeofInet6Pktinfo:
			interfaceAt = addr6
			if a, _ := netip.AddrFromSlice(data[:addr6]); a.IsLinkLocalUnicast() {
				interfaceAt = len(data) // which it needs
			}
		case header.Level == unix.IPPROTO_IP && header.Type == unix.IP_PKTINFO && len(data) == unix.SizeofInet4Pktinfo:
			interfaceAt = 0
		}
		if interfaceAt >= 0 {
			way := bytes.Clone(control[:header.Len])
			// By whichever interface leads there: it need not be the one that it came in by.
			start := unix.CmsgLen(interfaceAt)
			clear(way[start:min(start+addr4, len(way))])
			return way
		}
		control = rest
	}
	return nil
}

// asked is how the last request came that the library was given: it answers before it
// reads the next one.
type asked struct {
	mu   sync.Mutex
	from netip.AddrPort
	way  []byte
}

func (a *asked) note(from netip.AddrPort, way []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.from, a.way = from, way
}

// back is the way to who asked last, and nil to anybody else.
func (a *asked) back(to netip.AddrPort) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.from != to {
		return nil
	}
	return a.way
}
