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

	"chatmaild/testdata/lab/core"
	"chatmaild/testdata/lab/network"
	"chatmaild/testdata/lab/peer"
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

// guests are what relays share whose domains are those of web sites elsewhere.
type guests struct {
	lab       *Lab
	deb       string
	authority *peer.Authority
	public    publicRoot
	usual     *Relay
	bob       *core.Profile // there
}

// TestGuestCertificate has an authority sign for relays whose domains are those of web sites
// on another machine: for the host and for the names that lead there, and not for the domain,
// which the relay cannot prove. init finds the host by the MX record. The real client signs up
// by the link that qr prints, verifies all that, and talks with a user of a usual relay.
func TestGuestCertificate(t *testing.T) {
	g := &guests{public: newPublicRoot(t)}
	g.lab, g.deb = newLab(t)
	answerForTest(t, g.lab)
	g.authority = startAuthority(t, g.lab)
	g.usual = startRelayIn(t, g.lab, g.deb, "_usual.test")
	issuer, err := g.authority.IssuerPEM(deadline(t, stepTimeout))
	if err != nil {
		t.Fatal(err)
	}
	trust(t, g.usual, "issuer", string(issuer))
	g.bob = startProfile(t, g.lab, "bob", g.usual.SignUpQR())
	for _, tt := range []struct {
		name, domain string
		prepare      func(*guests, *testing.T, *Relay) (settings []string)
	}{
		{"HTTP-01", "site.test", func(*guests, *testing.T, *Relay) []string { return nil }},
		{"DNS-01", "zone.test", (*guests).byDNS},
	} {
		t.Run(tt.name, func(t *testing.T) { g.certificate(t, tt.domain, tt.prepare) })
	}
}

// byDNS has a relay prove its names by dynamic updates of the domain's zone, since its network
// lets nothing in at port 80.
func (g *guests) byDNS(t *testing.T, r *Relay) []string {
	const key, secret = "zone-acme", "a secret of the zone"
	if err := g.lab.Zone.AllowUpdates(r.Domain, key, []byte(secret)); err != nil {
		t.Fatal(err)
	}
	writeUpdateKey(t, r, key, secret)
	loadRules(t, r.Station, "table inet block {\nchain in {\ntype filter hook input priority filter; policy accept;\ntcp dport 80 reject with tcp reset\n}\n}\n")
	if conn, err := g.authority.DialContext(deadline(t, stepTimeout), "tcp", net.JoinHostPort(r.IPv4.String(), "80")); err == nil {
		t.Error("the authority reaches port 80")
		conn.Close()
	}
	server, _ := network.Resolver()
	return []string{fmt.Sprintf("acme_dns_server = %q", server), fmt.Sprintf("acme_dns_key = %q", updateKeyFile)}
}

func (g *guests) certificate(t *testing.T, domain string, prepare func(*guests, *testing.T, *Relay) []string) {
	ctx := deadline(t, installTimeout)
	l := g.lab
	r := &Relay{Host: startHost(t, l, label(domain)), Domain: domain, lab: l}
	diagnose(t, r)
	hostname := "chat." + domain
	names := []string{"autoconfig." + domain, "mta-sts." + domain}
	for _, step := range []func() error{
		func() error { return r.publishGuest(ctx, hostname) },
		func() error {
			return errors.Join(l.Zone.Set(names[0], "CNAME", hostname), l.Zone.Set(names[1], "CNAME", hostname))
		},
		func() error { return r.InstallDeb(ctx, g.deb) },
		func() error { return r.TrustRoot(ctx, "lab", g.authority.Root) },
		func() error {
			return r.configure(ctx, append(prepare(g, t, r), fmt.Sprintf("acme_directory = %q", g.authority.Directory())))
		},
		func() error { return r.setUp(ctx) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	contains(t, "what init wrote", sh(t, r, "cat "+configFile), fmt.Sprintf("\nhostname = %q\n", hostname))
	outside := addStation(t, l, "outside-"+r.Name)
	awaitIssued(ctx, t, outside, g.authority, hostname, append(names, hostname)...)
	for _, port := range tlsPorts {
		conn, err := outside.DialTLS(ctx, net.JoinHostPort(hostname, port))
		if err != nil {
			t.Fatal(err)
		}
		if cert := conn.ConnectionState().PeerCertificates[0]; cert.VerifyHostname(domain) == nil {
			t.Errorf("port %s has a certificate for the domain: %v", port, cert.DNSNames)
		}
		conn.Close()
	}
	if err := publishZone(ctx, r); err != nil {
		t.Fatal(err)
	}
	for command, says := range map[string]string{"run": "nothing to do", "dns": "The web server of " + domain + " is not this machine", "status": "renewal on"} {
		if said, err := r.Run(ctx, "chatmaild", command); err != nil || !strings.Contains(said, says) {
			t.Errorf("%s: %v\n%s", command, err, said)
		}
	}
	alice := g.public.profile(t, r, g.authority, hostname, "alice-"+r.Name, printed(t, r))
	join(t, alice, g.bob).converse(t)
	(&proof{lab: l, relay: r, usual: g.usual}).content(t)
}

// awaitIssued waits until all ports of a host show a certificate of the authority for each
// of these names.
func awaitIssued(ctx context.Context, t *testing.T, from network.Station, a *peer.Authority, host string, names ...string) {
	t.Helper()
	roots, err := a.Issuer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, port := range tlsPorts {
		for _, name := range names {
			until(ctx, t, "port "+port+" to show a certificate for "+name, func() bool {
				conn, err := from.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
				if err != nil {
					return false
				}
				defer conn.Close()
				return tls.Client(conn, &tls.Config{ServerName: name, RootCAs: roots}).HandshakeContext(ctx) == nil
			})
		}
	}
}
