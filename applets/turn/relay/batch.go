package relay

import (
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
)

const (
	// batchSize is how many datagrams one system call reads or writes.
	batchSize = 16
	// datagramSize is as much of a datagram as the library reads, in bytes.
	datagramSize = 1600
)

// link is a UDP socket that reads and writes several datagrams by one system call. That
// of package ipv4 does so for IPv6, too.
type link struct {
	*net.UDPConn
	many *ipv4.PacketConn
}

func newLink(conn *net.UDPConn) link { return link{conn, ipv4.NewPacketConn(conn)} }

// batch is datagrams that came in together, and go out from where they lie.
type batch struct {
	now  time.Time
	in   []ipv4.Message // that have been read
	next int            // the first of in that has not been looked at

	to  *link
	out []ipv4.Message // for to

	toPeers, fromPeers int // bytes of data, sent and to be sent

	slots   [1 + batchSize]ipv4.Message
	readers [batchSize]ipv4.Message
	parts   [1 + batchSize][2][]byte
	headers [1 + batchSize][channelHeader]byte
}

// batches are buffers that are not in use: an idle socket has none.
var batches = sync.Pool{New: func() any {
	b := &batch{}
	space, control := make([]byte, batchSize*datagramSize), make([]byte, batchSize*controlSize)
	for i := range b.readers {
		b.readers[i].Buffers = [][]byte{space[i*datagramSize : (i+1)*datagramSize : (i+1)*datagramSize]}
		b.readers[i].OOB = control[i*controlSize : (i+1)*controlSize : (i+1)*controlSize]
	}
	return b
}}

func newBatch() *batch {
	b := batches.Get().(*batch)
	b.now = time.Now()
	return b
}

// free gives b back, after flush.
func (b *batch) free() {
	b.in, b.next, b.to, b.toPeers, b.fromPeers = nil, 0, nil, 0, 0
	batches.Put(b)
}

// read adds what has come in at l, without waiting for it.
func (b *batch) read(l link) {
	n, err := l.many.ReadBatch(b.readers[:], syscall.MSG_DONTWAIT)
	if err != nil {
		n = 0 // the next call that waits has the error
	}
	b.in, b.next = b.readers[:n], 0
}

// take returns the next datagram, and what the kernel says of it, while there is one.
func (b *batch) take() (datagram, control []byte, from netip.AddrPort, ok bool) {
	if b.next == len(b.in) {
		return nil, nil, from, false
	}
	m := &b.in[b.next]
	b.next++
	peer, _ := m.Addr.(*net.UDPAddr) // of nil, the address is none that anything leads to
	return m.Buffers[0][:m.N], m.OOB[:m.NN], peer.AddrPort(), true
}

// add is to send data to addr: in the channel of that number, if it is not 0, and by that
// way, if it is not nil.
func (b *batch) add(to *link, number uint16, data []byte, addr *net.UDPAddr, way []byte) {
	if to != b.to {
		b.flush()
		b.to = to
	}
	i := len(b.out)
	parts := b.parts[i][:0]
	if number != 0 {
		putChannelHeader(b.headers[i][:], number, len(data))
		parts = append(parts, b.headers[i][:])
	}
	b.out = b.slots[:i+1]
	b.out[i].Buffers, b.out[i].Addr, b.out[i].OOB = append(parts, data), addr, way
}

// flush sends what is to be sent. What a socket does not take is lost, as on any network:
// waiting would hold up everybody else's.
func (b *batch) flush() {
	for len(b.out) > 0 {
		n, err := b.to.many.WriteBatch(b.out, syscall.MSG_DONTWAIT)
		if err != nil {
			n = 1 // the first of them failed
		}
		b.out = b.out[n:]
	}
}
