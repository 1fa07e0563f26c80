package bridge

import (
	"encoding/binary"
	"net/netip"
)

// Of the PROXY protocol, version 2 (haproxy.org/download/2.9/doc/proxy-protocol.txt §2.2).
const (
	signature = "\r\n\r\n\x00\r\nQUIT\n"
	proxied   = 0x21 // version 2, PROXY
	tcp4      = 0x11
	tcp6      = 0x21

	typeSSL   = 0x20 // a type-length-value
	clientSSL = 0x01 // the client came by TLS
	lengthSSL = 5    // of what is mandatory in it
)

// proxyHeader says that a client came by TLS, from this address: Dovecot takes logins from
// no others. Nothing depends on the ports, nor on the address that the client came to.
func proxyHeader(client netip.Addr) []byte {
	client = client.Unmap()
	family, here := byte(tcp4), netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if client.Is6() {
		family, here = tcp6, netip.IPv6Loopback()
	}
	address := append(client.AsSlice(), here.AsSlice()...)
	address = append(address, make([]byte, 4)...) // ports
	const notVerified = 1                         // it has shown no certificate
	tlv := []byte{typeSSL, 0, lengthSSL, clientSSL, 0, 0, 0, notVerified}

	header := append([]byte(signature), proxied, family)
	header = binary.BigEndian.AppendUint16(header, uint16(len(address)+len(tlv)))
	header = append(header, address...)
	return append(header, tlv...)
}
