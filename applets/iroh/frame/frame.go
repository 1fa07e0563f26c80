// Package frame is the language between a client of iroh 0.35 and its relay: frames over
// a connection that began as HTTP, and the proof by which a client has its key.
//
// Facts from n0-computer/iroh at v0.35.0 (iroh-relay/src/protos/relay.rs). A frame is a
// type of one byte, the length of what follows in four bytes, big-endian, and that.
// iroh 1.0 has another language, under the same path.
package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Upgrade is what the client wants HTTP to become, and Path where it asks for that.
const (
	Upgrade = "iroh derp http"
	Path    = "/relay"
)

// MaxPacket is the longest packet, in bytes.
const MaxPacket = 64 << 10

const (
	header    = 5   // bytes
	pingSize  = 8   // bytes
	maxHealth = 512 // bytes; iroh has no bound of its own
)

// MaxSize is the longest frame, in bytes.
const MaxSize = header + KeySize + MaxPacket

// Type is what a frame is for.
type Type byte

// The types. 9 to 11 are of relays among each other, and gone.
const (
	ClientInfo    Type = 2  // the first frame of a client: its Proof
	SendPacket    Type = 4  // to the relay: for Key
	ReceivePacket Type = 5  // to the client: from Key
	KeepAlive     Type = 6  // no matter from whom
	NotePreferred Type = 7  // to the relay: whether it is the client's home
	PeerGone      Type = 8  // to the client: Key is
	Ping          Type = 12 // from either side
	Pong          Type = 13 // its data back
	Health        Type = 14 // to the client: what is wrong
	Restarting    Type = 15 // to the client: for how long, in two numbers
)

// Frame is one of them.
type Frame struct {
	Type Type
	Key  Key    // of SendPacket, ReceivePacket and PeerGone
	Data []byte // what else there is
}

// keyed reports whether the type begins with a key.
func (t Type) keyed() bool { return t == SendPacket || t == ReceivePacket || t == PeerGone }

// bounds are how long the body of a type may be, key included; ok says whether there is
// such a type.
func (t Type) bounds() (low, high int, ok bool) {
	switch t {
	case ClientInfo:
		return proofSize + 1, proofSize + binary.MaxVarintLen64, true
	case SendPacket, ReceivePacket:
		return KeySize, KeySize + MaxPacket, true
	case KeepAlive:
		return 0, 0, true
	case NotePreferred:
		return 1, 1, true
	case PeerGone:
		return KeySize, KeySize, true
	case Ping, Pong, Restarting:
		return pingSize, pingSize, true
	case Health:
		return 0, maxHealth, true
	}
	return 0, 0, false
}

var errPreferred = errors.New("a frame of type 7 with neither 0 nor 1")

// Next returns the frame that b begins with, and how long it is: 0 while it is not there
// as a whole. What the frame has is b's.
func Next(b []byte) (Frame, int, error) {
	if len(b) == 0 {
		return Frame{}, 0, nil
	}
	t := Type(b[0])
	low, high, ok := t.bounds()
	if !ok {
		return Frame{}, 0, fmt.Errorf("a frame of the unknown type %d", t)
	}
	if len(b) < header {
		return Frame{}, 0, nil
	}
	size := binary.BigEndian.Uint32(b[1:])
	if size < uint32(low) || size > uint32(high) {
		return Frame{}, 0, fmt.Errorf("a frame of type %d with %d bytes: want %d to %d", t, size, low, high)
	}
	end := header + int(size)
	if len(b) < end {
		return Frame{}, 0, nil
	}
	f := Frame{Type: t, Data: b[header:end:end]}
	if t.keyed() {
		f.Key = Key(f.Data)
		f.Data = f.Data[KeySize:]
	}
	if t == NotePreferred && f.Data[0] > 1 {
		return Frame{}, 0, errPreferred
	}
	return f, end, nil
}

// Size is how long the frame is.
func (f Frame) Size() int {
	if f.Type.keyed() {
		return header + KeySize + len(f.Data)
	}
	return header + len(f.Data)
}

// Append appends the frame to b.
func Append(b []byte, f Frame) []byte {
	b = append(b, byte(f.Type))
	b = binary.BigEndian.AppendUint32(b, uint32(f.Size()-header))
	if f.Type.keyed() {
		b = append(b, f.Key[:]...)
	}
	return append(b, f.Data...)
}

// disco begins the packets by which two clients look for a direct path (iroh-relay's
// src/protos/disco.rs), in front of a key.
const disco = "TS\U0001F4AC"

// Disco reports whether a packet is one of those.
func Disco(packet []byte) bool {
	return len(packet) >= len(disco)+KeySize && string(packet[:len(disco)]) == disco
}
