package keys

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/netip"
	"time"
)

// selfSignedLifetime is how long a certificate of our own is valid. Clients do
// not check it for the names that have one, so it only has to be long.
const selfSignedLifetime = 20 * 365 * 24 * time.Hour

// SelfSign makes a certificate for host, a name or an IP address, with the key
// in keyPEM. For a name the subdomains www and mta-sts are in it too.
func SelfSign(host string, keyPEM []byte, now time.Time) (certPEM []byte, err error) {
	key, err := Parse(keyPEM)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("generating a serial number: %w", err)
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
func (c *Certificate) SelfSigned() bool { return SelfSigned(c.leaf) }

// SelfSigned reports whether no authority stands behind a certificate.
func SelfSigned(cert *x509.Certificate) bool {
	return cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) == nil
}

// Verified reports whether an authority has signed the first certificate of a chain, and
// it can serve host at the given time.
func Verified(chainPEM []byte, host string, now time.Time) bool {
	block, _ := pem.Decode(chainPEM)
	if block == nil {
		return false
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil || SelfSigned(leaf) {
		return false
	}
	c := Certificate{leaf.NotBefore, leaf.NotAfter, leaf}
	return c.Check(host, now) == nil
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
