package main

import (
	"crypto/tls"
	"io"
	"net"
	"time"

	"chatmaild/testdata/kit/measure"
	"chatmaild/testdata/kit/pki"
)

// bare is the floor, in a process of its own.
type bare struct {
	*measure.Process
	address string
}

func startFloor() (*bare, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	cmd, err := measure.Self("-floor", address)
	if err != nil {
		return nil, err
	}
	process, err := measure.Start(cmd, measure.Listening("tcp", address))
	return &bare{process, address}, err
}

// relayed is what daemon.relayed is, without frames.
func (b *bare) relayed(size int, length time.Duration) (float64, error) {
	var ends []*tls.Conn
	for range 2 {
		conn, err := tls.Dial("tcp", b.address, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		ends = append(ends, conn)
	}
	batch, in := make([]byte, max(1, (32<<10)/size)*size), make([]byte, 64<<10)
	return transfer(length, len(batch), func() error {
		_, err := ends[0].Write(batch)
		return err
	}, func() (int, error) { return ends[1].Read(in) })
}

// floor relays from each first connection to the second.
func floor(address string) error {
	pair, err := pki.New(nil, pki.Request{Names: []string{"bench.test"}})
	if err != nil {
		return err
	}
	l, err := tls.Listen("tcp", address, &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		return err
	}
	var first *tls.Conn
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		second := conn.(*tls.Conn)
		if second.Handshake() != nil {
			continue // it wanted to know whether a peer is there
		}
		if first == nil {
			first = second
			continue
		}
		go func(from, to *tls.Conn) {
			_, _ = io.Copy(to, from) // until one is gone
			from.Close()
			to.Close()
		}(first, second)
		first = nil
	}
}
