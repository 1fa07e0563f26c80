package relay

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/netutil"

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

// isRequest looks at the two bits of a STUN message's class (RFC 8489 §5).
func isRequest(frame []byte) bool { return frame[0]&0xc1 == 0 && frame[1]&0x10 == 0 }

// packets is the UDP port of the server.
type packets struct {
	*net.UDPConn
	requests *requests
}

// ReadFrom implements net.PacketConn.
func (p *packets) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := p.ReadFromUDPAddrPort(b)
		if err != nil {
			return n, nil, err
		}
		if p.requests.admit(b[:n], from.Addr()) {
			return n, net.UDPAddrFromAddrPort(from), nil
		}
	}
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

// maxFrame is the largest that the library takes, in bytes.
const maxFrame = 1500

// errFrame ends a connection whose client sends something else than a frame.
var errFrame = errors.New("neither STUN nor channel data")

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

// frameSize is how long the frame at the begin of b is, with its padding (RFC 8656
// §12.5); 0 while that cannot be told.
func frameSize(b []byte) (int, error) {
	if len(b) < 4 {
		return 0, nil
	}
	size := int(binary.BigEndian.Uint16(b[2:]))
	switch b[0] >> 6 {
	case 0:
		if size += 20; size%4 != 0 {
			return 0, errFrame
		}
	case 1:
		size = (4 + size + 3) &^ 3
	default:
		return 0, errFrame
	}
	if size > maxFrame {
		return 0, errFrame
	}
	return size, nil
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
