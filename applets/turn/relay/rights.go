package relay

import (
	"net"
	"net/netip"
	"sync"
)

// rights are the permissions and channels of an allocation (RFC 8656 §9, §12). It is the
// library that grants them, and that takes them back after their time.
type rights struct {
	mu          sync.RWMutex
	permissions map[netip.Addr]struct{}
	numbers     map[uint16]*channel
	peers       map[netip.AddrPort]*channel
}

// channel is bound.
type channel struct {
	number uint16
	peer   netip.AddrPort
	to     *net.UDPAddr // of the peer, for this machine; nil: leads nowhere
}

func (r *rights) permit(peer netip.Addr, may bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.permissions == nil {
		r.permissions = map[netip.Addr]struct{}{}
	}
	if may {
		r.permissions[peer] = struct{}{}
	} else {
		delete(r.permissions, peer)
	}
}

// room says whether one more permission is within bounds.
func (r *rights) room(peer netip.Addr) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, has := r.permissions[peer]
	return has || len(r.permissions) < maxPeers
}

// from returns what a peer's datagrams go by: nothing, the library, or a channel.
func (r *rights) from(peer netip.AddrPort) (permitted bool, c *channel) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, permitted = r.permissions[peer.Addr()]
	return permitted, r.peers[peer]
}

func (r *rights) channel(number uint16) *channel {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.numbers[number]
}

func (r *rights) add(c *channel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.numbers == nil {
		r.numbers, r.peers = map[uint16]*channel{}, map[netip.AddrPort]*channel{}
	}
	r.numbers[c.number], r.peers[c.peer] = c, c
}

func (r *rights) unbind(number uint16) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.numbers[number]; c != nil {
		delete(r.numbers, number)
		delete(r.peers, c.peer)
	}
}
