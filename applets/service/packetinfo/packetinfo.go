// Package packetinfo has UDP sockets report to which of this machine's addresses each datagram
// came, as systemd does for PassPacketInfo=. An answer can then leave from there: left to
// itself, the kernel takes the address that leads to the client best, and a client that asked
// another one ignores the answer.
package packetinfo

import (
	"net"

	"golang.org/x/sys/unix"
)

// Enable sets the option of a socket's family: IP_PKTINFO of ip(7), or IPV6_RECVPKTINFO of
// ipv6(7), which covers what comes by IPv4 to such a socket, too. Datagrams that have come
// before are not reported.
func Enable(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		family, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN)
		switch {
		case err != nil:
			failed = err
		case family == unix.AF_INET6:
			failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		default:
			failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		}
	})
	if err != nil {
		return err
	}
	return failed
}
