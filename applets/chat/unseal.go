package chat

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/go-crypto/openpgp/s2k"
)

const (
	maxSessionKeys = 1000     // recipients of one message
	maxSignatures  = 8        // more are not looked at
	maxText        = 48 << 20 // bytes that a message unpacks to
)

var (
	errNotForUs = errors.New("not encrypted to us")
	errDamaged  = errors.New("the encrypted message is damaged")
)

// unsealed is what was in an encrypted message.
type unsealed struct {
	plain      []byte
	signatures []*packet.Signature
	secret     string // which of the secrets opened it; "" if our key did
}

// unseal decrypts an armored message of at most so many bytes, with our key or
// one of the secrets. Whether the signatures are good signedBy says, for the key of
// the sender is inside.
func (s *Self) unseal(armored io.Reader, size int64, secrets []string) (*unsealed, error) {
	block, err := armor.Decode(armored)
	if err != nil {
		return nil, fmt.Errorf("reading the armor: %w", err)
	}
	if block.Type != armorType {
		return nil, fmt.Errorf("an armored %q, not a message", block.Type)
	}
	raw, err := io.ReadAll(io.LimitReader(block.Body, size))
	if err != nil {
		return nil, fmt.Errorf("reading the armor: %w", err)
	}
	u := &unsealed{}
	packets := packet.NewReader(bytes.NewReader(raw))
	session, data, err := sessionKeys(packets)
	if err != nil {
		return nil, err
	}
	var decrypted io.ReadCloser
	if session.secret != nil {
		if err := cheapSecret(raw); err != nil {
			return nil, err
		}
		decrypted, u.secret = session.withSecret(data, secrets)
	} else {
		decrypted = session.withKey(data, s.Key)
	}
	if decrypted == nil {
		return nil, errNotForUs
	}
	limit := s.MaxText
	if limit == 0 {
		limit = maxText
	}
	if err := u.read(packet.NewReader(decrypted), limit); err != nil {
		return nil, err
	}
	// Only now is it known that nothing was changed or cut off.
	if err := decrypted.Close(); err != nil {
		return nil, errDamaged
	}
	return u, nil
}

// encryptedSession holds the packets before the data: the session key for each
// recipient's key, or for one secret.
type encryptedSession struct {
	keys   []*packet.EncryptedKey
	secret *packet.SymmetricKeyEncrypted
}

func sessionKeys(packets *packet.Reader) (*encryptedSession, *packet.SymmetricallyEncrypted, error) {
	var s encryptedSession
	for range maxSessionKeys {
		p, err := packets.Next()
		if err != nil {
			return nil, nil, errDamaged
		}
		switch p := p.(type) {
		case *packet.EncryptedKey:
			s.keys = append(s.keys, p)
		case *packet.SymmetricKeyEncrypted:
			if s.secret != nil {
				return nil, nil, errors.New("encrypted to several secrets")
			}
			s.secret = p
		case *packet.SymmetricallyEncrypted:
			switch {
			case !p.IntegrityProtected:
				return nil, nil, errors.New("encrypted without integrity protection")
			case s.secret != nil && len(s.keys) > 0:
				return nil, nil, errors.New("encrypted to keys and a secret")
			}
			return &s, p, nil
		default:
			return nil, nil, errDamaged
		}
	}
	return nil, nil, errors.New("encrypted to too many")
}

func (s *encryptedSession) withKey(data *packet.SymmetricallyEncrypted, key *Key) io.ReadCloser {
	cfg := config(time.Time{})
	for _, e := range s.keys {
		for _, candidate := range key.entity.DecryptionKeys(e.KeyId, time.Time{}, cfg) {
			if candidate.PrivateKey == nil || e.Decrypt(candidate.PrivateKey, cfg) != nil {
				continue
			}
			if r, err := data.Decrypt(e.CipherFunc, e.Key); err == nil {
				return r
			}
		}
	}
	return nil
}

func (s *encryptedSession) withSecret(data *packet.SymmetricallyEncrypted, secrets []string) (io.ReadCloser, string) {
	for _, secret := range secrets {
		key, cipher, err := s.secret.Decrypt([]byte(secret))
		if err != nil {
			continue
		}
		if r, err := data.Decrypt(cipher, key); err == nil {
			return r, secret
		}
	}
	return nil, ""
}

// cheapSecret refuses what would cost a stranger nothing and us seconds and
// gigabytes: a session key whose derivation from the secret is slow on purpose
// (RFC 9580, section 3.7.1). Our secrets are random; a salt is enough. The
// packet is of version 6, the only one with authenticated encryption:
// version, count, cipher, mode, count, derivation.
func cheapSecret(raw []byte) error {
	p, err := packet.NewOpaqueReader(bytes.NewReader(raw)).Next()
	if err != nil || len(p.Contents) < 6 || p.Contents[0] != 6 || s2k.Mode(p.Contents[5]) != s2k.SaltedS2K {
		return errors.New("encrypted to a secret in a way that clients do not use")
	}
	return nil
}

// read takes the packets inside: the text, at most limit bytes of it, perhaps
// compressed, and the signatures.
func (u *unsealed) read(packets *packet.Reader, limit int64) error {
	for depth := 0; ; {
		p, err := packets.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return errDamaged
		}
		switch p := p.(type) {
		case *packet.Compressed:
			if depth++; depth > 1 {
				return errors.New("compressed twice")
			}
			if err := packets.Push(p.LimitedBodyReader(&limit)); err != nil {
				return errDamaged
			}
		case *packet.LiteralData:
			if u.plain != nil {
				return errors.New("two texts in one message")
			}
			// One more than allowed, to tell full from too much.
			if u.plain, err = io.ReadAll(io.LimitReader(p.Body, limit+1)); err != nil {
				return errDamaged
			}
			if int64(len(u.plain)) > limit {
				return errors.New("the text decompresses to too much")
			}
		case *packet.Signature:
			if len(u.signatures) < maxSignatures {
				u.signatures = append(u.signatures, p)
			}
		}
	}
	if u.plain == nil {
		return errDamaged
	}
	return nil
}

// signedBy tells whether the cert's owner signed the text for the reader: a
// signature that names other recipients than the reader was made for them.
func (u *unsealed) signedBy(c, reader *Cert) bool {
	cfg := config(time.Time{})
	return slices.ContainsFunc(u.signatures, func(sig *packet.Signature) bool {
		if sig.SigType != packet.SigTypeBinary || cfg.RejectMessageHashAlgorithm(sig.Hash) {
			return false
		}
		var id uint64
		if sig.IssuerKeyId != nil {
			id = *sig.IssuerKeyId
		}
		key, ok := c.entity.SigningKeyById(time.Time{}, id, cfg)
		if !ok {
			return false
		}
		hash, err := sig.PrepareVerify()
		if err != nil {
			return false
		}
		hash.Write(u.plain)
		if key.PublicKey.VerifySignature(hash, sig) != nil {
			return false
		}
		return len(sig.IntendedRecipients) == 0 || slices.ContainsFunc(sig.IntendedRecipients, func(r *packet.Recipient) bool {
			return strings.EqualFold(hex.EncodeToString(r.Fingerprint), reader.Fingerprint())
		})
	})
}
