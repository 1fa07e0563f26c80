package proxyheader

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// timeout is how long a server in front, on this machine, may take to say who the client is.
const timeout = 5 * time.Second

var errNotHere = errors.New("the server that speaks for a client is not on this machine")

// Accept reads the header of a connection, and returns the one that begins behind it. It is to
// be closed in any case.
func Accept(conn net.Conn) (net.Conn, netip.Addr, error) {
	if !Address(conn).IsLoopback() {
		return conn, netip.Addr{}, errNotHere
	}
	if err := conn.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return conn, netip.Addr{}, fmt.Errorf("reading the PROXY header: %w", err)
	}
	client, rest, err := read(conn)
	if err == nil {
		err = conn.SetReadDeadline(time.Time{})
	}
	if len(rest) > 0 {
		conn = &begun{Conn: conn, rest: rest}
	}
	return conn, client, err
}

// Address is where a connection comes from; the zero Addr if that is no IP address.
func Address(conn net.Conn) netip.Addr {
	tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

// read reads the PROXY header, and what has come behind it.
func read(conn net.Conn) (client netip.Addr, rest []byte, err error) {
	var b [Max]byte
	for n := 0; ; {
		got, err := conn.Read(b[n:])
		n += got
		if got == 0 && err != nil {
			return netip.Addr{}, nil, fmt.Errorf("reading the PROXY header: %w", err)
		}
		client, size, err := Parse(b[:n])
		if !errors.Is(err, ErrShort) {
			return client, append([]byte(nil), b[min(size, n):n]...), err
		}
	}
}

// begun is a connection of which the first bytes have been read.
type begun struct {
	net.Conn
	rest []byte
}

// Read implements net.Conn.
func (b *begun) Read(p []byte) (int, error) {
	if len(b.rest) == 0 {
		return b.Conn.Read(p)
	}
	n := copy(p, b.rest)
	if b.rest = b.rest[n:]; len(b.rest) == 0 {
		b.rest = nil
	}
	return n, nil
}

// NetConn returns the connection itself, as that of tls.Conn does.
func (b *begun) NetConn() net.Conn { return b.Conn }
