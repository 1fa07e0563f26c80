package relay

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"
)

const benchPayload = 1200 // bytes, as of a video call

// BenchmarkChannel sends packets from one client's channel to another's. Each is relayed
// twice, so that a bare relay of UDP is gone through twice as well, in BenchmarkFloor.
func BenchmarkChannel(b *testing.B) {
	address, _, _ := start(b, func(o *Options) { o.UserBandwidth, o.MaxBandwidth = 1<<40, 1<<40 })
	from, to := newTalker(b, address), newTalker(b, address)
	there, here := to.relayed(1), from.relayed(1)
	from.bind(there)
	to.bind(here)
	frame := binary.BigEndian.AppendUint16(nil, number)
	frame = binary.BigEndian.AppendUint16(frame, benchPayload)
	ping(b, from.conn, to.conn, append(frame, make([]byte, benchPayload)...))
}

// BenchmarkFloor is what two sockets that hand packets on take.
func BenchmarkFloor(b *testing.B) {
	to := listenLocal(b)
	hop := forward(b, forward(b, to.LocalAddr().(*net.UDPAddr).AddrPort()))
	from, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(hop))
	if err != nil {
		b.Fatal(err)
	}
	defer from.Close()
	ping(b, from, to, make([]byte, benchPayload+4))
}

func listenLocal(b *testing.B) *net.UDPConn {
	b.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	return conn
}

func forward(b *testing.B, to netip.AddrPort) netip.AddrPort {
	conn := listenLocal(b)
	go func() {
		buf := make([]byte, 1600)
		for {
			n, _, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if _, err := conn.WriteToUDPAddrPort(buf[:n], to); err != nil {
				return
			}
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// ping has some packets on their way at a time.
func ping(b *testing.B, from, to net.Conn, frame []byte) {
	const window = 32
	buf := make([]byte, 1600)
	b.SetBytes(benchPayload)
	b.ReportAllocs()
	due := 0
	for done := 0; b.Loop(); {
		for ; due < window; due++ {
			if _, err := from.Write(frame); err != nil {
				b.Fatal(err)
			}
		}
		if done++; done%1024 == 1 {
			to.SetReadDeadline(time.Now().Add(time.Second))
		}
		if _, err := to.Read(buf); err != nil {
			b.Fatal(err)
		}
		due--
	}
}
