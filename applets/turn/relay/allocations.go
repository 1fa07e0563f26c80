package relay

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
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
	all     budget
	clients clients
	port    atomic.Pointer[packets] // of the server; nil before it serves UDP

	mu        sync.Mutex
	used      map[int]*socket // by port
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
		clients: clients{keys: map[clientKey]*socket{}, ports: map[int]*socket{}},
		used:    map[int]*socket{}, users: map[string]*user{}, announced: map[netip.Addr]int{},
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
	s := newSocket(conn, a)
	s.user, s.port, s.local, s.outside = u, port, local, outside
	s.release = sync.OnceFunc(func() { a.release(c.UserID, s) })
	a.used[port], a.users[c.UserID] = s, u
	a.announced[outside]++
	u.sockets++
	a.Events.Allocated(len(a.used))
	return s, net.UDPAddrFromAddrPort(netip.AddrPortFrom(outside, uint16(port))), nil
}

// bind opens the requested port, or, if that is 0, one at random. As long as there is
// another one, it is not one beside a port in use, which may be reserved: the library
// reserves no port that it promised (RFC 8656 §14.6, EVEN-PORT), it asks for it later.
func (a *allocations) bind(network string, requested int) (*net.UDPConn, int, error) {
	if requested != 0 {
		if !a.within(requested) {
			return nil, 0, errPorts
		}
		return a.open(network, requested)
	}
	n := a.LastPort - a.FirstPort + 1
	first := rand.IntN(n)
	for _, beside := range []bool{false, true} {
		for i := range n {
			port := a.FirstPort + (first+i)%n
			if used := a.used[port^1] != nil; used != beside {
				continue
			}
			if conn, port, err := a.open(network, port); err == nil {
				return conn, port, nil
			}
		}
	}
	return nil, 0, errPorts
}

// open opens a port that is free.
func (a *allocations) open(network string, port int) (*net.UDPConn, int, error) {
	if a.used[port] != nil {
		return nil, 0, errPorts
	}
	conn, err := net.ListenUDP(network, &net.UDPAddr{Port: port})
	if err != nil {
		return nil, 0, errPorts
	}
	return conn, port, nil
}

func (a *allocations) release(userID string, s *socket) {
	a.clients.remove(s)
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

// socket returns that of a relayed address, or nil.
func (a *allocations) socket(relayed net.Addr) *socket {
	at, ok := relayed.(*net.UDPAddr)
	if !ok {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.used[at.Port]
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
func (a *allocations) relayed(port uint16) bool { return a.within(int(port)) }

func (a *allocations) within(port int) bool { return a.FirstPort <= port && port <= a.LastPort }

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
