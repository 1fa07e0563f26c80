package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	dnsPort = 53

	// udpSize is what fits into any datagram without EDNS (RFC 1035, 4.2.1);
	// what is longer goes over TCP.
	udpSize = 512

	dnsIdle     = 5 * time.Second // of a TCP connection
	maxDNSConns = 64
)

// A dnsServer answers for a zone, and NXDOMAIN for everything else: a client
// that asks for names that nobody has must not wait for it.
type dnsServer struct {
	zone *Zone

	packets   []net.PacketConn
	listeners []net.Listener
	serving   sync.WaitGroup

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
}

// startDNS listens on the bridge's addresses, in its namespace.
func startDNS(netns string, zone *Zone) (*dnsServer, error) {
	s := &dnsServer{zone: zone, conns: map[net.Conn]bool{}}
	err := inNetns(netns, s.listen)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	for _, p := range s.packets {
		s.serving.Go(func() { s.servePackets(p) })
	}
	for _, l := range s.listeners {
		s.serving.Go(func() { s.serveListener(l) })
	}
	return s, nil
}

func (s *dnsServer) listen() error {
	v4, v6 := addrs(bridgeAddr)
	for _, addr := range []string{v4.String(), v6.String()} {
		addr = net.JoinHostPort(addr, strconv.Itoa(dnsPort))
		p, err := new(net.ListenConfig).ListenPacket(context.Background(), "udp", addr)
		if err != nil {
			return err
		}
		s.packets = append(s.packets, p)
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
		if err != nil {
			return err
		}
		s.listeners = append(s.listeners, l)
	}
	return nil
}

func (s *dnsServer) Close() error {
	var errs []error
	for _, p := range s.packets {
		errs = append(errs, p.Close())
	}
	for _, l := range s.listeners {
		errs = append(errs, l.Close())
	}
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.serving.Wait()
	return errors.Join(errs...)
}

func (s *dnsServer) servePackets(p net.PacketConn) {
	buf := make([]byte, 4096)
	for {
		n, from, err := p.ReadFrom(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue // an ICMP answer to an earlier packet
		}
		if reply := s.zone.answer(buf[:n], udpSize); reply != nil {
			p.WriteTo(reply, from)
		}
	}
}

func (s *dnsServer) serveListener(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		refuse := s.closed || len(s.conns) >= maxDNSConns
		if !refuse {
			s.conns[c] = true
		}
		s.mu.Unlock()
		if refuse {
			c.Close()
			continue
		}
		s.serving.Go(func() {
			s.serveConn(c)
			c.Close()
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		})
	}
}

// serveConn answers messages that carry their length in front (RFC 1035, 4.2.2).
func (s *dnsServer) serveConn(c net.Conn) {
	for {
		c.SetDeadline(time.Now().Add(dnsIdle))
		var length uint16
		if err := binary.Read(c, binary.BigEndian, &length); err != nil {
			return
		}
		query := make([]byte, length)
		if _, err := io.ReadFull(c, query); err != nil {
			return
		}
		reply := s.zone.answer(query, 1<<16-1)
		if reply == nil {
			return
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
			return
		}
	}
}

// answer makes the reply to one query, or nil if there shall be none.
func (z *Zone) answer(query []byte, limit int) []byte {
	var p dnsmessage.Parser
	header, err := p.Start(query)
	if err != nil || header.Response {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	reply := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: header.ID, Response: true, OpCode: header.OpCode, Authoritative: true,
			RecursionDesired: header.RecursionDesired, RecursionAvailable: true,
		},
		Questions: []dnsmessage.Question{q},
	}
	z.mu.RLock()
	fault := z.fault
	z.mu.RUnlock()
	switch {
	case fault == Silent:
		return nil
	case fault == ServFail:
		reply.RCode = dnsmessage.RCodeServerFailure
	case header.OpCode == opUpdate:
		reply.RCode = z.update(query)
	default:
		answers, exists := z.lookup(q.Name.String(), q.Type)
		if !exists {
			reply.RCode = dnsmessage.RCodeNameError
		}
		for _, a := range answers {
			name, err := dnsmessage.NewName(a.owner)
			if err != nil {
				return nil
			}
			reply.Answers = append(reply.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: name, Type: typeOf(a.body), Class: dnsmessage.ClassINET},
				Body:   a.body,
			})
		}
	}
	packed, err := reply.Pack()
	if err == nil && len(packed) > limit {
		reply.Truncated, reply.Answers = true, nil
		packed, err = reply.Pack()
	}
	if err != nil {
		return nil
	}
	return packed
}
