// Package turnwire is what a hand-made client says to a TURN server (RFC 8656 §17 and §18):
// for what no library says, and for loads that no library makes.
package turnwire

import (
	"encoding/binary"
	"net/netip"

	"github.com/pion/stun/v4"
)

// Methods.
const (
	Allocate         stun.Method = 3
	Refresh          stun.Method = 4
	Send             stun.Method = 6
	CreatePermission stun.Method = 8
	ChannelBind      stun.Method = 9
	Connect          stun.Method = 10 // RFC 6062
)

// Attributes.
const (
	ChannelNumber      stun.AttrType = 0x0c
	Lifetime           stun.AttrType = 0x0d
	XORPeerAddress     stun.AttrType = 0x12
	Data               stun.AttrType = 0x13
	XORRelayedAddress  stun.AttrType = 0x16
	RequestedFamily    stun.AttrType = 0x17
	EvenPort           stun.AttrType = 0x18
	RequestedTransport stun.AttrType = 0x19
	ReservationToken   stun.AttrType = 0x22
)

// Number is an attribute of 32 bits.
func Number(t stun.AttrType, n uint32) stun.Setter {
	return stun.RawAttribute{Type: t, Value: binary.BigEndian.AppendUint32(nil, n)}
}

// UDP asks for a relayed address of UDP.
var UDP = Number(RequestedTransport, 17<<24)

// Channel is the number of a channel.
func Channel(n uint16) stun.Setter { return Number(ChannelNumber, uint32(n)<<16) }

// Peer is an address in XOR-PEER-ADDRESS, which depends on the message's transaction.
type Peer netip.AddrPort

// AddTo implements stun.Setter.
func (p Peer) AddTo(m *stun.Message) error {
	at := netip.AddrPort(p)
	return stun.XORMappedAddress{IP: at.Addr().AsSlice(), Port: int(at.Port())}.AddToAs(m, XORPeerAddress)
}
