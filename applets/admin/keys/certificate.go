// Package keys makes and checks the relay's keys: TLS and DKIM. It works on PEM
// texts; where they lie is the caller's business.
package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"time"
)

// selfSignedLifetime is how long a certificate of our own is valid. Clients do
// not check it for the names that have one, so it only has to be long.
const selfSignedLifetime = 20 * 365 * 24 * time.Hour

// NewKey makes a key for TLS: ECDSA on P-256, which every client and relay has.
func NewKey() (keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a TLS key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding a TLS key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// SelfSign makes a certificate for host, a name or an IP address, with the key
// in keyPEM. For a name the subdomains www and mta-sts are in it too.
func SelfSign(host string, keyPEM []byte, now time.Time) (certPEM []byte, err error) {
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("making a serial number: %w", err)
	}
	cert := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: host},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(selfSignedLifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		cert.IPAddresses = append(cert.IPAddresses, addr.AsSlice())
	} else {
		cert.DNSNames = []string{host, "www." + host, "mta-sts." + host}
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("signing the certificate for %s: %w", host, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// Certificate is what is to be known about a certificate in use.
type Certificate struct {
	NotBefore, NotAfter time.Time
	leaf                *x509.Certificate
}

// ParsePair checks that key and certificate belong together and returns the
// first certificate of the chain.
func ParsePair(certPEM, keyPEM []byte) (*Certificate, error) {
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, err
	}
	return &Certificate{pair.Leaf.NotBefore, pair.Leaf.NotAfter, pair.Leaf}, nil
}

// SelfSigned reports whether no authority stands behind the certificate.
func (c *Certificate) SelfSigned() bool {
	return c.leaf.CheckSignature(c.leaf.SignatureAlgorithm, c.leaf.RawTBSCertificate, c.leaf.Signature) == nil
}

// Check says why the certificate cannot serve host at the given time.
func (c *Certificate) Check(host string, now time.Time) error {
	switch {
	case now.Before(c.NotBefore):
		return fmt.Errorf("it is valid only from %s", c.NotBefore.Format(time.DateOnly))
	case now.After(c.NotAfter):
		return fmt.Errorf("it expired on %s", c.NotAfter.Format(time.DateOnly))
	}
	if err := c.verifyName(host); err != nil {
		return fmt.Errorf("it is not for %s, but for %v%v", host, c.leaf.DNSNames, c.leaf.IPAddresses)
	}
	return nil
}

// verifyName compares names that x509 takes for invalid, those with a "_", as
// they stand.
func (c *Certificate) verifyName(host string) error {
	for _, name := range c.leaf.DNSNames {
		if name == host {
			return nil
		}
	}
	return c.leaf.VerifyHostname(host)
}

func parseKey(keyPEM []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(keyPEM)
	if block == nil {
		return nil, errors.New("the TLS key is no PEM text")
	}
	// A key that acmetool made is in one of the older forms.
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading the TLS key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("the TLS key is a %T, which cannot sign", key)
	}
	return signer, nil
}
