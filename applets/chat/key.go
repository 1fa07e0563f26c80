package chat

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

const (
	maxCert   = 64 << 10 // bytes of a public key; those of clients have less than 1 KiB
	maxRelays = 5        // addresses that a key names, as in the client (MAX_RELAYS)

	// relaysNotation is where a key names the addresses of its owner.
	relaysNotation = "relays@chatmail.at"
)

// A Key is the private key of an account: it signs, and it decrypts.
type Key struct{ entity *openpgp.Entity }

// A Cert is someone's public key, with the signatures that hold it together.
type Cert struct{ entity *openpgp.Entity }

// GenerateKey makes a key as the client does: version 4, Ed25519 to sign,
// Curve25519 to encrypt, one user ID that is the address alone (Autocrypt level
// 1, section 2.1.3).
func GenerateKey(addr string, now time.Time) (*Key, error) {
	c := config(now)
	c.Algorithm, c.Curve = packet.PubKeyAlgoEdDSA, packet.Curve25519
	entity, err := openpgp.NewEntity("", "", addr, c)
	if err != nil {
		return nil, fmt.Errorf("generating a key: %w", err)
	}
	return &Key{entity}, nil
}

// ParseKey reads what [Key.Armor] wrote.
func ParseKey(text []byte) (*Key, error) {
	block, err := armor.Decode(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("reading the armor of a key: %w", err)
	}
	if block.Type != openpgp.PrivateKeyType {
		return nil, fmt.Errorf("this is a %q, not a private key", block.Type)
	}
	return ReadKey(block.Body)
}

// ReadKey reads a private key without armor, as the client has it in its database.
func ReadKey(r io.Reader) (*Key, error) {
	entity, err := openpgp.ReadEntity(packet.NewReader(io.LimitReader(r, maxCert)))
	if err != nil {
		return nil, fmt.Errorf("reading a key: %w", err)
	}
	if entity.PrivateKey == nil || entity.PrivateKey.Encrypted {
		return nil, errors.New("the key has no private part, or a passphrase")
	}
	return &Key{entity}, nil
}

// Armor returns the private key for [ParseKey], in the form that every OpenPGP
// program reads.
func (k *Key) Armor() ([]byte, error) {
	var b bytes.Buffer
	w, err := armor.Encode(&b, openpgp.PrivateKeyType, nil)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(k.entity.SerializePrivateWithoutSigning(w, nil), w.Close()); err != nil {
		return nil, fmt.Errorf("writing a key: %w", err)
	}
	return append(b.Bytes(), '\n'), nil
}

// Cert returns the public part.
func (k *Key) Cert() *Cert { return &Cert{k.entity} }

// ParseCert reads one public key in binary form and checks that it holds
// together and that one can encrypt to it.
func ParseCert(data []byte) (*Cert, error) {
	if len(data) > maxCert {
		return nil, fmt.Errorf("a public key of %d bytes", len(data))
	}
	entity, err := openpgp.ReadEntity(packet.NewReader(bytes.NewReader(data)))
	if err != nil {
		return nil, fmt.Errorf("reading a public key: %w", err)
	}
	if entity.PrivateKey != nil {
		return nil, errors.New("a private key where a public one was expected")
	}
	c := &Cert{entity}
	if _, err := c.encryptionKey(); err != nil {
		return nil, err
	}
	return c, nil
}

// encryptionKey returns the key to encrypt to. Expiry is not looked at, as in
// the client: a chat does not end because nobody prolonged a key.
func (c *Cert) encryptionKey() (*packet.PublicKey, error) {
	key, err := c.entity.EncryptionKeyWithError(time.Time{}, config(time.Time{}))
	if err != nil {
		return nil, fmt.Errorf("public key %s: %w", c.Fingerprint(), err)
	}
	return key.PublicKey, nil
}

// Bytes returns the public key in binary form.
func (c *Cert) Bytes() []byte {
	var b bytes.Buffer
	if err := c.entity.Serialize(&b); err != nil {
		return nil // only a Writer can fail here, and this one does not
	}
	return b.Bytes()
}

// Base64 returns the public key as Autocrypt headers have it.
func (c *Cert) Base64() string { return base64.StdEncoding.EncodeToString(c.Bytes()) }

// Fingerprint returns the key's fingerprint in capital hexadecimal digits, as
// invites and headers have it.
func (c *Cert) Fingerprint() string {
	return fmt.Sprintf("%X", c.entity.PrimaryKey.Fingerprint)
}

// Relays returns the addresses at which the key's owner says to be reached, at
// most five; none if the key does not say.
func (c *Cert) Relays() []string {
	sig, err := c.entity.LatestValidDirectSignature(time.Time{}, config(time.Time{}))
	if err != nil {
		return nil
	}
	for _, n := range sig.Notations {
		if n.Name != relaysNotation {
			continue
		}
		var relays []string
		for addr := range strings.SplitSeq(string(n.Value), ",") {
			if ValidAddress(addr) && len(relays) < maxRelays {
				relays = append(relays, addr)
			}
		}
		return relays
	}
	return nil
}

// readsSEIPD2 tells whether the owner's program reads version 2 of encrypted
// data packets (RFC 9580, section 5.13.2).
func (c *Cert) readsSEIPD2() bool {
	if sig, err := c.entity.LatestValidDirectSignature(time.Time{}, config(time.Time{})); err == nil && sig.SEIPDv2 {
		return true
	}
	sig, err := c.entity.PrimarySelfSignature(time.Time{}, config(time.Time{}))
	return err == nil && sig.SEIPDv2
}

// config is how the client uses OpenPGP: AES-128 and, where it can, OCB in
// chunks of 8 KiB. The zero time means that nothing expires.
func config(now time.Time) *packet.Config {
	return &packet.Config{
		Time:                   func() time.Time { return now },
		DefaultCipher:          packet.CipherAES128,
		DefaultCompressionAlgo: packet.CompressionZLIB,
		AEADConfig:             &packet.AEADConfig{DefaultMode: packet.AEADModeOCB, ChunkSize: 8 << 10},
	}
}
