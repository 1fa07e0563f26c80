package lab

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/lab/network"
)

const (
	updateKeyFile = "/etc/chatmail/update.key"
	stateFile     = "/var/lib/chatmaild/acme/state.json"
	accountFile   = "/var/lib/chatmaild/acme/account.pem"
)

// A takeover is a relay that had its certificate from acmetool, and whose name
// server takes updates.
type takeover struct {
	*plain
	legacy legacy
	secret string
}

// TestTakeover is the proof that a relay continues with acmetool's account and key,
// answers challenges by DNS, and copes with an authority that limits its rate.
func TestTakeover(t *testing.T) {
	t.Parallel()
	p := &takeover{plain: newPlain(t), secret: "a secret that the name server shares"}
	p.authority.Stop()
	p.authority.Challenges = true
	if err := p.authority.Start(deadline(t, stepTimeout)); err != nil {
		t.Fatal(err)
	}
	inTurn(t, p, []step[*takeover]{
		{"what acmetool left", (*takeover).leave},
		{"is taken over", (*takeover).takeOver},
		{"a key that the name server does not know", (*takeover).wrongKey},
		{"renewal by DNS", (*takeover).renewal},
		{"rate limit", (*takeover).rateLimit},
	})
}

func (p *takeover) leave(t *testing.T) {
	if err := p.relay.publishAddresses(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.lab.Zone.AllowUpdates(plainDomain, "chat-acme", []byte(p.secret)); err != nil {
		t.Fatal(err)
	}
	p.legacy = p.acmetool(t)
}

// updateKey writes the key for updates, as tsig-keygen does.
func (p *takeover) updateKey(t *testing.T, secret string) {
	t.Helper()
	writeUpdateKey(t, p.relay, "chat-acme", secret)
}

func writeUpdateKey(t *testing.T, r *Relay, name, secret string) {
	t.Helper()
	sh(t, r, fmt.Sprintf("mkdir -p /etc/chatmail\ncat >%[1]s <<'E'\nkey %[2]q {\n\talgorithm hmac-sha256;\n\tsecret %[3]q;\n};\nE\n"+
		"chown root:chatmaild-acme %[1]s; chmod 640 %[1]s", updateKeyFile, name, base64.StdEncoding.EncodeToString([]byte(secret))))
}

// takeOver has the relay serve acmetool's certificate from its first run on.
func (p *takeover) takeOver(t *testing.T) {
	p.updateKey(t, "another secret")
	server, _ := network.Resolver()
	p.run(t, fmt.Sprintf("sed -i 's|^#*acme_dns_server = .*|acme_dns_server = \"%v\"|; s|^#*acme_dns_key = .*|acme_dns_key = \"%s\"|' %s",
		server, updateKeyFile, configFile)+"\nchatmaild run --skip-dns-check")
	p.trust(t)
	for _, port := range tlsPorts {
		cert := p.shown(t, port, plainDomain)
		if !cert.Equal(p.legacy.certificate) {
			t.Errorf("port %s shows another certificate than acmetool's, of %s", port, cert.Issuer)
		}
		p.verify(t, port, cert)
	}
	for file, want := range map[string]string{liveDir + "privkey.pem": p.legacy.key, accountFile: p.legacy.accountKey} {
		if got := p.run(t, "cat "+file); got != want {
			t.Errorf("%s is not acmetool's key", file)
		}
		if got := strings.TrimSpace(p.run(t, "stat -c '%a %U' "+file)); got != "600 chatmaild-acme" {
			t.Errorf("mode and owner of %s: got %s, want 600 chatmaild-acme", file, got)
		}
	}
	contains(t, "a second run", p.run(t, "chatmaild run --skip-dns-check"), "nothing to do")
}

// wrongKey has the name server refuse to change anything; the certificate stays.
func (p *takeover) wrongKey(t *testing.T) {
	if err := p.authority.WantRenewal(deadline(t, stepTimeout), p.legacy.certificate); err != nil {
		t.Fatal(err)
	}
	p.run(t, "systemctl restart chatmaild-acme")
	p.waitStatus(t, "no new certificate since", "refuses to change "+plainDomain+".: it does not know the key", "retried at", "acme_dns_key")
	if now := p.shown(t, "993", plainDomain); !now.Equal(p.legacy.certificate) {
		t.Errorf("port 993 shows another certificate, of %s", now.Issuer)
	}
}

func (p *takeover) waitStatus(t *testing.T, wants ...string) {
	t.Helper()
	p.wait(t, "status to tell", func() (bool, string) {
		res, err := p.relay.Exec(deadline(t, stepTimeout), nil, "chatmaild", "status")
		said := res.Stdout + res.Stderr
		for _, want := range wants {
			if !strings.Contains(said, want) {
				return false, fmt.Sprintf("it lacks %q (%v):\n%s", want, err, said)
			}
		}
		return true, said
	})
}

// renewal puts the right key there: acmetool's account gets a new certificate, for
// the same key, and nothing of the challenges stays in the zone.
func (p *takeover) renewal(t *testing.T) {
	p.updateKey(t, p.secret)
	p.run(t, "systemctl restart chatmaild-acme")
	for _, port := range tlsPorts {
		cert := p.waitShown(t, port, func(c *x509.Certificate) bool { return !c.Equal(p.legacy.certificate) })
		p.verify(t, port, cert)
		if !samePublicKey(p.legacy.certificate, cert) {
			t.Errorf("port %s has another key than acmetool's", port)
		}
	}
	var state struct {
		AccountURI string `json:"account_uri"`
	}
	if err := json.Unmarshal([]byte(p.run(t, "cat "+stateFile)), &state); err != nil || state.AccountURI != p.legacy.accountURI {
		t.Errorf("the account: got %q, %v; want acmetool's, %q", state.AccountURI, err, p.legacy.accountURI)
	}
	for _, name := range []string{plainDomain, "www." + plainDomain, "mta-sts." + plainDomain} {
		if _, exists := p.lab.Zone.Lookup("_acme-challenge."+name, 0); exists {
			t.Errorf("the challenge's record of %s is still there", name)
		}
	}
}

// rateLimit asks an authority that wants us to wait: status tells its words, and
// the time that it named. What is served stays.
func (p *takeover) rateLimit(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	again := time.Now().Add(3 * time.Hour).Truncate(time.Second)
	directory, root := startBusy(t, p.lab, again)
	if err := p.relay.TrustRoot(ctx, "busy", root); err != nil {
		t.Fatal(err)
	}
	before := p.shown(t, "993", plainDomain)
	p.run(t, fmt.Sprintf("sed -i 's|^acme_directory = .*|acme_directory = %q|' %s; rm %sfullchain.pem; systemctl restart chatmaild-acme",
		directory, configFile, liveDir))
	p.waitStatus(t, busyDetail, "the authority wants us to wait", "retried at "+again.UTC().Format(time.DateTime))
	if now := p.shown(t, "993", plainDomain); !now.Equal(before) {
		t.Errorf("port 993 shows another certificate, of %s", now.Issuer)
	}
}
