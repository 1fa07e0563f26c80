package chat

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/go-crypto/openpgp/s2k"
)

const (
	sealCipher = packet.CipherAES128
	armorType  = "PGP MESSAGE"
)

// A lock is whom a message is encrypted to: owners of keys, or all who know a
// secret.
type lock struct {
	certs  []*Cert
	secret string

	signer   *Key // nil: not signed
	compress bool // not where lengths could tell of a secret inside
}

// seal returns the armored message. It differs from the library's own function
// in what clients do for privacy: no key is named, and yet the signature says
// whom it is meant for (RFC 9580, section 5.2.3.36), so that nobody can pass it
// on as meant for someone else.
func (l *lock) seal(plain []byte, now time.Time) ([]byte, error) {
	var out bytes.Buffer
	armored, err := armor.Encode(&out, armorType, nil)
	if err != nil {
		return nil, err
	}
	session := make([]byte, sealCipher.KeySize())
	if _, err := rand.Read(session); err != nil {
		return nil, err
	}
	cfg := config(now)
	aead, err := l.sessionKeys(armored, session, cfg)
	if err != nil {
		return nil, err
	}
	suite := packet.CipherSuite{Cipher: sealCipher, Mode: packet.AEADModeOCB}
	encrypted, err := packet.SerializeSymmetricallyEncrypted(armored, sealCipher, aead, suite, session, cfg)
	if err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	if l.compress {
		encrypted, err = packet.SerializeCompressed(encrypted, packet.CompressionZLIB, nil)
		if err != nil {
			return nil, fmt.Errorf("compressing: %w", err)
		}
	}
	if err := l.contents(encrypted, plain, cfg); err != nil {
		return nil, err
	}
	if err := errors.Join(encrypted.Close(), armored.Close()); err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	return append(out.Bytes(), '\n'), nil
}

// sessionKeys writes the session key for each who may read, and tells whether
// they all read authenticated encryption.
func (l *lock) sessionKeys(w io.Writer, session []byte, cfg *packet.Config) (aead bool, err error) {
	if l.secret != "" {
		c := *cfg
		c.S2KConfig = &s2k.Config{S2KMode: s2k.SaltedS2K, Hash: crypto.SHA256, PassphraseIsHighEntropy: true}
		err := packet.SerializeSymmetricKeyEncryptedAEADReuseKey(w, session, []byte(l.secret), true, &c)
		return true, err
	}
	if len(l.certs) == 0 {
		return false, errors.New("encrypting: no recipients")
	}
	aead = true
	for _, c := range l.certs {
		aead = aead && c.readsSEIPD2()
	}
	for _, c := range l.certs {
		pub, err := c.encryptionKey()
		if err != nil {
			return false, err
		}
		if err := packet.SerializeEncryptedKeyAEADwithHiddenOption(w, pub, sealCipher, aead, session, true, cfg); err != nil {
			return false, fmt.Errorf("encrypting the session key: %w", err)
		}
	}
	return aead, nil
}

// contents writes what is inside: the text, and around it the signature.
func (l *lock) contents(w io.WriteCloser, plain []byte, cfg *packet.Config) error {
	if l.signer == nil {
		return literal(w, plain)
	}
	private := l.signer.entity.PrivateKey
	sig := &packet.Signature{
		Version:           private.Version,
		SigType:           packet.SigTypeBinary,
		PubKeyAlgo:        private.PubKeyAlgo,
		Hash:              crypto.SHA256,
		CreationTime:      cfg.Now(),
		IssuerKeyId:       &private.KeyId,
		IssuerFingerprint: private.Fingerprint,
	}
	for _, c := range l.certs {
		key := c.entity.PrimaryKey
		sig.IntendedRecipients = append(sig.IntendedRecipients,
			&packet.Recipient{KeyVersion: key.Version, Fingerprint: key.Fingerprint})
	}
	onePass := packet.OnePassSignature{
		Version: 3, SigType: sig.SigType, Hash: sig.Hash,
		PubKeyAlgo: sig.PubKeyAlgo, KeyId: private.KeyId, IsLast: true,
	}
	hash, err := sig.PrepareSign(cfg)
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	hash.Write(plain)
	if err := sig.Sign(hash, private, cfg); err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	return errors.Join(onePass.Serialize(w), literal(w, plain), sig.Serialize(w))
}

func literal(w io.Writer, plain []byte) error {
	lit, err := packet.SerializeLiteral(keepOpen{w}, true, "", 0)
	if err != nil {
		return err
	}
	_, err = lit.Write(plain)
	return errors.Join(err, lit.Close())
}

// keepOpen is a Writer that more is written to after one packet is closed.
type keepOpen struct{ io.Writer }

func (keepOpen) Close() error { return nil }
