package relay

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pion/turn/v5"

	"chatmaild/applets/turn/credential"
	"chatmaild/applets/turn/quiet"
)

const secret credential.Secret = "0123456789abcdef"

// counts is what a server said.
type counts struct {
	mu      sync.Mutex
	more    sync.Cond // relayed has grown, or the time is up
	refused map[Reason]int
	relayed int
}

func newCounts() *counts {
	c := &counts{refused: map[Reason]int{}}
	c.more.L = &c.mu
	return c
}

func (c *counts) Allocated(int) {}
func (c *counts) Released(int)  {}
func (c *counts) Relayed(_ bool, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.relayed += n
	c.more.Broadcast()
}

// waitRelayed waits until that many bytes are counted, which is after they are sent.
func (c *counts) waitRelayed(t *testing.T, want int) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	defer time.AfterFunc(time.Until(deadline), c.more.Broadcast).Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.relayed < want && time.Now().Before(deadline) {
		c.more.Wait()
	}
	if c.relayed != want {
		t.Errorf("%d bytes were counted, want %d", c.relayed, want)
	}
}

func (c *counts) Refused(r Reason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused[r]++
}

func (c *counts) of(r Reason) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused[r]
}

// start serves on the loopback interface, whose address is the server's own.
func start(t testing.TB, change func(*Options)) (address string, s *Server, events *counts) {
	t.Helper()
	conn, l := listen(t)
	return startOn(t, conn, l, change)
}

func startOn(t testing.TB, conn net.PacketConn, l net.Listener, change func(*Options)) (address string, s *Server, events *counts) {
	t.Helper()
	events = newCounts()
	self := netip.MustParseAddr("127.0.0.1")
	o := Options{
		Realm: "chat.example.org", Secret: secret, Now: time.Now, FirstPort: 61000, LastPort: 61999,
		PerUser: 10, UserBandwidth: 1 << 20, MaxBandwidth: 1 << 24, Events: events,
		outgoing: func(string) (netip.Addr, error) { return self, nil },
	}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	go s.ServePackets(t.Context(), conn)
	go s.Serve(t.Context(), l)
	return conn.LocalAddr().String(), s, events
}

// listen finds a port that is free for both.
func listen(t testing.TB) (net.PacketConn, net.Listener) {
	t.Helper()
	for {
		conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp4", conn.LocalAddr().String())
		if err == nil {
			return conn, l
		}
		conn.Close()
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatal(err)
		}
	}
}

// dial is a client by UDP or TCP, with a user's credentials.
func dial(t *testing.T, address, network, user string) *turn.Client {
	t.Helper()
	name, password := secret.Issue(user, time.Now())
	return dialAs(t, address, network, name, password)
}

func dialAs(t *testing.T, address, network, name, password string) *turn.Client {
	t.Helper()
	var conn net.PacketConn
	if network == "tcp" {
		c, err := net.Dial("tcp4", address)
		if err != nil {
			t.Fatal(err)
		}
		conn = turn.NewSTUNConn(c)
	} else {
		var err error
		if conn, err = net.ListenPacket("udp4", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	client, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: address, TURNServerAddr: address, Conn: conn, Username: name, Password: password,
		Realm: "chat.example.org", LoggerFactory: quiet.Logger{},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		conn.Close()
	})
	return client
}

// TestRelay sends through two allocations, by UDP and by TCP, as two users do who can
// talk to nobody else.
func TestRelay(t *testing.T) {
	for _, external := range []string{"", "198.51.100.7"} {
		address, s, events := start(t, func(o *Options) {
			if external != "" {
				o.External = []netip.Addr{netip.MustParseAddr(external)}
			}
		})
		a, err := dial(t, address, "udp", "alice").Allocate()
		if err != nil {
			t.Fatal(err)
		}
		b, err := dial(t, address, "tcp", "bob").Allocate()
		if err != nil {
			t.Fatal(err)
		}
		if external != "" && !strings.HasPrefix(a.LocalAddr().String(), external+":") {
			t.Errorf("got the relayed address %v, want %s", a.LocalAddr(), external)
		}
		if n := s.Allocations(); n != 2 {
			t.Errorf("%d allocations", n)
		}
		buf := make([]byte, 100)
		// Each opens its side before the other's packet comes.
		for _, end := range []struct{ from, to net.PacketConn }{{a, b}, {b, a}, {a, b}} {
			if _, err := end.from.WriteTo([]byte("hello"), end.to.LocalAddr()); err != nil {
				t.Fatal(err)
			}
		}
		for _, end := range []struct{ at, from net.PacketConn }{{a, b}, {b, a}} {
			end.at.SetReadDeadline(time.Now().Add(5 * time.Second))
			n, from, err := end.at.ReadFrom(buf)
			if err != nil || string(buf[:n]) != "hello" || from.String() != end.from.LocalAddr().String() {
				t.Fatalf("got %q from %v (%v), want hello from %v", buf[:n], from, err, end.from.LocalAddr())
			}
		}
		events.mu.Lock()
		relayed := events.relayed
		events.mu.Unlock()
		if relayed == 0 {
			t.Error("nothing was counted")
		}
	}
}

// TestPeers refuses what is not for strangers, and what is the server's own.
func TestPeers(t *testing.T) {
	own := netip.MustParseAddr("203.0.113.9")
	address, _, events := start(t, func(o *Options) { o.own = func() []netip.Addr { return []netip.Addr{own} } })
	conn, err := dial(t, address, "udp", "alice").Allocate()
	if err != nil {
		t.Fatal(err)
	}
	for _, peer := range []string{"10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "127.0.0.2", "100.64.0.1", "224.0.0.1", "0.0.0.0", "255.255.255.255", own.String()} {
		before := events.of(Peer)
		if _, err := conn.WriteTo([]byte("x"), &net.UDPAddr{IP: net.ParseIP(peer), Port: 9}); err == nil {
			t.Errorf("%s: no error", peer)
		}
		if events.of(Peer) == before {
			t.Errorf("%s was not refused", peer)
		}
	}
	// Our own address is there for relayed ports alone.
	listener, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	before := events.of(Peer)
	if _, err := conn.WriteTo([]byte("x"), listener.LocalAddr()); err != nil {
		t.Error(err)
	}
	for deadline := time.Now().Add(5 * time.Second); events.of(Peer) == before; {
		if time.Now().After(deadline) {
			t.Fatal("a packet to a port that is not relayed was not refused")
		}
		listener.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		if n, _, err := listener.ReadFrom(make([]byte, 10)); err == nil {
			t.Fatalf("a port of the machine got %d bytes", n)
		}
	}
}

func TestPublic(t *testing.T) {
	for addr, want := range map[string]bool{
		"192.0.2.1": true, "8.8.8.8": true, "2001:4860:4860::8888": true,
		"::1": false, "::": false, "fe80::1": false, "fd00::1": false, "ff02::1": false, "::ffff:10.0.0.1": false, "::ffff:8.8.8.8": true,
		"64:ff9b::a00:1": false, "2002:a00:1::": false, "2001:0:a00:1::": false, "fec0::1": false, "100.127.255.255": false,
		"198.19.0.1": false, "240.0.0.1": false, "192.0.0.8": false,
	} {
		if got := Public(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: got %v, want %v", addr, got, want)
		}
	}
}

// TestBounds holds users to their share, and passwords to their time.
func TestBounds(t *testing.T) {
	address, s, events := start(t, func(o *Options) { o.PerUser, o.LastPort = 2, o.FirstPort+2 })
	for range 2 {
		if _, err := dial(t, address, "udp", "alice").Allocate(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := dial(t, address, "udp", "alice").Allocate(); err == nil || events.of(UserLimit) == 0 {
		t.Errorf("a third allocation of a user: %v", err)
	}
	bob := dial(t, address, "udp", "bob")
	conn, err := bob.Allocate()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dial(t, address, "udp", "carol").Allocate(); err == nil || events.of(Ports) == 0 {
		t.Errorf("more allocations than ports: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); s.Allocations() != 2 && time.Now().Before(deadline); {
		dial(t, address, "udp", "dave").SendBindingRequest()
	}
	if n := s.Allocations(); n != 2 {
		t.Errorf("%d allocations after one was given back", n)
	}
	for name, password := range map[string]string{
		"1": secret.Password("1"), "x": secret.Password("x"), fmt.Sprint(time.Now().Add(time.Hour).Unix()): "wrong",
		fmt.Sprint(time.Now().Add(1000 * time.Hour).Unix()): secret.Password(fmt.Sprint(time.Now().Add(1000 * time.Hour).Unix())),
	} {
		before := events.of(Credentials)
		if _, err := dialAs(t, address, "udp", name, password).Allocate(); err == nil || events.of(Credentials) == before {
			t.Errorf("%s with %s: %v", name, password, err)
		}
	}
}

func TestBudget(t *testing.T) {
	b, now := budget{rate: 1000}, time.Now()
	for range 10 {
		if !b.take(100, now) {
			t.Fatal("not a second's worth at once")
		}
	}
	if b.take(100, now) {
		t.Error("more than a second's worth at once")
	}
	if !b.take(100, now.Add(100*time.Millisecond)) {
		t.Error("nothing after a tenth of a second")
	}
}
