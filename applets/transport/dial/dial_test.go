package dial

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	four  = netip.MustParseAddr("192.0.2.1")
	four2 = netip.MustParseAddr("192.0.2.2")
	six   = netip.MustParseAddr("2001:db8::1")
	six2  = netip.MustParseAddr("2001:db8::2")
)

// network is one in which some addresses answer, some refuse, and the rest say nothing.
type network struct {
	answers, refuses string

	mu    sync.Mutex
	tried []string
}

func (n *network) connect(ctx context.Context, _, address string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(address)
	n.mu.Lock()
	n.tried = append(n.tried, host)
	n.mu.Unlock()
	switch {
	case slices.Contains(strings.Fields(n.answers), host):
		here, there := net.Pipe()
		there.Close()
		return here, nil
	case slices.Contains(strings.Fields(n.refuses), host):
		return nil, errors.New("connection refused")
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestDial(t *testing.T) {
	for _, test := range []struct {
		name    string
		addrs   []netip.Addr
		network *network
		want    time.Duration // -1: it fails
		tried   string
		again   time.Duration
	}{
		{"both", []netip.Addr{four, six}, &network{answers: "192.0.2.1 2001:db8::1"}, 0, "2001:db8::1", 0},
		{"IPv6 is dead", []netip.Addr{four, six}, &network{answers: "192.0.2.1"}, attemptDelay, "2001:db8::1 192.0.2.1", 0},
		{"IPv6 refuses", []netip.Addr{four, six}, &network{answers: "192.0.2.1", refuses: "2001:db8::1"}, 0, "2001:db8::1 192.0.2.1", 0},
		{"IPv4 is dead", []netip.Addr{four, six}, &network{answers: "2001:db8::1"}, 0, "2001:db8::1", 0},
		{"the second of each", []netip.Addr{four, four2, six, six2}, &network{answers: "192.0.2.2"}, 3 * attemptDelay,
			"2001:db8::1 192.0.2.1 2001:db8::2 192.0.2.2", attemptDelay},
		{"one address", []netip.Addr{four}, &network{answers: "192.0.2.1"}, 0, "192.0.2.1", 0},
		{"all refuse", []netip.Addr{four, six}, &network{refuses: "192.0.2.1 2001:db8::1"}, -1, "2001:db8::1 192.0.2.1", -1},
		{"all are dead", []netip.Addr{four, six}, &network{}, -1, "2001:db8::1 192.0.2.1", -1},
		{"no address", nil, &network{}, -1, "", -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &Dialer{Connect: test.network.connect}
				for i, want := range []time.Duration{test.want, test.again} {
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					start := time.Now()
					conn, err := d.Dial(ctx, "host", test.addrs, 25)
					took := time.Since(start)
					cancel()
					synctest.Wait()
					if (err != nil) != (want < 0) || err == nil && took != want {
						t.Errorf("attempt %d: got %v after %v, want %v", i, err, took, want)
					}
					if conn != nil {
						conn.Close()
					}
					if i == 0 && strings.Join(test.network.tried, " ") != test.tried {
						t.Errorf("tried %v, want %s", test.network.tried, test.tried)
					}
				}
			})
		})
	}
}

// TestForget wants a protocol to have another chance in time.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{answers: "192.0.2.1"}
		d := &Dialer{Connect: n.connect}
		dial := func() {
			conn, err := d.Dial(t.Context(), "host", []netip.Addr{four, six}, 25)
			if err != nil {
				t.Fatal(err)
			}
			conn.Close()
			synctest.Wait()
		}
		dial()
		time.Sleep(deadTime + time.Second)
		n.tried = nil
		dial()
		if n.tried[0] != six.String() {
			t.Errorf("tried %v, want IPv6 first", n.tried)
		}
	})
}

func TestIPv4Only(t *testing.T) {
	n := &network{answers: "2001:db8::1"}
	d := &Dialer{Connect: n.connect, IPv4Only: true}
	if _, err := d.Dial(t.Context(), "host", []netip.Addr{six}, 25); !errors.Is(err, ErrNoAddress) {
		t.Errorf("got %v", err)
	}
}

func TestSource(t *testing.T) {
	n := &network{answers: "2001:db8::1"}
	d := &Dialer{Connect: n.connect, Source: netip.MustParseAddr("192.0.2.7")}
	if _, err := d.Dial(t.Context(), "host", []netip.Addr{six}, 25); !errors.Is(err, ErrNoAddress) {
		t.Errorf("from IPv4 to IPv6: got %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	there := l.Addr().(*net.TCPAddr).AddrPort()
	for source, want := range map[string]string{
		"127.0.0.9": "127.0.0.9", // this machine's
		"192.0.2.7": "127.0.0.1", // a router's
	} {
		d := &Dialer{Source: netip.MustParseAddr(source)}
		conn, err := d.Dial(t.Context(), "host", []netip.Addr{there.Addr()}, int(there.Port()))
		if err != nil {
			t.Errorf("from %s: %v", source, err)
			continue
		}
		if got := conn.LocalAddr().(*net.TCPAddr).IP.String(); got != want {
			t.Errorf("from %s: got %s, want %s", source, got, want)
		}
		conn.Close()
	}
}
