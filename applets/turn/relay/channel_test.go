package relay

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"chatmaild/testdata/kit/turnwire"
)

// number is that of the one channel that a client of a test binds.
const number = 0x4000

// bind binds the channel to a peer.
func (c *talker) bind(to string) {
	c.t.Helper()
	if got, _ := c.say(line{turnwire.ChannelBind, []stun.Setter{turnwire.Channel(number), peer(to)}, "", success}); got != success {
		c.t.Fatalf("channel to %s: %d", to, got)
	}
}

// send sends data in the channel.
func (c *talker) send(data []byte) {
	c.t.Helper()
	frame := make([]byte, channelHeader)
	putChannelHeader(frame, number, len(data))
	if _, err := c.conn.Write(append(frame, data...)); err != nil {
		c.t.Fatal(err)
	}
}

// receive returns what comes within that time: data in the channel, or a message.
func (c *talker) receive(wait time.Duration) (data []byte, message *stun.Message) {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(wait))
	buf := make([]byte, 2000)
	n, err := c.conn.Read(buf)
	if err != nil {
		return nil, nil
	}
	if got, data, ok := channelData(buf[:n]); ok {
		if got != number {
			c.t.Errorf("data in channel %#x", got)
		}
		return data, nil
	}
	message = &stun.Message{Raw: buf[:n]}
	if err := message.Decode(); err != nil {
		c.t.Fatal(err)
	}
	return nil, message
}

// TestChannels sends faster than the server reads, and requests in between: all of it
// comes, and in order.
func TestChannels(t *testing.T) {
	for name, tt := range map[string]struct {
		listen, from string
		family       uint32
	}{
		"IPv4":                        {"127.0.0.1:0", "127.0.0.1", 1},
		"IPv4 at a port of IPv6":      {"[::]:0", "127.0.0.1", 1},
		"IPv6":                        {"[::]:0", "::1", 2},
		"IPv4 for a client from IPv6": {"[::]:0", "::1", 1},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.ListenPacket("udp", tt.listen)
			if err != nil {
				t.Fatal(err)
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			address, _, events := startOn(t, conn, l, func(o *Options) {
				o.outgoing = func(family string) (netip.Addr, error) {
					if family == "udp6" {
						return netip.IPv6Loopback(), nil
					}
					return netip.MustParseAddr("127.0.0.1"), nil
				}
			})
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				t.Fatal(err)
			}
			address = net.JoinHostPort(tt.from, port)
			a, b := newTalker(t, address), newTalker(t, address)
			there, here := b.relayed(tt.family), a.relayed(tt.family)
			a.bind(there)
			b.bind(here)
			const packets = 100
			ask := stun.MustBuild(stun.TransactionID, stun.BindingRequest)
			total := 0
			for i := range packets {
				data := bytes.Repeat([]byte{byte(i)}, i*7)
				total += len(data)
				a.send(data)
				if i%10 == 3 {
					if _, err := a.conn.Write(ask.Raw); err != nil {
						t.Fatal(err)
					}
				}
			}
			for i := range packets {
				if data, _ := b.receive(5 * time.Second); !bytes.Equal(data, bytes.Repeat([]byte{byte(i)}, i*7)) {
					t.Fatalf("packet %d: %x", i, data)
				}
			}
			for i := range packets / 10 {
				if _, answer := a.receive(5 * time.Second); answer == nil || answer.TransactionID != ask.TransactionID {
					t.Fatalf("answer %d: %v", i, answer)
				}
			}
			b.send([]byte("back"))
			if data, _ := a.receive(5 * time.Second); string(data) != "back" {
				t.Errorf("got %q", data)
			}
			events.waitRelayed(t, 2*(total+len("back"))) // from one, and to the other
		})
	}
}

// outside is a peer who is no client.
func outside(t *testing.T, at string) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// anyPeer allows those of the loopback network but the server's own address.
func anyPeer(o *Options) {
	o.own = func() []netip.Addr { return nil }
	o.allowPeer = func(netip.Addr) bool { return true }
}

func hear(conn *net.UDPConn, wait time.Duration) string {
	conn.SetReadDeadline(time.Now().Add(wait))
	buf := make([]byte, 100)
	n, _, err := conn.ReadFromUDPAddrPort(buf)
	if err != nil {
		return ""
	}
	return string(buf[:n])
}

// TestStrangers lets a peer's data through, and drops what others send before it counts
// as relayed.
func TestStrangers(t *testing.T) {
	address, _, events := start(t, anyPeer)
	c := newTalker(t, address)
	at := netip.MustParseAddrPort(c.relayed(1))
	friend, stranger, neighbour := outside(t, "127.0.0.2:0"), outside(t, "127.0.0.3:0"), outside(t, "127.0.0.1:0")
	c.bind(friend.LocalAddr().String())
	c.send([]byte("hello"))
	if got := hear(friend, 5*time.Second); got != "hello" {
		t.Fatalf("the peer got %q", got)
	}
	for _, from := range []*net.UDPConn{stranger, neighbour, friend} {
		if _, err := from.WriteToUDPAddrPort([]byte(from.LocalAddr().String()), at); err != nil {
			t.Fatal(err)
		}
	}
	if data, _ := c.receive(5 * time.Second); string(data) != friend.LocalAddr().String() {
		t.Errorf("got %q first, want what the peer sent", data)
	}
	events.waitRelayed(t, len("hello")+len(friend.LocalAddr().String()))
	// Another port of the peer may send, but not in the channel.
	other := outside(t, "127.0.0.2:0")
	if _, err := other.WriteToUDPAddrPort([]byte("x"), at); err != nil {
		t.Fatal(err)
	}
	if data, message := c.receive(5 * time.Second); message == nil || message.Type.Class != stun.ClassIndication {
		t.Errorf("got %q, %v, want a Data indication", data, message)
	}
}

// TestLapse ends what has not been refreshed (RFC 8656 §9, §12): a permission holds for
// what comes, though the channel is still bound, and a channel for what goes.
func TestLapse(t *testing.T) {
	const short = 300 * time.Millisecond
	for name, tt := range map[string]struct {
		change func(*Options)
		goes   bool
		comes  string
	}{
		"permission": {func(o *Options) { o.permission = short }, true, "nothing"},
		"channel":    {func(o *Options) { o.channel = short }, false, "indication"},
	} {
		t.Run(name, func(t *testing.T) {
			address, _, _ := start(t, func(o *Options) { anyPeer(o); tt.change(o) })
			c := newTalker(t, address)
			at := netip.MustParseAddrPort(c.relayed(1))
			friend := outside(t, "127.0.0.2:0")
			c.bind(friend.LocalAddr().String())
			for end := time.Now().Add(10 * time.Second); ; {
				if _, err := friend.WriteToUDPAddrPort([]byte("x"), at); err != nil {
					t.Fatal(err)
				}
				comes := "nothing"
				if data, message := c.receive(100 * time.Millisecond); data != nil {
					comes = "data"
				} else if message != nil {
					comes = "indication"
				}
				c.send([]byte("y"))
				if goes := hear(friend, 100*time.Millisecond) != ""; goes == tt.goes && comes == tt.comes {
					return
				} else if time.Now().After(end) {
					t.Fatalf("it is still the case that data goes out: %v, and comes in: %s", goes, comes)
				}
			}
		})
	}
}

// TestOwnPorts keeps channels, too, from ports of this machine that are not relayed.
func TestOwnPorts(t *testing.T) {
	address, _, events := start(t, nil)
	c := newTalker(t, address)
	c.relayed(1)
	service := outside(t, "127.0.0.1:0")
	c.bind(service.LocalAddr().String())
	c.send([]byte("x"))
	if got := hear(service, 300*time.Millisecond); got != "" || events.of(Peer) != 1 {
		t.Errorf("a port of the machine got %q; %d refused", got, events.of(Peer))
	}
}

// TestAllowance drops what a channel has too much of.
func TestAllowance(t *testing.T) {
	address, _, events := start(t, func(o *Options) { anyPeer(o); o.UserBandwidth = 1000 })
	c := newTalker(t, address)
	c.relayed(1)
	friend := outside(t, "127.0.0.2:0")
	c.bind(friend.LocalAddr().String())
	for range 3 {
		c.send(make([]byte, 600))
	}
	if got := hear(friend, 5*time.Second); got == "" {
		t.Error("nothing of a second's worth came")
	}
	for end := time.Now().Add(5 * time.Second); events.of(Bandwidth) == 0; {
		if time.Now().After(end) {
			t.Fatal("nothing was refused")
		}
		c.send(make([]byte, 600))
	}
}

// TestReserved keeps the port beside an even one for the client to whom it was promised
// (RFC 8656 §14.6).
func TestReserved(t *testing.T) {
	address, _, _ := start(t, func(o *Options) { o.LastPort = o.FirstPort + 5 })
	c := newTalker(t, address)
	got, answer := c.say(line{turnwire.Allocate, []stun.Setter{turnwire.UDP, stun.RawAttribute{Type: turnwire.EvenPort, Value: []byte{0x80}}}, "", success})
	token, err := answer.Get(turnwire.ReservationToken)
	var at stun.XORMappedAddress
	if got != success || err != nil || at.GetFromAs(answer, turnwire.XORRelayedAddress) != nil || at.Port%2 != 0 {
		t.Fatalf("%d, %v, port %d", got, err, at.Port)
	}
	for range 2 {
		newTalker(t, address).relayed(1)
	}
	got, answer = newTalker(t, address).say(line{turnwire.Allocate, []stun.Setter{turnwire.UDP, stun.RawAttribute{Type: turnwire.ReservationToken, Value: token}}, "", success})
	even := at.Port
	if err := at.GetFromAs(answer, turnwire.XORRelayedAddress); got != success || err != nil || at.Port != even+1 {
		t.Errorf("%d, %v, port %d, want %d", got, err, at.Port, even+1)
	}
}

// relayed allocates in a family (RFC 8656 §18.8), and returns the relayed address.
func (c *talker) relayed(family uint32) string {
	c.t.Helper()
	got, answer := c.say(line{turnwire.Allocate, []stun.Setter{turnwire.UDP, turnwire.Number(turnwire.RequestedFamily, family<<24)}, "", success})
	var at stun.XORMappedAddress
	if err := at.GetFromAs(answer, turnwire.XORRelayedAddress); got != success || err != nil {
		c.t.Fatalf("allocation: %d, %v", got, err)
	}
	addr, _ := netip.AddrFromSlice(at.IP)
	return netip.AddrPortFrom(addr.Unmap(), uint16(at.Port)).String()
}
