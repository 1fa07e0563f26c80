package lab

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/kit/pki"
	"chatmaild/testdata/lab/core"
	"chatmaild/testdata/lab/network"
	"chatmaild/testdata/lab/peer"
)

const (
	plainDomain = "chat.test"

	liveDir = "/var/lib/chatmaild/acme/live/"
)

// tlsPorts are those where the relay shows its certificate from the first byte.
var tlsPorts = []string{"443", "465", "993"}

// A plain is a relay with a plain name, whose certificate comes from an
// authority in the lab. Each step builds on those before it.
type plain struct {
	lab       *Lab
	relay     *Relay
	authority *peer.Authority
	outside   network.Station
	roots     *x509.CertPool // of what the authority issues
}

// TestPlainName is the proof of certificates, DNS and TLS: a relay that the
// world can verify, from its first run on.
func TestPlainName(t *testing.T) {
	t.Parallel()
	p := newPlain(t)
	inTurn(t, p, []step[*plain]{
		{"run refuses without DNS", (*plain).refusesWithoutDNS},
		{"the authority refuses", (*plain).authorityRefuses},
		{"issue", (*plain).issue},
		{"nothing to do", (*plain).nothingToDo},
		{"dns", (*plain).dns},
		{"TLS", (*plain).scan},
		{"web", (*plain).web},
		{"client", (*plain).client},
		{"hardening", (*plain).hardening},
		{"renew", (*plain).renew},
		{"outage", (*plain).outage},
		{"mail off and on", (*plain).mailOff},
		{"external pair", (*plain).external},
	})
}

func (p *plain) refusesWithoutDNS(t *testing.T) {
	const machine = "find /etc /var/lib /var/www -type f -exec md5sum {} + | sort -k 2; systemctl list-units --plain --no-legend 'chatmaild*'"
	before := p.run(t, machine)
	said := p.fails(t, "chatmaild", "run")
	contains(t, "run", said, "chat.test. 3600 IN MX 10 chat.test.", "www.chat.test. 3600 IN CNAME chat.test.", "--skip-dns-check")
	if after := p.run(t, machine); after != before {
		t.Errorf("run changed the machine, although it refused:\nbefore: %s\nafter: %s", before, after)
	}
}

// authorityRefuses has a name that leads nowhere: there is no certificate, and
// run, status and the journal say why. The rest of the relay is up.
func (p *plain) authorityRefuses(t *testing.T) {
	if err := p.relay.publishAddresses(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.lab.Zone.Remove("www."+plainDomain, "CNAME")
	said := p.fails(t, "chatmaild", "run", "--skip-dns-check")
	contains(t, "run", said, "no certificate: www.chat.test: ", "chatmaild dns")
	said = p.fails(t, "chatmaild", "status")
	contains(t, "status", said, "none yet; the servers", "www.chat.test: ", "retried at")
	for _, port := range tlsPorts {
		if cert := p.shown(t, port, plainDomain); cert.Issuer.CommonName != plainDomain {
			t.Errorf("port %s shows a certificate of %s, want our own", port, cert.Issuer)
		}
	}
}

// issue fixes the name and runs again, as the operator is told to.
func (p *plain) issue(t *testing.T) {
	before := p.shown(t, "443", plainDomain)
	publish(t, p.lab, "www."+plainDomain, "CNAME", plainDomain)
	// The DKIM key was made by the first run.
	if err := p.relay.publishKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.run(t, "chatmaild run")
	p.trust(t)
	for _, port := range tlsPorts {
		cert := p.waitShown(t, port, func(c *x509.Certificate) bool { return !c.Equal(before) })
		p.verify(t, port, cert)
		if !samePublicKey(before, cert) {
			t.Errorf("port %s has another key than before", port)
		}
	}
	if got := strings.TrimSpace(p.run(t, "stat -c '%a %U' "+liveDir+"privkey.pem")); got != "600 chatmaild-acme" {
		t.Errorf("the key's mode and owner: got %s, want 600 chatmaild-acme", got)
	}
}

func (p *plain) nothingToDo(t *testing.T) {
	contains(t, "a second run", p.run(t, "chatmaild run"), "nothing to do")
	contains(t, "status", p.run(t, "chatmaild status"), "valid until", "renewal on")
	broken, err := p.relay.Broken(deadline(t, stepTimeout))
	if err != nil {
		t.Fatal(err)
	}
	if broken != nil {
		t.Errorf("failed, or started more than once: %s", strings.Join(broken, " "))
	}
}

// client signs up a real client over a certificate that only the lab trusts. It
// knows no private authority, so it is told not to check.
func (p *plain) client(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	c := startClient(t, p.lab, "alice")
	var profiles []*core.Profile
	for _, name := range []string{"alice1234", "bob123456"} {
		qr := fmt.Sprintf("dclogin:%s@%s?p=%s&v=1&ic=3", name, plainDomain, "password-"+name)
		profile, err := c.SignUp(ctx, name, qr)
		if err != nil {
			t.Fatal(err)
		}
		profiles = append(profiles, profile)
	}
	chat, err := profiles[1].SecureJoin(ctx, profiles[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	say(t, profiles[1], chat, profiles[0], "hello over a real certificate")
}

// renew has the authority ask for a renewal. The servers take the new
// certificate without being restarted; the key is the same.
func (p *plain) renew(t *testing.T) {
	const pids = "systemctl show --property=MainPID dovecot nginx; cat /var/spool/postfix/pid/master.pid"
	before, running := p.shown(t, "993", plainDomain), p.run(t, pids)
	if err := p.authority.WantRenewal(deadline(t, stepTimeout), before); err != nil {
		t.Fatal(err)
	}
	p.run(t, "systemctl restart chatmaild-acme")
	for _, port := range tlsPorts {
		cert := p.waitShown(t, port, func(c *x509.Certificate) bool { return !c.Equal(before) })
		p.verify(t, port, cert)
		if !samePublicKey(before, cert) {
			t.Errorf("port %s has another key than before", port)
		}
	}
	if now := p.run(t, pids); now != running {
		t.Errorf("the servers were restarted:\nbefore %s\nnow %s", running, now)
	}
	contains(t, "run after a renewal", p.run(t, "chatmaild run"), "nothing to do")
}

// outage lets the authority be away when it is time to renew. What is served
// stays, status tells, and once the authority is back there is a new one.
func (p *plain) outage(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	p.authority.Stop()
	due := p.putDue(t)
	p.waitShown(t, "993", due.Equal)
	p.run(t, "systemctl restart chatmaild-acme")
	p.wait(t, "status to tell", func() (bool, string) {
		res, err := p.relay.Exec(ctx, nil, "chatmaild", "status")
		said := res.Stdout + res.Stderr
		return err == nil && strings.Contains(said, "no new certificate since"), said
	})
	if now := p.shown(t, "993", plainDomain); !now.Equal(due) {
		t.Errorf("port 993 shows another certificate, that of %s", now.Issuer)
	}
	// Another run of the authority: it knows neither account nor certificate.
	if err := p.authority.Start(ctx); err != nil {
		t.Fatal(err)
	}
	p.trust(t)
	// It would ask again automatically in a minute; a restart does not wait.
	p.run(t, "systemctl restart chatmaild-acme")
	for _, port := range tlsPorts {
		cert := p.waitShown(t, port, func(c *x509.Certificate) bool { return !c.Equal(due) })
		p.verify(t, port, cert)
	}
	p.wait(t, "status to be content", func() (bool, string) {
		res, err := p.relay.Exec(ctx, nil, "chatmaild", "status")
		return err == nil && res.Code == 0, res.Stdout
	})
}

// external changes to a certificate that another program keeps, and replaces it
// under our feet, the key some time after the certificate.
func (p *plain) external(t *testing.T) {
	put := func(after time.Duration) *x509.Certificate {
		t.Helper()
		cert, key, err := pki.NewPEM(plainDomain, "www."+plainDomain, "mta-sts."+plainDomain)
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		lines := fmt.Sprintf("mkdir -p /srv/tls; cat > /srv/tls/cert.new <<'E'\n%sE\nmv /srv/tls/cert.new /srv/tls/cert.pem\nsleep %f\n"+
			"cat > /srv/tls/key.new <<'E'\n%sE\nmv /srv/tls/key.new /srv/tls/key.pem\n", cert, after.Seconds(), key)
		sh(t, p.relay, lines)
		return pair.Leaf
	}
	first := put(0)
	p.run(t, `sed -i 's|^#*tls_external_cert_and_key = .*|tls_external_cert_and_key = "/srv/tls/cert.pem /srv/tls/key.pem"|' `+configFile+"\nchatmaild run")
	for _, port := range tlsPorts {
		p.waitShown(t, port, first.Equal)
	}
	second := put(2 * time.Second)
	for _, port := range tlsPorts {
		p.waitShown(t, port, second.Equal)
	}
	contains(t, "run after a change", p.run(t, "chatmaild run"), "nothing to do")
}
