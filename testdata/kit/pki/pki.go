// Package pki makes certificates of servers and of authorities, for tests.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"time"
)

// A Request is what a certificate says.
type Request struct {
	Names       []string
	Subject     pkix.Name     // without a common name: the first of those
	From, Until time.Time     // for what is zero: an hour ago, and 90 days from now, as authorities do
	Key         crypto.Signer // nil: a new one
}

// New makes a certificate that an issuer has signed; without one it signs itself, and can
// issue others.
func New(issuer *tls.Certificate, r Request) (tls.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return tls.Certificate{}, err
	}
	if r.Key == nil {
		if r.Key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return tls.Certificate{}, err
		}
	}
	if r.From.IsZero() {
		r.From = time.Now().Add(-time.Hour)
	}
	if r.Until.IsZero() {
		r.Until = time.Now().AddDate(0, 0, 90)
	}
	if r.Subject.CommonName == "" {
		r.Subject.CommonName = r.Names[0]
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: r.Subject, DNSNames: r.Names,
		NotBefore: r.From, NotAfter: r.Until, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	parent, signer := template, crypto.PrivateKey(r.Key)
	if issuer != nil {
		parent, signer = issuer.Leaf, issuer.PrivateKey
	} else {
		template.IsCA, template.KeyUsage = true, template.KeyUsage|x509.KeyUsageCertSign
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, r.Key.Public(), signer)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: r.Key, Leaf: leaf}, err
}

// Cross signs for a name and a key that another issuer has signed for already. The result
// is PEM.
func Cross(issuer tls.Certificate, c *x509.Certificate) ([]byte, error) {
	der, err := x509.CreateCertificate(rand.Reader, c, issuer.Leaf, c.PublicKey, issuer.PrivateKey)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), err
}

// PEM returns the certificate, and its key in PKCS #8.
func PEM(c tls.Certificate) (cert, key []byte, err error) {
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

// NewPEM is New and PEM, of a certificate that signs itself.
func NewPEM(names ...string) (cert, key []byte, err error) {
	c, err := New(nil, Request{Names: names})
	if err != nil {
		return nil, nil, err
	}
	return PEM(c)
}
