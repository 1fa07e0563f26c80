package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pion/stun/v4"
)

// outside sends a packet from an address of this machine to a relayed one.
func outside(ctx context.Context, server netip.AddrPort, relayed net.PacketConn) (bool, error) {
	conn, err := listen(server)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	seen, err := mapped(ctx, conn, server)
	if err != nil {
		return false, fmt.Errorf("binding: %w", err)
	}
	// This makes the permission, which servers refuse for addresses in their own network.
	if _, err := relayed.WriteTo([]byte("open"), net.UDPAddrFromAddrPort(seen)); err != nil {
		return false, nil
	}
	send := func() error { _, err := conn.WriteTo([]byte("outside"), relayed.LocalAddr()); return err }
	if err := await(ctx, relayed, "outside", send); err != nil {
		return false, fmt.Errorf("%w: %w", ErrOutside, err)
	}
	return true, nil
}

// mapped asks the server for the address that it sees of conn (RFC 8489 §3).
func mapped(ctx context.Context, conn net.PacketConn, server netip.AddrPort) (netip.AddrPort, error) {
	request, err := stun.Build(stun.TransactionID, stun.BindingRequest)
	if err != nil {
		return netip.AddrPort{}, err
	}
	buf := make([]byte, 1500)
	for end := time.Now().Add(dataLimit); time.Now().Before(end) && ctx.Err() == nil; {
		if _, err := conn.WriteTo(request.Raw, net.UDPAddrFromAddrPort(server)); err != nil {
			return netip.AddrPort{}, err
		}
		if err := conn.SetReadDeadline(time.Now().Add(retryPeriod)); err != nil {
			return netip.AddrPort{}, err
		}
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			continue
		}
		answer := &stun.Message{Raw: buf[:n]}
		var addr stun.XORMappedAddress
		if answer.Decode() != nil || answer.TransactionID != request.TransactionID || addr.GetFrom(answer) != nil {
			continue
		}
		if ip, ok := netip.AddrFromSlice(addr.IP); ok {
			return netip.AddrPortFrom(ip.Unmap(), uint16(addr.Port)), nil
		}
	}
	return netip.AddrPort{}, errors.New("no answer")
}
