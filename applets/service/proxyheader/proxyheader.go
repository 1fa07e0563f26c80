// Package proxyheader reads the header by which a server in front says whose connection it
// passes on: the PROXY protocol (haproxy.org/download/2.9/doc/proxy-protocol.txt), in
// version 1, as nginx sends it, and in version 2. Who reads it has to know that the
// connection is that server's: anybody can claim anything in it.
package proxyheader

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// Max is the greatest size of a header, in bytes. In version 2 there may be more than
// addresses, up to 64 KiB: nobody who is in front of us sends that.
const Max = 536

// Errors of Parse.
var (
	ErrShort  = errors.New("the PROXY header is not complete")
	ErrBroken = errors.New("no valid PROXY header")
)

const (
	maxText   = 107 // bytes of version 1 (§2.1)
	prefix    = "PROXY "
	signature = "\r\n\r\n\x00\r\nQUIT\n"
	fixed     = len(signature) + 4 // of version 2
)

// Parse reads the header that b begins with. Client is who has connected to the server in
// front; the zero Addr if that does not say. ErrShort asks for more bytes: it comes only
// while b has fewer than Max.
func Parse(b []byte) (client netip.Addr, size int, err error) {
	switch {
	case bytes.HasPrefix(b, []byte(prefix)):
		return parseText(b)
	case bytes.HasPrefix(b, []byte(signature)):
		return parseBinary(b)
	case strings.HasPrefix(prefix, string(b)) || strings.HasPrefix(signature, string(b)):
		return netip.Addr{}, 0, ErrShort
	}
	return netip.Addr{}, 0, ErrBroken
}

func parseText(b []byte) (client netip.Addr, size int, err error) {
	end := bytes.Index(b[:min(len(b), maxText)], []byte("\r\n"))
	switch {
	case end < 0 && len(b) < maxText:
		return netip.Addr{}, 0, ErrShort
	case end < 0:
		return netip.Addr{}, 0, ErrBroken
	}
	size = end + len("\r\n")
	field := strings.Split(string(b[len(prefix):end]), " ")
	if field[0] == "UNKNOWN" {
		return netip.Addr{}, size, nil
	}
	if len(field) != 5 || !port(field[3]) || !port(field[4]) {
		return netip.Addr{}, 0, ErrBroken
	}
	client, err1 := netip.ParseAddr(field[1])
	server, err2 := netip.ParseAddr(field[2])
	family := map[string]func(netip.Addr) bool{"TCP4": netip.Addr.Is4, "TCP6": netip.Addr.Is6}[field[0]]
	if err1 != nil || err2 != nil || family == nil || !family(client) || !family(server) || client.Zone() != "" {
		return netip.Addr{}, 0, ErrBroken
	}
	return client.Unmap(), size, nil
}

func port(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

// What version 2 has behind the signature (§2.2).
const (
	local   = 0x20 // the server in front has connected by itself
	proxied = 0x21
	tcp4    = 0x11
	tcp6    = 0x21
)

func parseBinary(b []byte) (client netip.Addr, size int, err error) {
	if len(b) < fixed {
		return netip.Addr{}, 0, ErrShort
	}
	command, family := b[len(signature)], b[len(signature)+1]
	size = fixed + int(binary.BigEndian.Uint16(b[len(signature)+2:]))
	switch {
	case size > Max || command != local && command != proxied:
		return netip.Addr{}, 0, ErrBroken
	case len(b) < size:
		return netip.Addr{}, 0, ErrShort
	}
	addresses := b[fixed:size]
	switch {
	case command == local:
	case family == tcp4 && len(addresses) >= 12:
		client = netip.AddrFrom4([4]byte(addresses[:4]))
	case family == tcp6 && len(addresses) >= 36:
		client = netip.AddrFrom16([16]byte(addresses[:16])).Unmap()
	case family == tcp4 || family == tcp6:
		return netip.Addr{}, 0, ErrBroken
	}
	return client, size, nil
}
