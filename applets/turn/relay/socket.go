package relay

import (
	"net"
	"net/netip"
	"time"
)

// socket is a relayed port. It knows of peers by the addresses that they have for the
// outside: those of our own relayed ports, behind NAT, lead nowhere from here.
type socket struct {
	inbox
	rights
	of             *allocations
	user           *user
	port           int
	local, outside netip.Addr
	release        func()

	key    clientKey
	client *net.UDPAddr // nil: it is not there by UDP
	back   *link        // to the client
	way    []byte       // that back takes
}

func newSocket(conn *net.UDPConn, a *allocations) *socket {
	s := &socket{of: a}
	s.inbox = inbox{link: newLink(conn), relay: s.fromPeer, events: a.Events}
	return s
}

// open says whose the port is, before the library relays by it.
func (s *socket) open(client net.Addr) {
	if at, ok := client.(*net.UDPAddr); ok {
		port := s.of.port.Load()
		s.client, s.back, s.way = at, &port.link, port.asked.back(keyOf(at).addr)
	}
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
		n, from, err := s.receive(b)
		if err != nil {
			return n, nil, err
		}
		if s.admits(n, time.Now()) {
			s.of.Events.Relayed(true, n)
			return n, net.UDPAddrFromAddrPort(s.outward(unmapped(from))), nil
		}
	}
}

// fromPeer sends what comes from a peer with a channel, and drops what a peer without
// permission sends (RFC 8656 §11.3), so that a stranger does not use up the allowance.
func (s *socket) fromPeer(b *batch, data []byte, from netip.AddrPort) bool {
	from = unmapped(from)
	if from.Addr() == s.local && !s.of.relayed(from.Port()) || len(data) >= datagramSize {
		return true
	}
	permitted, c := s.rights.from(s.outward(from))
	if !permitted {
		return true
	}
	if c == nil || s.client == nil {
		return false
	}
	if s.admits(len(data), b.now) {
		b.fromPeers += len(data)
		b.add(s.back, c.number, data, s.client, s.way)
	}
	return true
}

// toPeer sends what the client says in a channel, and reports whether it is bound.
func (s *socket) toPeer(b *batch, number uint16, data []byte) bool {
	c := s.channel(number)
	if c == nil {
		return false
	}
	if c.to == nil {
		s.of.Events.Refused(Peer)
		return true
	}
	if !s.admits(len(data), b.now) {
		return true
	}
	b.toPeers += len(data)
	if other := s.neighbour(c); other == nil || !other.fromPeer(b, data, netip.AddrPortFrom(s.local, uint16(s.port))) {
		b.add(&s.link, 0, data, c.to, nil)
	}
	return true
}

// neighbour returns the relayed port that a channel leads to: what another client of ours
// is sent need not leave this process.
func (s *socket) neighbour(c *channel) *socket {
	if c.peer.Addr() != s.outside {
		return nil
	}
	return s.of.clients.at(c.peer.Port())
}

// WriteTo sends to a peer. What is dropped counts as sent, as on any network.
func (s *socket) WriteTo(b []byte, to net.Addr) (int, error) {
	peer, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, net.InvalidAddrError("not of UDP")
	}
	at, ok := s.inward(unmapped(peer.AddrPort()))
	if !ok {
		s.of.Events.Refused(Peer)
		return len(b), nil
	}
	if !s.admits(len(b), time.Now()) {
		return len(b), nil
	}
	s.of.Events.Relayed(false, len(b))
	return s.WriteToUDPAddrPort(b, at)
}

// bind lets data go through a channel. The library takes numbers that are none (RFC 8656
// §12), and keeps them.
func (s *socket) bind(number uint16, peer netip.AddrPort) {
	if number>>14 != 1 {
		return
	}
	c := &channel{number: number, peer: peer}
	if at, ok := s.inward(peer); ok {
		c.to = net.UDPAddrFromAddrPort(at)
	}
	s.rights.add(c)
}

// outward is how clients know a peer.
func (s *socket) outward(peer netip.AddrPort) netip.AddrPort {
	if peer.Addr() == s.local {
		return netip.AddrPortFrom(s.outside, peer.Port())
	}
	return peer
}

// inward is where a peer is for this machine: if that is itself, at a relayed port.
func (s *socket) inward(peer netip.AddrPort) (at netip.AddrPort, ok bool) {
	if peer.Addr() == s.outside {
		return netip.AddrPortFrom(s.local, peer.Port()), s.of.relayed(peer.Port())
	}
	return peer, true
}

// admits asks the user's own allowance first: so that of all lasts for the others.
func (s *socket) admits(n int, now time.Time) bool {
	if s.user.budget.take(n, now) && s.of.all.take(n, now) {
		return true
	}
	s.of.Events.Refused(Bandwidth)
	return false
}
