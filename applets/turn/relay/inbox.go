package relay

import "net/netip"

// inbox is what comes in at a socket. While datagrams come fast, it reads several at once.
type inbox struct {
	link
	relay  func(b *batch, datagram []byte, from netip.AddrPort) (done bool)
	events Events
	rest   *batch // has datagrams left
	// control is what the kernel said of the datagram that receive returned last.
	control []byte
	space   [controlSize]byte
}

// receive returns what relay leaves to the library. It is for one goroutine.
func (i *inbox) receive(buf []byte) (int, netip.AddrPort, error) {
	for {
		b := i.rest
		i.rest = nil
		if b == nil {
			n, said, _, from, err := i.ReadMsgUDPAddrPort(buf, i.space[:])
			if err != nil {
				return n, from, err
			}
			i.control = i.space[:said]
			b = newBatch()
			if !i.relay(b, buf[:n], from) {
				i.send(b)
				return n, from, nil
			}
			b.read(i.link)
		}
		for {
			datagram, control, from, ok := b.take()
			if !ok {
				break
			}
			if !i.relay(b, datagram, from) {
				i.control = i.space[:copy(i.space[:], control)]
				b.flush() // before the library sends, and what is to be sent may lie in buf
				i.rest = b
				return copy(buf, datagram), from, nil
			}
		}
		i.send(b)
	}
}

// send ends what was to be done with b.
func (i *inbox) send(b *batch) {
	b.flush()
	if b.toPeers > 0 {
		i.events.Relayed(false, b.toPeers)
	}
	if b.fromPeers > 0 {
		i.events.Relayed(true, b.fromPeers)
	}
	b.free()
}
