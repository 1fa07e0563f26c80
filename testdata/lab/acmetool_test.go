package lab

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/url"
	"testing"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"

	"chatmaild/testdata/kit/nameserver"
	"chatmaild/testdata/lab/network"
	"chatmaild/testdata/lab/peer"
)

// A legacy is what acmetool left on a machine: github.com/hlandau/acmetool,
// _doc/SCHEMA.md.
type legacy struct {
	accountURI  string
	accountKey  string // PEM
	key         string // of the certificate, PEM
	certificate *x509.Certificate
}

// acmetool gets a certificate from the authority, and files everything on the relay
// as acmetool does.
func (p *plain) acmetool(t *testing.T) (left legacy) {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	client := acmez.Client{
		Client: &acme.Client{Directory: p.authority.Directory(), HTTPClient: &http.Client{
			Transport: &http.Transport{DialContext: p.outside.DialContext, TLSClientConfig: network.Insecure(peer.AuthorityHost)},
		}},
		ChallengeSolvers: map[string]acmez.Solver{acme.ChallengeTypeDNS01: zoneSolver{p.lab.Zone}},
	}
	accountKey, accountPEM := newRSA(t)
	key, keyPEM := newRSA(t)
	account, err := client.NewAccount(ctx, acme.Account{PrivateKey: accountKey, TermsOfServiceAgreed: true})
	if err != nil {
		t.Fatal(err)
	}
	chains, err := client.ObtainCertificateForSANs(ctx, account, key, []string{plainDomain, "www." + plainDomain, "mta-sts." + plainDomain})
	if err != nil {
		t.Fatal(err)
	}
	leaf, chain := pem.Decode(chains[0].ChainPEM)
	cert, err := x509.ParseCertificate(leaf.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	directory, err := url.Parse(p.authority.Directory())
	if err != nil {
		t.Fatal(err)
	}
	const state = "/var/lib/acme/"
	for name, text := range map[string]string{
		"accounts/" + url.PathEscape(directory.Host+directory.Path) + "/naiyn7hw/privkey": accountPEM,
		"keys/qnhe27nf/privkey":    keyPEM,
		"certs/ey5kjwpn/fullchain": string(chains[0].ChainPEM),
		"certs/ey5kjwpn/cert":      string(pem.EncodeToMemory(leaf)),
		"certs/ey5kjwpn/chain":     string(chain),
		"certs/ey5kjwpn/url":       chains[0].URL,
	} {
		writeFile(t, p.relay, state+name, 0o600, text)
	}
	p.run(t, "cd "+state+"; ln -s ../../keys/qnhe27nf/privkey certs/ey5kjwpn/privkey; mkdir live; ln -s ../certs/ey5kjwpn live/"+plainDomain)
	return legacy{account.Location, accountPEM, keyPEM, cert}
}

// newRSA makes a key as acmetool does, and its file.
func newRSA(t *testing.T) (crypto.Signer, string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	return key, string(pem.EncodeToMemory(block))
}

// A zoneSolver writes what the authority wants to see into the lab's zone itself.
type zoneSolver struct{ zone *nameserver.Zone }

func (s zoneSolver) Present(_ context.Context, c acme.Challenge) error {
	return s.zone.Add(c.DNS01TXTRecordName(), "TXT", `"`+c.DNS01KeyAuthorization()+`"`)
}

func (s zoneSolver) CleanUp(_ context.Context, c acme.Challenge) error {
	s.zone.Remove(c.DNS01TXTRecordName(), "TXT")
	return nil
}
