// Package pgptest reads OpenPGP messages with ProtonMail/go-crypto, for tests:
// whatever package pgp accepts, another implementation must see as an encrypted
// message too.
package pgptest

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// The types of packets in an encrypted message (RFC 9580, section 5).
const (
	tagPKESK = 1
	tagSKESK = 3
	tagSEIPD = 18
)

// Armored returns nil if text is one armored message, and Packets accepts what
// is in it.
func Armored(text []byte) error {
	r := bytes.NewReader(text)
	block, err := armor.Decode(r)
	if err != nil {
		return fmt.Errorf("decoding armor: %w", err)
	}
	if block.Type != "PGP MESSAGE" {
		return fmt.Errorf("armor of type %q", block.Type)
	}
	raw, err := io.ReadAll(block.Body)
	if err != nil {
		return fmt.Errorf("reading armor: %w", err)
	}
	return Packets(raw)
}

// Packets returns nil if bytes are encrypted session keys, at least one, and
// then one packet of encrypted and integrity protected data.
func Packets(raw []byte) error {
	r := packet.NewOpaqueReader(bytes.NewReader(raw))
	keys, data := 0, 0
	for {
		opaque, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("reading packet: %w", err)
		}
		if data > 0 {
			return fmt.Errorf("packet with tag %d after the data", opaque.Tag)
		}
		switch opaque.Tag {
		case tagPKESK, tagSKESK:
			// What a session key is encrypted with is not looked at.
			keys++
		case tagSEIPD:
			data++
			p, err := opaque.Parse()
			if err != nil {
				return fmt.Errorf("parsing data: %w", err)
			}
			if se, ok := p.(*packet.SymmetricallyEncrypted); !ok || !se.IntegrityProtected {
				return errors.New("data without integrity protection")
			}
		default:
			return fmt.Errorf("packet with tag %d", opaque.Tag)
		}
	}
	if keys == 0 || data != 1 {
		return fmt.Errorf("%d session keys and %d data packets", keys, data)
	}
	return nil
}
