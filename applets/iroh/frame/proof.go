package frame

import (
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// KeySize is the size of a Key, in bytes.
const KeySize = ed25519.PublicKeySize

// Key is a client's public key, and its address.
type Key [KeySize]byte

// magic begins each proof.
const magic = "RELAY\U0001F511"

// proofSize is the size of a proof without the version, in bytes.
const proofSize = len(magic) + KeySize + ed25519.SignatureSize

// Version is that of iroh 0.31 to 0.35.
const Version = 3

// What a proof can lack.
var (
	ErrProof   = errors.New("the client does not have the key that it names")
	ErrVersion = errors.New("the client speaks another version of the protocol")
)

// Prove returns the frame by which the client with a key begins. All that is signed is
// the version: a peer that reads the frame of another can begin as he did, so that it must
// go through TLS.
func Prove(key ed25519.PrivateKey) Frame {
	message := binary.AppendUvarint(nil, Version)
	data := append([]byte(magic), key.Public().(ed25519.PublicKey)...)
	data = append(data, ed25519.Sign(key, message)...)
	return Frame{Type: ClientInfo, Data: append(data, message...)}
}

// Proven returns the key that the client proves to have with its first frame.
func Proven(f Frame) (Key, error) {
	if f.Type != ClientInfo || len(f.Data) <= proofSize || string(f.Data[:len(magic)]) != magic {
		return Key{}, ErrProof
	}
	named := f.Data[len(magic) : len(magic)+KeySize]
	signature, message := f.Data[len(magic)+KeySize:proofSize], f.Data[proofSize:]
	if small(Key(named)) || !ed25519.Verify(named, message, signature) {
		return Key{}, ErrProof
	}
	if version, n := binary.Uvarint(message); n != len(message) || version != Version {
		return Key{}, fmt.Errorf("%w: %x in place of %d", ErrVersion, message, Version)
	}
	return Key(named), nil
}

// smallOrder are the ordinates of the points for which everybody can sign: 0, 1, -1 and
// the two of order 8; of 0 and 1 with p added, too. crypto/ed25519 takes them all.
var smallOrder = func() (list []Key) {
	for _, text := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	} {
		point, err := hex.DecodeString(text)
		if err != nil {
			panic(err)
		}
		list = append(list, Key(point))
	}
	return list
}()

// small reports whether a key is one of those, on either side.
func small(k Key) bool {
	k[KeySize-1] &^= 0x80
	return slices.Contains(smallOrder, k)
}
