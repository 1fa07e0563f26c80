package renewal

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"chatmaild/applets/keys"
	"chatmaild/store/atomicfile"
)

// Files are those of the keeper, by the path of its directory. The package comment says what is
// in it.
type Files string

// Certificate is the path of the certificate with its chain.
func (f Files) Certificate() string { return filepath.Join(string(f), "live", "fullchain.pem") }

// PrivateKey is the path of the certificate's key.
func (f Files) PrivateKey() string { return filepath.Join(string(f), "live", "privkey.pem") }

// AccountKey is the path of the account's key.
func (f Files) AccountKey() string { return filepath.Join(string(f), "account.pem") }

// StateFile is the path of what happened last.
func (f Files) StateFile() string { return filepath.Join(string(f), "state.json") }

// key reads a key, or makes one if there is none yet.
func (f Files) key(path string) (crypto.Signer, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if text, err = keys.New(); err == nil {
			err = f.write(path, text)
		}
	}
	if err != nil {
		return nil, err
	}
	key, err := keys.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// certificate returns the certificate in use, or nil if there is none that came
// from an authority and belongs to key.
func (f Files) certificate(key crypto.Signer) (*x509.Certificate, error) {
	text, err := os.ReadFile(f.Certificate())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return leaf(text, key), nil
}

// chain returns the certificate in use with its chain.
func (f Files) chain() ([]byte, error) { return os.ReadFile(f.Certificate()) }

// leaf returns the first certificate of a chain if it can serve: it belongs to
// key, and is not one that "chatmaild run" signed until there is a real one.
func leaf(chain []byte, key crypto.Signer) *x509.Certificate {
	keyPEM, err := keys.Encode(key)
	if err != nil {
		return nil
	}
	pair, err := tls.X509KeyPair(chain, keyPEM)
	if err != nil || keys.SelfSigned(pair.Leaf) {
		return nil
	}
	return pair.Leaf
}

func (f Files) saveState(s State) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return f.write(f.StateFile(), append(text, '\n'))
}

func (f Files) write(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return atomicfile.Write(path, content, 0o600, nil)
}
