package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"chatmaild/auth/mailaddr"
	"chatmaild/testdata/lab/core"
	"chatmaild/testdata/lab/machine"
	"chatmaild/testdata/lab/network"
	"chatmaild/testdata/lab/peer"
)

// TestAddress has relays at bare addresses: each with a certificate of its own at first, then
// with one that an authority signs for the address (RFC 8738) and renews. The key stays.
// Their users talk with one of a usual relay.
func TestAddress(t *testing.T) {
	t.Parallel()
	l, deb := newLab(t)
	authority := startAuthority(t, l)
	usual := startRelayIn(t, l, deb, "_usual.test")
	bob := startProfile(t, l, "bob", usual.SignUpQR())
	for _, tt := range []struct {
		name    string
		address func(*machine.Host) netip.Addr
		literal string
	}{
		{"four", func(h *machine.Host) netip.Addr { return h.IPv4 }, "[%s]"},
		{"six", func(h *machine.Host) netip.Addr { return h.IPv6 }, "[ipv6:%s]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			host := startHost(t, l, tt.name)
			a := &atAddress{&Relay{Host: host, Domain: tt.address(host).String(), lab: l}, authority, usual, bob}
			a.install(t, deb)
			a.certificate(t, fmt.Sprintf("@"+tt.literal+"?", a.Domain))
		})
	}
}

// atAddress is a relay that has an address and no name.
type atAddress struct {
	*Relay
	authority *peer.Authority
	usual     *Relay
	bob       *core.Profile // there
}

// install sets the relay up. It has a further address of each protocol from which the
// system would rather connect, as if that were a temporary one (RFC 8981).
func (a *atAddress) install(t *testing.T, deb string) {
	ctx := deadline(t, installTimeout)
	diagnose(t, a.Relay)
	other := fmt.Sprintf("ip addr change %[1]s/64 dev eth0 preferred_lft 0 && ip addr add %[1]s:1/64 dev eth0 nodad", a.IPv6)
	for _, step := range []func() error{
		func() error { _, err := a.Script(ctx, other); return err },
		func() error { return a.InstallDeb(ctx, deb) },
		func() error { return a.TrustRoot(ctx, "lab", a.authority.Root) },
		func() error { return a.configure(ctx, nil) },
		func() error { return a.setUp(ctx) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
}

// certificate has the relay get one. The links are of addresses with this text in them.
func (a *atAddress) certificate(t *testing.T, literal string) {
	ctx := deadline(t, installTimeout)
	l, r, authority := a.lab, a.Relay, a.authority
	outside := addStation(t, l, "outside-"+a.Name)
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
	if got := printed(t, a.Relay); !strings.HasSuffix(got, "&ic=3") || !strings.Contains(got, literal) {
		t.Errorf("with a certificate of its own the link is %s", got)
	}

	sh(t, r, fmt.Sprintf("echo 'acme_directory = %q' >>%s && chatmaild run", authority.Directory(), configFile))
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
	until(ctx, t, "links that want the certificate verified", func() bool { return strings.HasSuffix(printed(t, a.Relay), "&ic=1") })
	if status, err := r.Run(ctx, "chatmaild", "status"); err != nil || !strings.Contains(status, "renewal on") {
		t.Errorf("status: %v\n%s", err, status)
	}

	// As an app asks for an account, and verifies whom it asks.
	dial := &http.Client{Transport: &http.Transport{DialContext: outside.DialContext, TLSClientConfig: &tls.Config{RootCAs: roots}}}
	resp, err := dial.Post("https://"+mailaddr.InURL(r.Domain)+"/new", "", nil)
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
	alice := newPublicRoot(t).profile(t, r, authority, r.Domain, "alice-"+a.Name, printed(t, a.Relay))
	join(t, alice, a.bob).converse(t)
	a.commands(t)

	ctx = deadline(t, installTimeout)
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

// commands holds that none of them finds fault with the relay.
func (a *atAddress) commands(t *testing.T) {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	for _, c := range []struct{ command, says string }{
		{"run", "nothing to do"},
		{"dns", a.Domain + " needs no DNS records"},
		{"status", "renewal on"},
	} {
		if said, err := a.Run(ctx, "chatmaild", c.command); err != nil || !strings.Contains(said, c.says) {
			t.Errorf("%s: %v\n%s", c.command, err, said)
		}
	}
	// Apps verify the certificate of the iroh relay, whatever they do with others.
	root, err := a.authority.IssuerPEM(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.usual.TrustRoot(ctx, "issuer", root); err != nil {
		t.Fatal(err)
	}
	if res, err := a.usual.Exec(ctx, nil, "chatmaild", "test", a.Domain); err != nil || res.Code != 0 {
		t.Errorf("test: %v, exit status %d\n%s%s", err, res.Code, res.Stdout, res.Stderr)
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
