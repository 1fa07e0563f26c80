package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"time"
)

// bare is the floor, in a process of its own.
type bare struct {
	program
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
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	b := &bare{program{exec.Command(self, "-floor", address)}, address}
	b.cmd.Stderr = os.Stderr
	return b, b.start("tcp", address)
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
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"bench.test"}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	l, err := tls.Listen("tcp", address, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}})
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
