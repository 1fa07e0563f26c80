package nameserver

import (
	"errors"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// A Server answers on a UDP and a TCP socket.
type Server struct {
	udp, tcp dns.Server
	serving  sync.WaitGroup
}

// Serve answers on the sockets until Close. A handler that is a dns.TsigProvider verifies
// signatures.
func Serve(udp net.PacketConn, tcp net.Listener, handler dns.Handler) *Server {
	signatures, _ := handler.(dns.TsigProvider)
	// Updates are not what the library accepts by default.
	accept := func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept }
	s := &Server{
		udp: dns.Server{PacketConn: udp, Handler: handler, TsigProvider: signatures, MsgAcceptFunc: accept},
		tcp: dns.Server{Listener: tcp, Handler: handler, TsigProvider: signatures, MsgAcceptFunc: accept},
	}
	for _, server := range []*dns.Server{&s.udp, &s.tcp} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		s.serving.Go(func() { _ = server.ActivateAndServe() })
		<-started
	}
	return s
}

// Close ends the server.
func (s *Server) Close() error {
	err := errors.Join(s.udp.Shutdown(), s.tcp.Shutdown())
	s.serving.Wait()
	return err
}

// Start answers on a loopback port, by UDP and TCP, until the test ends.
func Start(t testing.TB, handler dns.Handler) (address string) {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s := Serve(udp, tcp, handler)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return tcp.Addr().String()
}

// ServeDNS implements dns.Handler: NXDOMAIN for everything that is not in the zone, since
// who asks for names that do not exist must not wait.
func (z *Zone) ServeDNS(w dns.ResponseWriter, asked *dns.Msg) {
	z.mu.RLock()
	fault, mute := z.fault, z.mute
	z.mu.RUnlock()
	if fault == Silent || len(asked.Question) != 1 {
		return
	}
	if mute != "" && strings.HasSuffix(dns.CanonicalName(asked.Question[0].Name), mute) {
		return
	}
	reply := new(dns.Msg).SetReply(asked)
	reply.Authoritative, reply.RecursionAvailable = true, true
	switch {
	case fault == ServFail:
		reply.Rcode = dns.RcodeServerFailure
	case asked.Opcode == dns.OpcodeUpdate:
		reply.Rcode = z.update(asked, w.TsigStatus())
	default:
		answers, exists := z.Lookup(asked.Question[0].Name, asked.Question[0].Qtype)
		if reply.Answer = answers; !exists {
			reply.Rcode = dns.RcodeNameError
		}
	}
	if strings.HasPrefix(w.RemoteAddr().Network(), "udp") {
		reply.Truncate(dns.MinMsgSize)
	}
	_ = w.WriteMsg(reply)
}
