package relay

import (
	"net"
	"net/netip"
	"sync"

	"github.com/pion/turn/v5"
)

// clients finds the relayed port of a client: its 5-tuple, where the server has but one
// port, is its own address.
type clients struct {
	mu    sync.RWMutex
	keys  map[clientKey]*socket
	ports map[int]*socket
}

type clientKey struct {
	addr netip.AddrPort
	tcp  bool
}

func keyOf(addr net.Addr) clientKey {
	switch addr := addr.(type) {
	case *net.UDPAddr:
		return clientKey{unmapped(addr.AddrPort()), false}
	case *net.TCPAddr:
		return clientKey{unmapped(addr.AddrPort()), true}
	}
	return clientKey{}
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

func (c *clients) of(key clientKey) *socket {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.keys[key]
}

// at returns that of a relayed port.
func (c *clients) at(port uint16) *socket {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.ports[int(port)]
}

// with returns the socket of a client if it has that relayed address.
func (c *clients) with(client, relayed net.Addr) *socket {
	s := c.of(keyOf(client))
	if at, ok := relayed.(*net.UDPAddr); s == nil || !ok || at.Port != s.port {
		return nil
	}
	return s
}

// add has the client of a socket known from here on.
func (c *clients) add(s *socket, client net.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.key = keyOf(client)
	c.keys[s.key], c.ports[s.port] = s, s
}

// remove forgets the client of a socket, but not one that has another socket by now.
func (c *clients) remove(s *socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys[s.key] == s {
		delete(c.keys, s.key)
	}
	if c.ports[s.port] == s {
		delete(c.ports, s.port)
	}
}

// follow has the library say what it grants.
func (a *allocations) follow(h *turn.EventHandler) {
	h.OnAllocationCreated = func(src, _ net.Addr, _, _, _ string, relayed net.Addr, _ int) {
		if s := a.socket(relayed); s != nil {
			s.open(src)
			a.clients.add(s, src)
		}
	}
	h.OnPermissionCreated = func(src, _ net.Addr, _, _, _ string, relayed net.Addr, peer net.IP) {
		if s := a.clients.with(src, relayed); s != nil {
			s.permit(address(peer), true)
		}
	}
	h.OnPermissionDeleted = func(src, _ net.Addr, _, _, _ string, relayed net.Addr, peer net.IP) {
		if s := a.clients.with(src, relayed); s != nil {
			s.permit(address(peer), false)
		}
	}
	h.OnChannelCreated = func(src, _ net.Addr, _, _, _ string, relayed, peer net.Addr, number uint16) {
		if s := a.clients.with(src, relayed); s != nil {
			s.bind(number, keyOf(peer).addr)
		}
	}
	h.OnChannelDeleted = func(src, _ net.Addr, _, _, _ string, relayed, _ net.Addr, number uint16) {
		if s := a.clients.with(src, relayed); s != nil {
			s.unbind(number)
		}
	}
}

func address(ip net.IP) netip.Addr {
	addr, _ := netip.AddrFromSlice(ip)
	return addr.Unmap()
}
