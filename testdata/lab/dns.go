package lab

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"

	"chatmaild/testdata/kit/nameserver"
)

const dnsPort = 53

// startDNS answers for the lab's zone on the bridge's addresses, in its namespace.
func (l *Lab) startDNS() (servers []*nameserver.Server, err error) {
	err = inNetns(l.bridge(), func() error {
		v4, v6 := l.addrs(bridgeAddr)
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
			servers = append(servers, nameserver.Serve(udp, tcp, l.Zone))
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, stopDNS(servers))
	}
	return servers, nil
}

func stopDNS(servers []*nameserver.Server) error {
	var errs []error
	for _, s := range servers {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}
