// Package port opens TCP and UDP ports for services, as their socket units say.
package port

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"chatmaild/applets/service/packetinfo"
	"chatmaild/applets/supervise/unit"
)

// Open opens the port at which a unit listens. The caller closes the file.
func Open(u *unit.Unit) (*os.File, error) {
	if u.Datagram {
		return datagrams(u)
	}
	address := u.Listen
	if !strings.Contains(address, ":") {
		address = ":" + address // a port alone: of all addresses
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	return take(l.(*net.TCPListener))
}

func datagrams(u *unit.Unit) (*os.File, error) {
	l, err := net.ListenPacket("udp", u.Listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	conn := l.(*net.UDPConn)
	if u.ReceiveBuffer > 0 {
		if err := conn.SetReadBuffer(u.ReceiveBuffer); err != nil {
			conn.Close()
			return nil, fmt.Errorf("setting a receive buffer: %w", err)
		}
	}
	if u.PacketInfo {
		if err := packetinfo.Enable(conn); err != nil {
			conn.Close()
			return nil, fmt.Errorf("having a socket say where datagrams come to: %w", err)
		}
	}
	return take(conn)
}

// take returns the file of a socket in place of Go's own handle.
func take(socket interface {
	File() (*os.File, error)
	Close() error
},
) (*os.File, error) {
	f, err := socket.File()
	return f, errors.Join(err, socket.Close())
}
