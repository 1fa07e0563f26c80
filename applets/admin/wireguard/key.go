// Package wireguard has the keys of WireGuard's tunnels that this machine is an end of.
package wireguard

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"chatmaild/store/atomicfile"
)

// Keys is the directory of the keys.
const Keys = "/etc/chatmail/wireguard"

// Key is a private key of WireGuard's: X25519 (RFC 7748 §5), as wg(8) writes it. The
// standard library has it, so x/crypto is not needed.
type Key struct{ private *ecdh.PrivateKey }

func (k Key) Private() string { return base64.StdEncoding.EncodeToString(k.private.Bytes()) }

func (k Key) Public() string {
	return base64.StdEncoding.EncodeToString(k.private.PublicKey().Bytes())
}

// Load reads a key, and makes it first if there is none: it stays the same as long as its
// file is there, and the other ends know it.
func Load(path string) (Key, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return generate(path)
	}
	if err != nil {
		return Key{}, fmt.Errorf("reading a key of WireGuard's: %w", err)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	var private *ecdh.PrivateKey
	if err == nil {
		private, err = ecdh.X25519().NewPrivateKey(raw)
	}
	if err != nil {
		return Key{}, fmt.Errorf("%s: %w; remove it, and set up both ends again", path, err)
	}
	return Key{private}, nil
}

func generate(path string) (Key, error) {
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return Key{}, err
	}
	key := Key{private}
	err = os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = atomicfile.Write(path, []byte(key.Private()+"\n"), 0o600, nil)
	}
	if err != nil {
		return Key{}, fmt.Errorf("keeping a key of WireGuard's: %w", err)
	}
	return key, nil
}
