package keys

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
)

// dkimBits is the size of a new DKIM key: what every verifier takes, and what
// fits into a DNS answer (RFC 8301 §3.2).
const dkimBits = 2048

// NewDKIM makes a key as opendkim-genkey(8) does: RSA in PKCS #1.
func NewDKIM() (keyPEM []byte, err error) {
	key, err := rsa.GenerateKey(rand.Reader, dkimBits)
	if err != nil {
		return nil, fmt.Errorf("generating a DKIM key: %w", err)
	}
	der := x509.MarshalPKCS1PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: der}), nil
}

// DKIMRecord returns the text of the DNS record that belongs to the key (RFC
// 6376 §3.6.1).
func DKIMRecord(keyPEM []byte) (string, error) {
	key, err := parseDKIM(keyPEM)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return "", fmt.Errorf("encoding the public DKIM key: %w", err)
	}
	return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der) + "; s=email; t=s", nil
}

func parseDKIM(keyPEM []byte) (*rsa.PrivateKey, error) {
	key, err := Parse(keyPEM)
	if err != nil {
		return nil, err
	}
	rsaKey, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the DKIM key is a %T: want RSA", key)
	}
	return rsaKey, nil
}
