package acme

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"chatmaild/store/atomicfile"
)

// Folder is the path of the keeper's folder. The package comment says what is
// in it.
type Folder string

// Certificate is the path of the certificate with its chain.
func (f Folder) Certificate() string { return filepath.Join(string(f), "live", "fullchain.pem") }

// PrivateKey is the path of the certificate's key.
func (f Folder) PrivateKey() string { return filepath.Join(string(f), "live", "privkey.pem") }

// AccountKey is the path of the account's key.
func (f Folder) AccountKey() string { return filepath.Join(string(f), "account.pem") }

// StateFile is the path of what happened last.
func (f Folder) StateFile() string { return filepath.Join(string(f), "state.json") }

// key reads a key, or makes one if there is none yet.
func (f Folder) key(path string) (crypto.Signer, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if text, err = newKey(); err == nil {
			err = f.write(path, text)
		}
	}
	if err != nil {
		return nil, err
	}
	key, err := ParseKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// certificate returns the certificate in use, or nil if there is none that came
// from an authority and belongs to key.
func (f Folder) certificate(key crypto.Signer) (*x509.Certificate, error) {
	text, err := os.ReadFile(f.Certificate())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return leaf(text, key), nil
}

// leaf returns the first certificate of a chain if it can serve: it belongs to
// key, and is not one that "chatmaild run" signed until there is a real one.
func leaf(chain []byte, key crypto.Signer) *x509.Certificate {
	keyPEM, err := encodeKey(key)
	if err != nil {
		return nil
	}
	pair, err := tls.X509KeyPair(chain, keyPEM)
	if err != nil || SelfSigned(pair.Leaf) {
		return nil
	}
	return pair.Leaf
}

// SelfSigned reports whether no authority stands behind the certificate.
func SelfSigned(cert *x509.Certificate) bool {
	return cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) == nil
}

func (f Folder) saveState(s State) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return f.write(f.StateFile(), append(text, '\n'))
}

func (f Folder) write(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return atomicfile.Write(path, content, 0o600, nil)
}

// ParseKey reads a PEM key of the kinds that ACME clients write: PKCS #8, SEC 1
// and PKCS #1.
func ParseKey(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("it is no PEM text")
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("it is no private key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("it is a %T, which cannot sign", key)
	}
	return signer, nil
}

func newKey() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return encodeKey(key)
}

func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
