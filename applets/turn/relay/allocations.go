package relay

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/turn/v5"

	"chatmaild/mailfilter/ratelimit"
)

var (
	errPorts = errors.New("no relayed port is free")
	errUser  = errors.New("the user has as many allocations as allowed")
	errTCP   = errors.New("allocations of TCP (RFC 6062) are not supported")
)

// allocations hands out relayed ports: there are no more allocations than these.
type allocations struct {
	*Options
	all budget

	mu        sync.Mutex
	used      map[int]bool
	users     map[string]*user
	announced map[netip.Addr]int // by relayed sockets
}

// user is who has allocations.
type user struct {
	sockets int
	budget  budget
}

var _ turn.RelayAddressGenerator = (*allocations)(nil)

func newAllocations(o *Options) *allocations {
	return &allocations{
		Options: o, all: budget{rate: o.MaxBandwidth},
		used: map[int]bool{}, users: map[string]*user{}, announced: map[netip.Addr]int{},
	}
}

// Validate implements turn.RelayAddressGenerator.
func (a *allocations) Validate() error { return nil }

// AllocateListener implements turn.RelayAddressGenerator.
func (a *allocations) AllocateListener(turn.AllocateListenerConfig) (net.Listener, net.Addr, error) {
	return nil, nil, errTCP
}

// AllocateConn implements turn.RelayAddressGenerator.
func (a *allocations) AllocateConn(turn.AllocateConnConfig) (net.Conn, error) { return nil, errTCP }

// AllocatePacketConn implements turn.RelayAddressGenerator. The library asks without a
// user for ports that it only tries.
func (a *allocations) AllocatePacketConn(c turn.AllocateListenerConfig) (net.PacketConn, net.Addr, error) {
	local, err := a.outgoing(c.Network)
	if err != nil {
		return nil, nil, err
	}
	outside := local
	for _, e := range a.External {
		if e.Is4() == local.Is4() {
			outside = e
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	u := a.users[c.UserID]
	if u == nil {
		u = &user{budget: budget{rate: a.UserBandwidth}}
	}
	if c.UserID != "" && u.sockets >= a.PerUser {
		return nil, nil, errUser
	}
	conn, port, err := a.bind(c.Network, c.RequestedPort)
	if err != nil {
		a.Events.Refused(Ports)
		return nil, nil, err
	}
	a.used[port], a.users[c.UserID] = true, u
	a.announced[outside]++
	u.sockets++
	a.Events.Allocated(len(a.used))
	s := &socket{UDPConn: conn, of: a, user: u, port: port, local: local, outside: outside}
	s.release = sync.OnceFunc(func() { a.release(c.UserID, s) })
	return s, net.UDPAddrFromAddrPort(netip.AddrPortFrom(outside, uint16(port))), nil
}

// bind opens the requested port, or, if that is 0, one at random.
func (a *allocations) bind(network string, requested int) (*net.UDPConn, int, error) {
	n := a.LastPort - a.FirstPort + 1
	first, tries := rand.IntN(n), n
	if requested != 0 {
		first, tries = requested-a.FirstPort, 1
		if first < 0 || first >= n {
			return nil, 0, errPorts
		}
	}
	for i := range tries {
		port := a.FirstPort + (first+i)%n
		if a.used[port] {
			continue
		}
		if conn, err := net.ListenUDP(network, &net.UDPAddr{Port: port}); err == nil {
			return conn, port, nil
		}
	}
	return nil, 0, errPorts
}

func (a *allocations) release(userID string, s *socket) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.used, s.port)
	if a.announced[s.outside]--; a.announced[s.outside] == 0 {
		delete(a.announced, s.outside)
	}
	if s.user.sockets--; s.user.sockets == 0 {
		delete(a.users, userID)
	}
	a.Events.Released(len(a.used))
}

func (a *allocations) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.used)
}

// admits says whether a user may have one more.
func (a *allocations) admits(userID string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	u := a.users[userID]
	if u != nil && u.sockets >= a.PerUser {
		a.Events.Refused(UserLimit)
		return false
	}
	return true
}

// announces reports whether addr is where relayed ports are.
func (a *allocations) announces(addr netip.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.announced[addr] > 0
}

// relayed reports whether a port is one of those.
func (a *allocations) relayed(port uint16) bool {
	return a.FirstPort <= int(port) && int(port) <= a.LastPort
}

// budget bounds bytes a second; a second's worth may come at once.
type budget struct {
	rate  int64
	mu    sync.Mutex
	whole time.Time
}

func (b *budget) take(n int, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	cost := time.Duration(int64(n) * int64(time.Second) / b.rate)
	owed, ok := ratelimit.Take(b.whole.Sub(now), cost, time.Second)
	if ok {
		b.whole = now.Add(owed)
	}
	return ok
}
