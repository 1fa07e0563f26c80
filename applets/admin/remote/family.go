package remote

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

// Family is a version of IP.
type Family string

// The versions of IP, as package net has them at the end of "tcp4" and "ip6".
const (
	IPv4 Family = "4"
	IPv6 Family = "6"
)

// Over is the relay as those reach it who have this version of IP alone.
func (r *Relay) Over(f Family) *Relay {
	one := *r
	one.family = f
	return &one
}

// AddressesOf looks up the relay's addresses of one family. To have none is no
// error.
func (r *Relay) AddressesOf(ctx context.Context, f Family) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(r.Host); err == nil {
		if a.Is4() == (f == IPv4) {
			return []netip.Addr{a}, nil
		}
		return nil, nil
	}
	found, err := r.Records().LookupNetIP(ctx, "ip"+string(f), r.Host)
	var unknown *net.DNSError
	var unsuitable *net.AddrError // the name has only others
	if errors.As(err, &unknown) && unknown.IsNotFound || errors.As(err, &unsuitable) {
		return nil, nil
	}
	return found, err
}

// HasWay reports whether this machine has an address and a route for packets to a.
// Nothing is sent: to connect a UDP socket is to look the route up (connect(2)).
func (n *Network) HasWay(ctx context.Context, a netip.Addr) bool {
	if n.Dial != nil { // not this machine's own way
		return true
	}
	const discard = 9 // a port that need not be there
	conn, err := new(net.Dialer).DialContext(ctx, "udp", netip.AddrPortFrom(a, discard).String())
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
