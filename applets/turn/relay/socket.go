package relay

import (
	"net"
	"net/netip"
	"time"
)

// socket is a relayed port. It knows of peers by the addresses that they have for the
// outside: those of our own relayed ports, behind NAT, lead nowhere from here.
type socket struct {
	*net.UDPConn
	of             *allocations
	user           *user
	port           int
	local, outside netip.Addr
	release        func()
}

// Close gives the port back.
func (s *socket) Close() error {
	err := s.UDPConn.Close()
	s.release()
	return err
}

// ReadFrom returns what comes in from a peer, and drops what is too much.
func (s *socket) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := s.ReadFromUDPAddrPort(b)
		if err != nil {
			return n, nil, err
		}
		addr := from.Addr().Unmap()
		if addr == s.local {
			if !s.of.relayed(from.Port()) {
				continue
			}
			addr = s.outside
		}
		if s.admits(n) {
			s.of.Events.Relayed(true, n)
			return n, net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, from.Port())), nil
		}
	}
}

// WriteTo sends to a peer. What is dropped counts as sent, as on any network.
func (s *socket) WriteTo(b []byte, to net.Addr) (int, error) {
	peer, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, net.InvalidAddrError("not of UDP")
	}
	at := peer.AddrPort()
	addr := at.Addr().Unmap()
	if addr == s.outside {
		if !s.of.relayed(at.Port()) {
			s.of.Events.Refused(Peer)
			return len(b), nil
		}
		addr = s.local
	}
	if !s.admits(len(b)) {
		return len(b), nil
	}
	s.of.Events.Relayed(false, len(b))
	return s.WriteToUDPAddrPort(b, netip.AddrPortFrom(addr, at.Port()))
}

// admits asks the user's own allowance first: so that of all lasts for the others.
func (s *socket) admits(n int) bool {
	now := time.Now()
	if s.user.budget.take(n, now) && s.of.all.take(n, now) {
		return true
	}
	s.of.Events.Refused(Bandwidth)
	return false
}
