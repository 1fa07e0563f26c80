package relay

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/netutil"

	"chatmaild/applets/service/packetinfo"
	"chatmaild/mailfilter/ratelimit"
)

// requests bounds what a network may ask for: each answer to a forged address is larger
// than the question.
type requests struct {
	limit  *ratelimit.Limiter
	events Events
}

func newRequests(events Events) (*requests, error) {
	start := time.Now()
	limit, err := ratelimit.New(ratelimit.Options{
		PerMinute: networkRate, Burst: networkBurst, Senders: networks,
		Now: func() time.Duration { return time.Since(start) },
	})
	return &requests{limit, events}, err
}

// admit says whether a frame is to be looked at. Data is bounded elsewhere.
func (r *requests) admit(frame []byte, from netip.Addr) bool {
	if len(frame) < 4 || !isRequest(frame) {
		return true
	}
	from = from.Unmap()
	bits := 64
	if from.Is4() {
		bits = 24
	}
	network, err := from.Prefix(bits)
	if err == nil && r.limit.Allow(network.String()) {
		return true
	}
	r.events.Refused(Rate)
	return false
}

// packets is the UDP port of the server.
type packets struct {
	inbox
	requests *requests
	clients  *clients
	asked    asked
}

func newPackets(conn *net.UDPConn, r *requests, c *clients) (*packets, error) {
	if err := packetinfo.Enable(conn); err != nil {
		return nil, fmt.Errorf("asking for the addresses that datagrams come to: %w", err)
	}
	p := &packets{requests: r, clients: c}
	p.inbox = inbox{link: newLink(conn), relay: p.relay, events: r.events}
	return p, nil
}

// ReadFrom implements net.PacketConn.
func (p *packets) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := p.receive(b)
		if err != nil {
			return n, nil, err
		}
		if p.requests.admit(b[:n], from.Addr()) {
			p.asked.note(unmapped(from), wayBack(p.control))
			return n, net.UDPAddrFromAddrPort(from), nil
		}
	}
}

// WriteTo implements net.PacketConn.
func (p *packets) WriteTo(b []byte, to net.Addr) (int, error) {
	client, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, net.InvalidAddrError("not of UDP")
	}
	n, _, err := p.WriteMsgUDP(b, p.way(client), client)
	return n, err
}

// way is how what is sent to a client leaves: from the address that it asked.
func (p *packets) way(client *net.UDPAddr) []byte {
	key := keyOf(client)
	if s := p.clients.of(key); s != nil {
		return s.way
	}
	return p.asked.back(key.addr)
}

// relay sends what comes in a channel.
func (p *packets) relay(b *batch, datagram []byte, from netip.AddrPort) bool {
	number, data, ok := channelData(datagram)
	if !ok || len(datagram) >= datagramSize {
		return false
	}
	s := p.clients.of(clientKey{addr: unmapped(from)})
	return s != nil && s.toPeer(b, number, data)
}

// streams is the TCP port of the server.
type streams struct {
	net.Listener
	requests *requests
}

func newStreams(l net.Listener, r *requests) *streams {
	return &streams{netutil.LimitListener(l, maxTCP), r}
}

// Accept implements net.Listener.
func (s *streams) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	peer, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return nil, errors.Join(errors.New("not a connection by TCP"), conn.Close())
	}
	return &stream{Conn: conn, peer: peer.AddrPort().Addr(), requests: s.requests, wait: firstFrame}, nil
}

// stream hands on whole frames alone: the library counts their lengths in 16 bits, and
// takes one that overflows for one of 0 bytes, again and again.
type stream struct {
	net.Conn
	peer     netip.Addr
	requests *requests
	wait     time.Duration
	buf      [maxFrame]byte
	have     []byte // of buf
	whole    []byte // of have: what has been checked and not been read
}

// Read implements net.Conn.
func (s *stream) Read(b []byte) (int, error) {
	for len(s.whole) == 0 {
		if err := s.next(); err != nil {
			return 0, err
		}
	}
	n := copy(b, s.whole)
	s.whole = s.whole[n:]
	return n, nil
}

// next reads one frame.
func (s *stream) next() error {
	if err := s.SetReadDeadline(time.Now().Add(s.wait)); err != nil {
		return err
	}
	for {
		size, err := frameSize(s.have)
		if err != nil {
			s.requests.events.Refused(Malformed)
			return err
		}
		if size > 0 && len(s.have) >= size {
			frame := append([]byte(nil), s.have[:size]...)
			s.have = s.buf[:copy(s.buf[:], s.have[size:])]
			s.wait = nextFrame
			if s.requests.admit(frame, s.peer) {
				s.whole = frame
			}
			return nil
		}
		n, err := s.Conn.Read(s.buf[len(s.have):])
		if err != nil {
			return err
		}
		s.have = s.buf[:len(s.have)+n]
	}
}

// Write ends a connection that takes nothing in: half a frame cannot be taken back.
func (s *stream) Write(b []byte) (int, error) {
	if err := s.SetWriteDeadline(time.Now().Add(writeDeadline)); err != nil {
		return 0, err
	}
	n, err := s.Conn.Write(b)
	if err != nil {
		err = errors.Join(err, s.Conn.Close())
	}
	return n, err
}
