package lab

import (
	"context"
	"errors"
	"net"
	"strconv"

	"chatmaild/testdata/kit/nameserver"
)

const dnsPort = 53

// startDNS answers for a zone on the bridge's addresses, in its namespace.
func startDNS(netns string, zone *nameserver.Zone) (servers []*nameserver.Server, err error) {
	err = inNetns(netns, func() error {
		v4, v6 := addrs(bridgeAddr)
		for _, ip := range []string{v4.String(), v6.String()} {
			address := net.JoinHostPort(ip, strconv.Itoa(dnsPort))
			udp, err := new(net.ListenConfig).ListenPacket(context.Background(), "udp", address)
			if err != nil {
				return err
			}
			tcp, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
			if err != nil {
				udp.Close()
				return err
			}
			servers = append(servers, nameserver.Serve(udp, tcp, zone))
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
