package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/lab/network"
	"chatmaild/testdata/lab/peer"
)

// TestAddress is a relay at a bare address: with a certificate of its own at first, then
// with one that an authority signs for the address (RFC 8738) and renews. The key stays.
func TestAddress(t *testing.T) {
	l, deb := newLab(t)
	ctx := deadline(t, installTimeout)
	authority, err := l.AddAuthority(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := authority.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(authority.Stop)
	host, err := l.StartHost(ctx, "address")
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{Host: host, Domain: host.IPv4.String(), lab: l}
	diagnose(t, r)
	for _, step := range []func() error{
		func() error { return r.InstallDeb(ctx, deb) },
		func() error { return r.TrustRoot(ctx, "lab", authority.Root) },
		func() error { return r.configure(ctx, nil) },
		func() error { return r.setUp(ctx) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	outside, err := l.AddStation(ctx, "outside")
	if err != nil {
		t.Fatal(err)
	}
	look := func(port string) (*x509.Certificate, error) {
		conn, err := outside.DialContext(ctx, "tcp", net.JoinHostPort(r.Domain, port))
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		secure := tls.Client(conn, network.Insecure(r.Domain))
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		return secure.ConnectionState().PeerCertificates[0], nil
	}
	own, err := look("443")
	if err != nil {
		t.Fatal(err)
	}
	link := func() string {
		out, err := r.Run(ctx, "chatmaild", "qr")
		if err != nil {
			t.Fatal(err)
		}
		return lastLine(strings.TrimSuffix(out, "\n"))
	}
	if got := link(); !strings.HasSuffix(got, "&ic=3") {
		t.Errorf("with a certificate of its own the link is %s", got)
	}

	if _, err := r.Script(ctx, fmt.Sprintf("echo 'acme_directory = %q' >>%s && chatmaild run", authority.Directory(), configFile)); err != nil {
		t.Fatal(err)
	}
	roots, err := authority.Issuer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	issued := awaitOther(ctx, t, look, r.Domain, own)
	if !samePublicKey(own, issued) {
		t.Error("the authority's certificate has another key than clients know")
	}
	if life := issued.NotAfter.Sub(issued.NotBefore); life > peer.ShortLived+time.Minute || life < peer.ShortLived-time.Minute {
		t.Errorf("the certificate lasts %v, want the short-lived profile's %v", life, peer.ShortLived)
	}
	until(ctx, t, "links that want the certificate verified", func() bool { return strings.HasSuffix(link(), "&ic=1") })
	if status, err := r.Run(ctx, "chatmaild", "status"); err != nil || !strings.Contains(status, "renewal on") {
		t.Errorf("status: %v\n%s", err, status)
	}

	// As an app asks for an account, and verifies whom it asks.
	dial := &http.Client{Transport: &http.Transport{DialContext: outside.DialContext, TLSClientConfig: &tls.Config{RootCAs: roots}}}
	resp, err := dial.Post("https://"+r.Domain+"/new", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var account struct {
		LoginURL string `json:"dclogin_url"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&account); err != nil || !strings.HasSuffix(account.LoginURL, "&ic=1") {
		t.Errorf("/new: %v, %+v", err, account)
	}
	// Core trusts the public authorities alone, of which the lab's is none.
	alice := startProfile(t, l, "alice", strings.Replace(link(), "&ic=1", "&ic=3", 1))
	bob := startProfile(t, l, "bob", strings.Replace(link(), "&ic=1", "&ic=3", 1))
	join(t, alice, bob).converse(t)

	if err := authority.WantRenewal(ctx, issued); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Run(ctx, "systemctl", "restart", "chatmaild-acme"); err != nil {
		t.Fatal(err)
	}
	if renewed := awaitOther(ctx, t, look, r.Domain, issued); !samePublicKey(own, renewed) {
		t.Error("a renewal has another key")
	}
	broken, err := r.Broken(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if broken != nil {
		t.Errorf("failed, or started more than once: %s", strings.Join(broken, " "))
	}
}

// awaitOther waits until all ports show another certificate than before, which has to be
// the address's by the word of an authority.
func awaitOther(ctx context.Context, t *testing.T, look func(port string) (*x509.Certificate, error), address string, before *x509.Certificate) (found *x509.Certificate) {
	t.Helper()
	for _, port := range tlsPorts {
		until(ctx, t, "port "+port+" to show another certificate", func() bool {
			cert, err := look(port)
			if err != nil || cert.Equal(before) {
				return false
			}
			found = cert
			return true
		})
		if err := found.VerifyHostname(address); err != nil {
			t.Errorf("port %s: %v", port, err)
		}
		if found.CheckSignature(found.SignatureAlgorithm, found.RawTBSCertificate, found.Signature) == nil {
			t.Errorf("port %s shows a self-signed certificate", port)
		}
	}
	return found
}
