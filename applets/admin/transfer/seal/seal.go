// Package seal encrypts a stream by OpenPGP (RFC 9580), to a passphrase or to public
// keys, so that it can be written for hours and continued after it was interrupted.
//
// A sealed stream is a sequence of OpenPGP messages. Each is whole in itself: it begins
// with the session key, encrypted each time, and ends with the proof that nothing in it was
// changed. With a passphrase, and with keys that announce it, the encryption is
// authenticated as it goes (SEIPD version 2): nothing changed is ever handed out. With
// other keys it is that of RFC 4880, whose proof comes with the end of each message.
//
// That messages are left out, doubled or swapped is for the format inside to find.
package seal

import (
	"errors"
	"fmt"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// maxKeys bounds a file of keys, in bytes.
const maxKeys = 1 << 20

// Why a stream cannot be opened.
var (
	ErrKey     = errors.New("neither the passphrase nor a key opens it")
	ErrDamaged = errors.New("the encryption is damaged")
)

// Ring holds keys.
type Ring = openpgp.EntityList

// Keys lock and open. The zero value does neither.
type Keys struct {
	Passphrase []byte
	Public     Ring // whom to encrypt to
	Secret     Ring // who can decrypt
}

// Lock reports whether there is something to encrypt with.
func (k Keys) Lock() bool { return len(k.Passphrase) > 0 || len(k.Public) > 0 }

// ReadKeys reads keys, armored or not.
func ReadKeys(r io.Reader) (Ring, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxKeys))
	if err != nil {
		return nil, fmt.Errorf("reading keys: %w", err)
	}
	keys, err := openpgp.ReadArmoredKeyRing(reader(text))
	if err != nil {
		keys, err = openpgp.ReadKeyRing(reader(text))
	}
	if err == nil && len(keys) == 0 {
		err = errors.New("there is none")
	}
	if err != nil {
		return nil, fmt.Errorf("reading keys: %w", err)
	}
	return keys, nil
}

// Unlock opens secret keys that are themselves protected by a passphrase.
func Unlock(keys Ring, passphrase []byte) error {
	for _, k := range keys {
		if k.PrivateKey == nil {
			return errors.New("the key is not a secret one")
		}
		if !k.PrivateKey.Encrypted {
			continue
		}
		if err := k.DecryptPrivateKeys(passphrase); err != nil {
			return fmt.Errorf("opening the secret key: %w", err)
		}
	}
	return nil
}

// Sealed reports whether a stream that begins with these bytes is encrypted.
// The first bit of an OpenPGP packet is always set (RFC 9580 §4.2); a tar archive begins with
// a name in ASCII.
func Sealed(start []byte) bool { return len(start) > 0 && start[0]&0x80 != 0 }

// config asks for OCB, the mode that every implementation has: 150 MB/s for a core here.
func config() *packet.Config {
	return &packet.Config{
		DefaultCipher:          packet.CipherAES256,
		DefaultCompressionAlgo: packet.CompressionNone,
		AEADConfig:             &packet.AEADConfig{},
	}
}

// A Writer encrypts.
type Writer struct {
	w       io.Writer
	keys    Keys
	message io.WriteCloser
}

// NewWriter encrypts what is written to it, and writes that to w.
func NewWriter(w io.Writer, keys Keys) *Writer { return &Writer{w: w, keys: keys} }

func (w *Writer) Write(p []byte) (int, error) {
	if w.message == nil {
		if err := w.begin(); err != nil {
			return 0, fmt.Errorf("encrypting: %w", err)
		}
	}
	return w.message.Write(p)
}

func (w *Writer) begin() (err error) {
	hints := &openpgp.FileHints{FileName: "chatmaild.tar"}
	if len(w.keys.Public) > 0 {
		w.message, err = openpgp.Encrypt(w.w, w.keys.Public, nil, nil, hints, config())
		return err
	}
	w.message, err = openpgp.SymmetricallyEncrypt(w.w, w.keys.Passphrase, hints, config())
	return err
}

// Cut ends the message. Up to here the stream is whole; it continues with another one.
func (w *Writer) Cut() error {
	if w.message == nil {
		return nil
	}
	err := w.message.Close()
	w.message = nil
	if err != nil {
		return fmt.Errorf("encrypting: %w", err)
	}
	return nil
}
