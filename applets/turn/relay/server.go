// Package relay is a TURN server (RFC 8656) on pion/turn, with the bounds of a chatmail
// relay: who may have how many allocations, which peers they reach, and how many bytes
// a second go through them.
//
// Peers on the machine itself and in networks that are not public are refused: nobody
// gets into the operator's network by way of the relay. The one exception are relayed
// ports of our own, by which two users reach each other who both can talk to nobody
// else.
//
// The library answers the requests, and grants allocations, permissions and channels.
// What then comes in a channel by UDP does not pass through it: such packets are read and
// sent several at a time, and those between two of our own clients never leave the
// process. The permissions and channels for that are the library's, which says when each
// comes and goes. All other data, as that of clients by TCP, goes through the library.
package relay

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/pion/turn/v5"

	"chatmaild/applets/turn/credential"
	"chatmaild/applets/turn/quiet"
)

// Bounds that no configuration changes.
const (
	maxPeers      = 64 // permissions of an allocation
	networkRate   = 3000
	networkBurst  = 600 // requests of a network (IPv4 /24, IPv6 /64), in a minute and at once
	networks      = 4096
	maxTCP        = 512 // connections
	firstFrame    = 15 * time.Second
	nextFrame     = 10 * time.Minute
	writeDeadline = 5 * time.Second
)

// Options is what a server needs.
type Options struct {
	Realm  string
	Secret credential.Secret
	Now    func() time.Time

	FirstPort, LastPort int
	External            []netip.Addr // addresses to tell clients, in place of the machine's

	PerUser                     int // allocations
	UserBandwidth, MaxBandwidth int64
	Events                      Events
	outgoing                    func(family string) (netip.Addr, error) // tests; nil: route
	own                         func() []netip.Addr                     // tests; nil: of the interfaces
	allowPeer                   func(netip.Addr) bool                   // tests; nil: public
	permission, channel         time.Duration                           // tests; 0: RFC 8656 §9, §12
}

// Events is told what happens. It is safe for concurrent use.
type Events interface {
	Allocated(now int)      // how many there are
	Released(now int)       // likewise
	Relayed(in bool, n int) // bytes, from a peer or to one
	Refused(Reason)
}

// Reason is why something was refused.
type Reason string

// The reasons.
const (
	Credentials Reason = "credentials"
	UserLimit   Reason = "user_limit"
	Ports       Reason = "ports"
	Peer        Reason = "peer"
	Rate        Reason = "rate"
	Bandwidth   Reason = "bandwidth"
	Malformed   Reason = "malformed"
)

// Reasons are all of them.
func Reasons() []string {
	return []string{string(Credentials), string(UserLimit), string(Ports), string(Peer), string(Rate), string(Bandwidth), string(Malformed)}
}

// Server relays. It serves one listener of each kind at most.
type Server struct {
	options     Options
	allocations *allocations
	requests    *requests
}

// New returns a server that does not listen yet.
func New(o Options) (*Server, error) {
	if o.outgoing == nil {
		o.outgoing = route
	}
	if o.own == nil {
		o.own = interfaces
	}
	if o.allowPeer == nil {
		o.allowPeer = Public
	}
	requests, err := newRequests(o.Events)
	if err != nil {
		return nil, err
	}
	return &Server{o, newAllocations(&o), requests}, nil
}

// Allocations is how many there are.
func (s *Server) Allocations() int { return s.allocations.count() }

// ServePackets serves UDP until ctx is done. It closes conn.
func (s *Server) ServePackets(ctx context.Context, conn net.PacketConn) error {
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		return errors.New("the socket for datagrams is not one of UDP")
	}
	port, err := newPackets(udp, s.requests, &s.allocations.clients)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	s.allocations.port.Store(port)
	return s.serve(ctx, turn.ServerConfig{PacketConnConfigs: []turn.PacketConnConfig{{
		PacketConn:            port,
		RelayAddressGenerator: s.allocations,
		PermissionHandler:     s.permit,
	}}})
}

// Serve serves TCP until ctx is done. It closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	return s.serve(ctx, turn.ServerConfig{ListenerConfigs: []turn.ListenerConfig{{
		Listener:              newStreams(l, s.requests),
		RelayAddressGenerator: s.allocations,
		PermissionHandler:     s.permit,
	}}})
}

func (s *Server) serve(ctx context.Context, config turn.ServerConfig) error {
	config.Realm = s.options.Realm
	config.LoggerFactory = quiet.Logger{}
	config.AuthHandler = s.authenticate
	config.QuotaHandler = func(user, _ string, _ net.Addr) bool { return s.allocations.admits(user) }
	// Clients that ask for no family get IPv4 (RFC 8656 §7.2).
	config.StrictAddressFamily = true
	config.PermissionTimeout, config.ChannelBindTimeout = s.options.permission, s.options.channel
	config.EventHandler = turn.EventHandler{
		OnAuth: func(_, _ net.Addr, _, _, _, _ string, verdict bool) {
			if !verdict {
				s.options.Events.Refused(Credentials)
			}
		},
	}
	s.allocations.follow(&config.EventHandler)
	server, err := turn.NewServer(config)
	if err != nil {
		return err
	}
	<-ctx.Done()
	return server.Close()
}

// authenticate knows a client by a name that the relay gave out; that the password is
// the right one is for the caller to check.
func (s *Server) authenticate(a *turn.RequestAttributes) (userID string, key []byte, ok bool) {
	if !credential.Valid(a.Username, s.options.Now()) {
		s.options.Events.Refused(Credentials)
		return "", nil, false
	}
	return a.Username, turn.GenerateAuthKey(a.Username, a.Realm, s.options.Secret.Password(a.Username)), true
}

// permit says whether a client may have an address for a peer.
func (s *Server) permit(client net.Addr, peer net.IP) bool {
	addr, socket := address(peer), s.allocations.clients.of(keyOf(client))
	if socket == nil || !s.reachable(addr) || !socket.room(addr) {
		s.options.Events.Refused(Peer)
		return false
	}
	return true
}

func (s *Server) reachable(addr netip.Addr) bool {
	if s.allocations.announces(addr) {
		return true // relayed ports alone: see socket
	}
	if !s.options.allowPeer(addr) {
		return false
	}
	for _, own := range s.options.own() {
		if own == addr {
			return false
		}
	}
	return true
}
