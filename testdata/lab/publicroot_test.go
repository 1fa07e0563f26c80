package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"strings"
	"testing"

	"chatmaild/testdata/kit/pki"
	"chatmaild/testdata/lab/core"
	"chatmaild/testdata/lab/peer"
)

// publicRoot stands for a public authority, whose certificates the real client accepts
// without a word about exceptions in the link.
type publicRoot struct{ tls.Certificate }

func newPublicRoot(t *testing.T) publicRoot {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root, err := pki.New(nil, pki.Request{Subject: core.PublicRoot, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return publicRoot{root}
}

// profile signs up by a link as the relay prints it: once the root vouches for the relay's
// authority, and not before. The relay's certificate is for that host.
func (p publicRoot) profile(t *testing.T, r *Relay, a *peer.Authority, host, name, link string) *core.Profile {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	client := p.client(t, r.lab, name)
	if _, err := client.SignUp(ctx, name, link); err == nil {
		t.Error("the client does not verify certificates")
	}
	p.vouch(t, r, a, host)
	profile, err := client.SignUp(ctx, name, link)
	if err != nil {
		t.Fatalf("%s: %v", link, err)
	}
	return profile
}

// client starts a client that verifies certificates, and accepts those of the root.
func (p publicRoot) client(t *testing.T, l *Lab, name string) *core.Client {
	t.Helper()
	client, err := l.StartTrusting(deadline(t, stepTimeout), name, &p.PrivateKey.(*ecdsa.PrivateKey).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// vouch signs for the authority that has issued a relay's certificate, as an older one does
// for a new one, and waits until all ports show that.
func (p publicRoot) vouch(t *testing.T, r *Relay, a *peer.Authority, host string) {
	t.Helper()
	const file = "/var/lib/chatmaild/acme/live/fullchain.pem" // chatmaild-certificate.path
	ctx := deadline(t, stepTimeout)
	text, err := a.IssuerPEM(ctx)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("the authority says that its certificate is %q", text)
	}
	issuer, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	cross, err := pki.Cross(p.Certificate, issuer)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := r.ReadFile(ctx, file)
	if err != nil {
		t.Fatal(err)
	}
	// In one step, as the relay writes it.
	if err := r.WriteFile(ctx, file+".new", 0o644, strings.NewReader(chain+string(cross))); err != nil {
		t.Fatal(err)
	}
	sh(t, r, fmt.Sprintf("chown --reference=%[1]s %[1]s.new && mv %[1]s.new %[1]s", file))
	roots := x509.NewCertPool()
	roots.AddCert(p.Leaf)
	for _, port := range tlsPorts {
		until(ctx, t, "port "+port+" to show a chain to the public root", func() bool {
			conn, err := a.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
			if err != nil {
				return false
			}
			defer conn.Close()
			return tls.Client(conn, &tls.Config{ServerName: host, RootCAs: roots}).HandshakeContext(ctx) == nil
		})
	}
}
