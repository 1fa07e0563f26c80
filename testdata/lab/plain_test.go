package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/keys"
	"chatmaild/testdata/kit/pki"
	"chatmaild/testdata/lab/network"
	"chatmaild/testdata/lab/peer"
)

// newPlain boots a host with the package and a config, with settings beside, but does
// not run it.
func newPlain(t *testing.T, settings ...string) *plain {
	t.Helper()
	l, deb := newLab(t)
	p := &plain{lab: l}
	t.Cleanup(func() {
		if p.authority != nil {
			p.authority.Stop()
		}
	})
	var err error
	ctx := deadline(t, installTimeout)
	if p.authority, err = l.AddAuthority(ctx); err != nil {
		t.Fatal(err)
	}
	if err := p.authority.Start(ctx); err != nil {
		t.Fatal(err)
	}
	p.outside = addStation(t, l, "outside")
	host := startHost(t, l, "chat")
	p.relay = &Relay{Host: host, Domain: plainDomain, lab: l}
	t.Cleanup(func() {
		if t.Failed() {
			p.relay.Diagnose(t.Output())
			fmt.Fprintf(t.Output(), "--- the authority:\n%s\n", p.authority.Log())
		}
	})
	if err := p.relay.InstallDeb(ctx, deb); err != nil {
		t.Fatal(err)
	}
	if err := p.relay.TrustRoot(ctx, "lab", p.authority.Root); err != nil {
		t.Fatal(err)
	}
	if err := p.relay.configure(ctx, append(settings, fmt.Sprintf("acme_directory = %q", p.authority.Directory()))); err != nil {
		t.Fatal(err)
	}
	answerForTest(t, l)
	return p
}

// answerForTest has the lab's server be that of the domain test: dns and test ask a domain's
// own servers.
func answerForTest(t *testing.T, l *Lab) {
	t.Helper()
	v4, _ := network.Resolver()
	if err := errors.Join(l.Zone.Set("test", "NS", "ns.test"), l.Zone.Set("ns.test", "A", v4.String())); err != nil {
		t.Fatal(err)
	}
}

// fails runs a command that has to end with exit status 1, and returns all that
// it said.
func (p *plain) fails(t *testing.T, command ...string) string {
	t.Helper()
	res, err := p.relay.Exec(deadline(t, stepTimeout), nil, command...)
	if err != nil {
		t.Fatal(err)
	}
	if res.Code != 1 {
		t.Errorf("%s: got exit status %d, want 1:\n%s%s", strings.Join(command, " "), res.Code, res.Stdout, res.Stderr)
	}
	return res.Stdout + res.Stderr
}

func (p *plain) run(t *testing.T, lines string) string {
	t.Helper()
	return sh(t, p.relay, lines)
}

// contains wants each of the texts.
func contains(t *testing.T, what, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%s lacks %q:\n%s", what, want, text)
		}
	}
}

// shown returns the certificate that a port shows for a name.
func (p *plain) shown(t *testing.T, port, name string) *x509.Certificate {
	t.Helper()
	cert, err := p.look(deadline(t, stepTimeout), port, name)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func (p *plain) look(ctx context.Context, port, name string) (*x509.Certificate, error) {
	conn, err := p.outside.DialContext(ctx, "tcp", net.JoinHostPort(plainDomain, port))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	secure := tls.Client(conn, network.Insecure(name))
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return secure.ConnectionState().PeerCertificates[0], nil
}

// waitShown waits until a port shows a certificate that matches.
func (p *plain) waitShown(t *testing.T, port string, match func(*x509.Certificate) bool) (found *x509.Certificate) {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	p.wait(t, "port "+port+" to show the certificate", func() (bool, string) {
		cert, err := p.look(ctx, port, plainDomain)
		if err != nil {
			return false, err.Error()
		}
		found = cert
		return match(cert), fmt.Sprintf("it shows one of %s, valid from %v", cert.Issuer, cert.NotBefore)
	})
	return found
}

// wait asks again and again until done, or fails with what was said last.
func (p *plain) wait(t *testing.T, what string, done func() (bool, string)) {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	for {
		ok, said := done()
		if ok {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waiting for %s: %v; %s", what, ctx.Err(), said)
		case <-time.After(processPoll):
		}
	}
}

// trust takes the roots of the authority's present run.
func (p *plain) trust(t *testing.T) {
	t.Helper()
	roots, err := p.authority.Issuer(deadline(t, stepTimeout))
	if err != nil {
		t.Fatal(err)
	}
	p.roots = roots
}

// verify wants a port whose chain and names a stranger accepts.
func (p *plain) verify(t *testing.T, port string, cert *x509.Certificate) {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	for _, name := range []string{plainDomain, "www." + plainDomain, "mta-sts." + plainDomain} {
		conn, err := p.outside.DialContext(ctx, "tcp", net.JoinHostPort(plainDomain, port))
		if err != nil {
			t.Fatal(err)
		}
		err = tls.Client(conn, &tls.Config{ServerName: name, RootCAs: p.roots}).HandshakeContext(ctx)
		conn.Close()
		if err != nil {
			t.Errorf("port %s as %s: %v (%v)", port, name, err, cert.DNSNames)
		}
	}
}

// putDue puts a certificate for the relay's key into its place that is valid for
// ten more days of a hundred: it is time to renew it. An authority that nobody
// knows has signed it.
func (p *plain) putDue(t *testing.T) *x509.Certificate {
	t.Helper()
	key, err := keys.Parse([]byte(p.run(t, "cat "+liveDir+"privkey.pem")))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	authority, err := pki.New(nil, pki.Request{Names: []string{peer.AuthorityHost}})
	if err != nil {
		t.Fatal(err)
	}
	due, err := pki.New(&authority, pki.Request{
		Names: []string{plainDomain, "www." + plainDomain, "mta-sts." + plainDomain}, Key: key,
		From: now.AddDate(0, 0, -90), Until: now.AddDate(0, 0, 10),
	})
	if err != nil {
		t.Fatal(err)
	}
	text, _, err := pki.PEM(due)
	if err != nil {
		t.Fatal(err)
	}
	p.run(t, fmt.Sprintf("cat > %[1]snew <<'E'\n%[2]sE\nchmod 644 %[1]snew\nmv %[1]snew %[1]sfullchain.pem", liveDir, text))
	return due.Leaf
}

func samePublicKey(a, b *x509.Certificate) bool {
	return string(a.RawSubjectPublicKeyInfo) == string(b.RawSubjectPublicKeyInfo)
}
