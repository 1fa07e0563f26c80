package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

// publishGuest publishes the records of a relay whose domain is that of a web site on
// another machine, without those that the relay prints itself.
func (r *Relay) publishGuest(ctx context.Context, hostname string) error {
	site, err := r.lab.AddStation(ctx, r.Name+"-site")
	if err != nil {
		return err
	}
	z := r.lab.Zone
	return errors.Join(
		z.Set(r.Domain, "A", site.IPv4.String()),
		r.TakeName(hostname),
		z.Set(r.Domain, "MX", "10 "+hostname),
	)
}

// guest looks at a relay whose domain has its web site on another machine, as apps, other
// relays and its operator do, and from a peer. Real clients have talked through it.
func guest(t *testing.T, l *Lab, r *Relay, root string, peer *Relay) {
	ctx := deadline(t, stepTimeout)
	answerForTest(t, l)
	if err := publishZone(ctx, r); err != nil {
		t.Fatal(err)
	}
	said, err := r.Run(ctx, "chatmaild", "dns")
	if err != nil || strings.Contains(said, "missing") || strings.Contains(said, "different") {
		t.Errorf("dns finds fault with its own zone file: %v\n%s", err, said)
	}
	contains(t, "dns", said, "The web server of two.test is not this machine", "/mxdeliv")
	if said, err := r.Run(ctx, "chatmaild", "run"); err != nil || !strings.Contains(said, "nothing to do") {
		t.Errorf("run: %v\n%s", err, said)
	}
	if link, err := r.Run(ctx, "chatmaild", "qr"); err != nil || !strings.Contains(link, "DCACCOUNT:https://chat.two.test/new") {
		t.Errorf("qr: %v\n%s", err, link)
	}

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(root))
	outside := addStation(t, l, "beside")
	client := &http.Client{Transport: &http.Transport{DialContext: outside.DialContext, TLSClientConfig: &tls.Config{RootCAs: roots}}}
	for url, want := range map[string]string{
		"https://autoconfig.two.test/mail/config-v1.1.xml?emailaddress=x%40two.test": "<hostname>chat.two.test</hostname>",
		"https://mta-sts.two.test/.well-known/mta-sts.txt":                           "mx: chat.two.test\n",
		"https://chat.two.test/":      "two.test",
		"https://chat.two.test:2053/": "two.test",
		"https://chat.two.test/.well-known/autoconfig/mail/config-v1.1.xml": "<port>2053</port>",
	} {
		resp, body, err := browse(ctx, client, http.MethodGet, url)
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %v, %.300q, want status 200 and %q", url, err, body, want)
		}
	}

	trust(t, peer, "two", root)
	res, err := peer.Exec(ctx, nil, "chatmaild", "test", r.Domain)
	if err != nil || res.Code != 0 {
		t.Errorf("test: %v, exit status %d\n%s%s", err, res.Code, res.Stdout, res.Stderr)
	}
}

// TestGuestCertificate has an authority sign for a relay whose domain is that of a web site
// on another machine: for its host and for the names that lead there, by HTTP-01, and not
// for the domain, which it cannot prove. The real client signs up by the link that qr prints,
// verifies all that, and talks with a user of a usual relay.
func TestGuestCertificate(t *testing.T) {
	l, deb := newLab(t)
	ctx := deadline(t, installTimeout)
	authority := startAuthority(t, l)
	host := startHost(t, l, "guest")
	r := &Relay{Host: host, Domain: "site.test", lab: l}
	diagnose(t, r)
	const hostname = "chat.site.test"
	names := []string{"autoconfig.site.test", "mta-sts.site.test"}
	for _, step := range []func() error{
		func() error { return r.publishGuest(ctx, hostname) },
		func() error {
			return errors.Join(l.Zone.Set(names[0], "CNAME", hostname), l.Zone.Set(names[1], "CNAME", hostname))
		},
		func() error { return r.InstallDeb(ctx, deb) },
		func() error { return r.TrustRoot(ctx, "lab", authority.Root) },
		func() error {
			return r.configure(ctx, []string{fmt.Sprintf("hostname = %q", hostname), fmt.Sprintf("acme_directory = %q", authority.Directory())})
		},
		func() error { return r.setUp(ctx) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	roots, err := authority.Issuer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	outside := addStation(t, l, "outside")
	for _, port := range tlsPorts {
		for _, name := range append(names, hostname) {
			until(ctx, t, "port "+port+" to show a certificate for "+name, func() bool {
				conn, err := outside.DialContext(ctx, "tcp", net.JoinHostPort(hostname, port))
				if err != nil {
					return false
				}
				defer conn.Close()
				return tls.Client(conn, &tls.Config{ServerName: name, RootCAs: roots}).HandshakeContext(ctx) == nil
			})
		}
		conn, err := outside.DialTLS(ctx, net.JoinHostPort(hostname, port))
		if err != nil {
			t.Fatal(err)
		}
		if cert := conn.ConnectionState().PeerCertificates[0]; cert.VerifyHostname(r.Domain) == nil {
			t.Errorf("port %s has a certificate for the domain: %v", port, cert.DNSNames)
		}
		conn.Close()
	}
	answerForTest(t, l)
	if err := publishZone(ctx, r); err != nil {
		t.Fatal(err)
	}
	for command, says := range map[string]string{"run": "nothing to do", "dns": "The web server of " + r.Domain + " is not this machine", "status": "renewal on"} {
		if said, err := r.Run(ctx, "chatmaild", command); err != nil || !strings.Contains(said, says) {
			t.Errorf("%s: %v\n%s", command, err, said)
		}
	}

	usual := startRelayIn(t, l, deb, "_usual.test")
	issuer, err := authority.IssuerPEM(ctx)
	if err != nil {
		t.Fatal(err)
	}
	trust(t, usual, "issuer", string(issuer))
	link, err := r.Run(ctx, "chatmaild", "qr")
	if err != nil {
		t.Fatal(err)
	}
	alice := newPublicRoot(t).profile(t, r, authority, hostname, "alice", lastLine(strings.TrimSuffix(link, "\n")))
	bob := startProfile(t, l, "bob", usual.SignUpQR())
	join(t, alice, bob).converse(t)
}
