package lab

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"os"

	"chatmaild/testdata/kit/nameserver"
)

// A Station is a network namespace with one leg on the lab's bridge. Hosts and
// clients are stations; a bare one stands for any machine out there, from which
// Go code can connect.
type Station struct {
	IPv4, IPv6 netip.Addr

	netns string // as ip-netns(8) names it
	zone  *nameserver.Zone
}

// AddStation adds a station. The name has to be new in this lab.
func (l *Lab) AddStation(ctx context.Context, name string) (Station, error) {
	l.mu.Lock()
	number := l.next
	l.next++
	l.mu.Unlock()
	if number > lastAddr {
		return Station{}, fmt.Errorf("adding %s: the lab's network has no address left", name)
	}
	s := Station{zone: l.Zone}
	s.IPv4, s.IPv6 = l.addrs(number)
	if l.way == Directory {
		return s, nil
	}
	s.netns = l.id + "-" + name
	err := ipBatch(ctx,
		"netns add "+s.netns,
		fmt.Sprintf("-n %s link add v%d type veth peer name eth0 netns %s", l.bridge(), number, s.netns),
		fmt.Sprintf("-n %s link set v%d master br0 up", l.bridge(), number),
		"-n "+s.netns+" link set lo up",
		"-n "+s.netns+" link set eth0 up",
		fmt.Sprintf("-n %s addr add %v/%d dev eth0", s.netns, s.IPv4, prefixLen4),
		fmt.Sprintf("-n %s addr add %v/%d dev eth0 nodad", s.netns, s.IPv6, prefixLen6),
	)
	if err != nil {
		return Station{}, fmt.Errorf("adding %s to the lab's network: %w", name, err)
	}
	return s, nil
}

// DialContext connects from the station to "host:port" by TCP. It has the form
// that http.Transport and others want. Names are looked up in the lab's zone.
func (s Station) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if _, err := netip.ParseAddr(host); err != nil {
		found := s.zone.Addresses(host)
		if len(found) == 0 {
			return nil, fmt.Errorf("dialing %s: no such name in the lab", address)
		}
		host = found[0].String()
	}
	var conn net.Conn
	err = inNetns(s.netns, func() (err error) {
		// An address, not a name: that would be looked up on another thread.
		var d net.Dialer
		conn, err = d.DialContext(ctx, network, net.JoinHostPort(host, port))
		return err
	})
	return conn, err
}

// DialTLS is DialContext with TLS on top. The certificate is not verified:
// those of the lab's relays are mostly self-signed.
func (s Station) DialTLS(ctx context.Context, address string, protocols ...string) (*tls.Conn, error) {
	conn, err := s.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	host, _, _ := net.SplitHostPort(address)
	secure := tls.Client(conn, insecure(host, protocols...))
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("TLS with %s: %w", address, err)
	}
	return secure, nil
}

func insecure(host string, protocols ...string) *tls.Config {
	return &tls.Config{ServerName: host, InsecureSkipVerify: true, NextProtos: protocols}
}

// LetMachineIn gives this machine itself a leg in the lab, so that a browser
// here reaches the hosts. Only one lab at a time can have that.
func (l *Lab) LetMachineIn(ctx context.Context) error {
	if l.way != Machine {
		return nil // it is in already, or may not make an interface
	}
	v4, v6 := addrs(machineEnd)
	name := "labveth" // in the machine's namespace; goes with its peer
	return ipBatch(ctx,
		fmt.Sprintf("-n %s link add v%d type veth peer name %s", l.bridge(), machineEnd, name),
		fmt.Sprintf("-n %s link set %s netns %d", l.bridge(), name, os.Getpid()),
		fmt.Sprintf("-n %s link set v%d master br0 up", l.bridge(), machineEnd),
		fmt.Sprintf("addr add %v/%d dev %s", v4, prefixLen4, name),
		fmt.Sprintf("addr add %v/%d dev %s nodad", v6, prefixLen6, name),
		"link set "+name+" up",
	)
}
