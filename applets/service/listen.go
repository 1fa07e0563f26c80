package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
)

// Address is a place to listen at: a TCP address, or the path of a unix socket.
type Address struct {
	Network string // "tcp", "unix" or, for datagrams, "unixgram" or "udp"
	Addr    string
	Mode    os.FileMode // of a unix socket that we make; 0 means 0660
	// Early listens at a TCP address that the machine does not have yet, such as that of a
	// VPN which starts later (IP_FREEBIND of ip(7), which holds for IPv6 as well).
	Early bool
}

// Loopback is a TCP port on 127.0.0.1.
func Loopback(port int) Address {
	return Address{Network: "tcp", Addr: fmt.Sprintf("127.0.0.1:%d", port)}
}

// Unix is a unix socket.
func Unix(path string) Address {
	return Address{Network: "unix", Addr: path}
}

// socket is what an endpoint is served on: one of the two.
type socket struct {
	listener  net.Listener
	datagrams *net.UnixConn
	packets   net.PacketConn
}

// listenAll returns the endpoints to serve, and a socket for each of them: the one that systemd
// handed over under its name, or a new one.
func listenAll(endpoints []Endpoint) ([]Endpoint, []socket, error) {
	named := make(map[string]*os.File)
	for _, f := range activation.Files(true) {
		defer f.Close() // those that are used are duplicates
		if named[f.Name()] == nil {
			named[f.Name()] = f
		}
	}
	var served []Endpoint
	var sockets []socket
	for _, e := range endpoints {
		if e.Handed && named[e.Name] == nil {
			continue
		}
		s, err := e.socket(named[e.Name])
		if err != nil {
			for _, open := range sockets {
				open.close()
			}
			return nil, nil, err
		}
		served, sockets = append(served, e), append(sockets, s)
	}
	return served, sockets, nil
}

// socket takes over systemd's, if there is one, or makes one.
func (e *Endpoint) socket(handed *os.File) (s socket, err error) {
	switch {
	case handed != nil && e.Packets != nil:
		s.packets, err = net.FilePacketConn(handed)
	case e.Packets != nil:
		s.packets, err = net.ListenPacket(e.Address.Network, e.Address.Addr)
		if err != nil {
			return s, fmt.Errorf("cannot listen: %w", err)
		}
	case handed != nil && e.Datagrams != nil:
		var conn net.PacketConn
		if conn, err = net.FilePacketConn(handed); err == nil {
			s.datagrams = conn.(*net.UnixConn)
		}
	case handed != nil:
		s.listener, err = net.FileListener(handed)
	case e.Datagrams != nil:
		s.datagrams, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: e.Address.Addr, Net: "unixgram"})
		if err != nil {
			return s, fmt.Errorf("cannot listen: %w", err)
		}
	default:
		s.listener, err = listen(e.Address)
		return s, err
	}
	if err != nil {
		return s, fmt.Errorf("taking over systemd's socket %s: %w", e.Name, err)
	}
	return s, nil
}

func (s socket) close() {
	switch {
	case s.listener != nil:
		s.listener.Close()
	case s.packets != nil:
		s.packets.Close()
	default:
		s.datagrams.Close()
	}
}

func (s socket) addr() net.Addr {
	switch {
	case s.listener != nil:
		return s.listener.Addr()
	case s.packets != nil:
		return s.packets.LocalAddr()
	}
	return s.datagrams.LocalAddr()
}

func listen(a Address) (net.Listener, error) {
	if a.Network == "unix" {
		return listenUnix(a)
	}
	// No keep-alive: it takes four system calls for each connection, and our servers
	// have deadlines by which a peer that is gone is noticed.
	config := net.ListenConfig{KeepAlive: -1}
	if a.Early {
		config.Control = freeBind
	}
	l, err := config.Listen(context.Background(), a.Network, a.Addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("cannot listen on %s: another program holds the port (see: ss -ltnp)", a.Addr)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	return l, nil
}

// freeBind is a net.ListenConfig's Control.
func freeBind(_, _ string, c syscall.RawConn) error {
	var err error
	if controlErr := c.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_FREEBIND, 1)
	}); controlErr != nil {
		return controlErr
	}
	return err
}

// listenUnix makes a unix socket. One left behind by a process that is gone is
// replaced; one that someone answers is not.
func listenUnix(a Address) (net.Listener, error) {
	if c, err := net.Dial("unix", a.Addr); err == nil {
		c.Close()
		return nil, fmt.Errorf("cannot listen on %s: another program holds the socket", a.Addr)
	} else if errors.Is(err, syscall.ECONNREFUSED) {
		// A file of any other kind refuses too: it is not ours to remove.
		if info, err := os.Lstat(a.Addr); err == nil && info.Mode().Type() != os.ModeSocket {
			return nil, fmt.Errorf("cannot listen on %s: it is not a socket", a.Addr)
		}
		if err := os.Remove(a.Addr); err != nil {
			return nil, fmt.Errorf("removing a stale socket: %w", err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(a.Addr), 0o755); err != nil {
		return nil, fmt.Errorf("creating the socket's directory: %w", err)
	}
	l, err := net.Listen("unix", a.Addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	mode := a.Mode
	if mode == 0 {
		mode = 0o660
	}
	if err := os.Chmod(a.Addr, mode); err != nil {
		l.Close()
		return nil, fmt.Errorf("setting the socket's mode: %w", err)
	}
	return l, nil
}
