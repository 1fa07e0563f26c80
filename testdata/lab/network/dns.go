package network

import (
	"context"
	"net"
	"net/netip"
	"strconv"

	"chatmaild/testdata/kit/nameserver"
)

const dnsPort = 53

// startDNS answers for the zone on the bridge's addresses, in its namespace.
func (n *Network) startDNS() error {
	return n.Bridge().Do(func() error {
		v4, v6 := n.addresses(bridgeAddr)
		for _, ip := range []netip.Addr{v4, v6} {
			if !ip.IsValid() {
				continue
			}
			address := net.JoinHostPort(ip.String(), strconv.Itoa(dnsPort))
			udp, err := new(net.ListenConfig).ListenPacket(context.Background(), "udp", address)
			if err != nil {
				return err
			}
			tcp, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
			if err != nil {
				udp.Close()
				return err
			}
			n.dns = append(n.dns, nameserver.Serve(udp, tcp, n.Zone))
		}
		return nil
	})
}
