package network

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"

	"chatmaild/testdata/kit/nameserver"
	"chatmaild/testdata/lab/program"
)

// A Station is a network namespace with one leg on the lab's bridge. Hosts and
// clients are stations; a bare one stands for any machine out there, from which
// Go code can connect.
type Station struct {
	IPv4, IPv6 netip.Addr

	Netns string           // as ip-netns(8) names it; "" is this machine's own
	Zone  *nameserver.Zone // the network's
}

// AddStation adds a station. The name has to be new in this network.
func (n *Network) AddStation(ctx context.Context, name string) (Station, error) {
	n.mu.Lock()
	number, beside := n.next, slices.Clone(n.beside)
	n.next++
	n.mu.Unlock()
	if number > lastAddr {
		return Station{}, fmt.Errorf("adding %s: the lab's network has no address left", name)
	}
	s := Station{Zone: n.Zone}
	s.IPv4, s.IPv6 = n.addresses(number)
	if n.local {
		return s, nil
	}
	s.Netns = n.ID + "-" + name
	lines := []string{
		"netns add " + s.Netns,
		fmt.Sprintf("-n %s link add v%d type veth peer name eth0 netns %s", n.bridge(), number, s.Netns),
		fmt.Sprintf("-n %s link set v%d master br0 up", n.bridge(), number),
		"-n " + s.Netns + " link set lo up",
		"-n " + s.Netns + " link set eth0 up",
		fmt.Sprintf("-n %s addr add %v/%d dev eth0", s.Netns, s.IPv4, PrefixLen4),
		fmt.Sprintf("-n %s addr add %v/%d dev eth0 nodad", s.Netns, s.IPv6, PrefixLen6),
	}
	for _, prefix := range beside {
		lines = append(lines, fmt.Sprintf("-n %s route add %v dev eth0", s.Netns, prefix))
	}
	if err := ipBatch(ctx, lines...); err != nil {
		return Station{}, fmt.Errorf("adding %s to the lab's network: %w", name, err)
	}
	return s, nil
}

// TakeName has a name lead to the station, in the lab's zone.
func (s Station) TakeName(name string) error {
	err := s.Zone.Set(name, "A", s.IPv4.String())
	if s.IPv6.IsValid() {
		err = errors.Join(err, s.Zone.Set(name, "AAAA", s.IPv6.String()))
	}
	return err
}

// InNetns runs one of this machine's programs in the station's namespace.
func (s Station) InNetns(ctx context.Context, words ...string) (string, error) {
	return program.Run(ctx, "ip", append([]string{"netns", "exec", s.Netns}, words...)...)
}

// Resolver is the addresses of the name server that the station asks.
func (s Station) Resolver() (v4, v6 netip.Addr) {
	if s.Netns == "" {
		return netip.MustParseAddr(fmt.Sprintf(localNet, bridgeAddr)), netip.Addr{}
	}
	return Resolver()
}

// Path is where the station's namespace is mounted.
func (s Station) Path() string { return filepath.Join(netnsDir, s.Netns) }

// Tap is the name of the interface of a virtual machine that has the station's addresses, on
// the bridge's side.
func (s Station) Tap() string { return fmt.Sprintf("t%d", s.IPv4.As4()[3]) }

// DialContext connects from the station to "host:port" by TCP. It has the form
// that http.Transport and others want. Names are looked up in the lab's zone.
func (s Station) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if _, err := netip.ParseAddr(host); err != nil {
		found := s.Zone.Addresses(host)
		if len(found) == 0 {
			return nil, fmt.Errorf("dialing %s: no such name in the lab", address)
		}
		host = found[0].String()
	}
	var conn net.Conn
	err = s.Do(func() (err error) {
		// An address, not a name: that would be looked up on another thread.
		var d net.Dialer
		conn, err = d.DialContext(ctx, network, net.JoinHostPort(host, port))
		return err
	})
	return conn, err
}

// Listen listens on a TCP port of all of the station's addresses.
func (s Station) Listen(port int) (listener net.Listener, err error) {
	err = s.Do(func() (err error) {
		listener, err = new(net.ListenConfig).Listen(context.Background(), "tcp", fmt.Sprintf(":%d", port))
		return err
	})
	return listener, err
}

// DialTLS is DialContext with TLS on top. The certificate is not verified.
func (s Station) DialTLS(ctx context.Context, address string, protocols ...string) (*tls.Conn, error) {
	conn, err := s.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	host, _, _ := net.SplitHostPort(address)
	secure := tls.Client(conn, Insecure(host, protocols...))
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("TLS with %s: %w", address, err)
	}
	return secure, nil
}

// Insecure is the TLS of a client that takes any certificate: those of the lab's relays are
// mostly self-signed.
func Insecure(host string, protocols ...string) *tls.Config {
	return &tls.Config{ServerName: host, InsecureSkipVerify: true, NextProtos: protocols}
}
