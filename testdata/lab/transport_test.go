package lab

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"chatmaild/applets/lookup"
	"chatmaild/mailfilter/dkim"
	"chatmaild/testdata/lab/core"
	"chatmaild/testdata/lab/debian"
	"chatmaild/testdata/lab/network"
)

// roads is two relays whose own transport delivers, with a client on each. The proof is
// about the first one.
type roads struct {
	spelt
	b          *Relay
	alice, bob *core.Profile
	pair       pair // Alice and Bob
}

// TestTransport has the transport find a way to all kinds of relays.
func TestTransport(t *testing.T) {
	r := &roads{spelt: newSpelt(t, "_a.test")}
	deb, err := debian.Deb()
	if err != nil {
		t.Fatal(err)
	}
	if r.b, err = r.lab.StartRelay(t.Context(), "_b.test", deb); err != nil {
		t.Fatal(err)
	}
	diagnose(t, r.b)
	for _, relay := range []*Relay{r.relay, r.b} {
		installPackages(deadline(t, installTimeout), t, relay.Host, debian.OpenDKIM)
	}
	installPackages(deadline(t, installTimeout), t, r.b.Host, debian.DKIMPy)
	r.alice = startProfile(t, r.lab, "alice", r.relay.SignUpQR())
	r.bob = startProfile(t, r.lab, "bob", r.b.SignUpQR())
	eachStep(t, r, []step[*roads]{
		{"by HTTPS", (*roads).byHTTPS},
		{"signed", (*roads).signed},
		{"signing is handed over", (*roads).handover},
		{"Postfix delivers", (*roads).postfixDelivers},
		{"without port 25", (*roads).withoutSMTP},
		{"without HTTPS", (*roads).withoutHTTPS},
		{"IPv6 is dropped", (*roads).withoutIPv6},
		{"the way changes", (*roads).changed},
		{"slow and hostile hosts", (*roads).hostile},
		{"retried by the operator", (*roads).retried},
		{"dead hosts", (*roads).dead},
		{"killed", (*roads).killed},
	})
}

// ways is how many messages a relay's transport has delivered by a way.
func (r *roads) ways(t *testing.T, relay *Relay) (https, smtp int) {
	t.Helper()
	out := sh(t, relay, "chatmaild metrics --print")
	for line := range strings.Lines(out) {
		for way, n := range map[string]*int{"https": &https, "smtp": &smtp} {
			if value, ok := strings.CutPrefix(line, `chatmaild_transport_delivered_total{way="`+way+`"} `); ok {
				if _, err := fmt.Sscan(value, n); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return https, smtp
}

// fresh has the transport forget what it knows of hosts.
func (r *roads) fresh(t *testing.T) {
	t.Helper()
	r.script(t, "systemctl restart chatmaild-transport.service")
}

func (r *roads) byHTTPS(t *testing.T) {
	r.pair = join(t, r.alice, r.bob)
	r.pair.converse(t)
	for _, relay := range []*Relay{r.relay, r.b} {
		if https, smtp := r.ways(t, relay); https == 0 || smtp > 0 {
			t.Errorf("%s delivered %d by HTTPS and %d by SMTP", relay.Domain, https, smtp)
		}
	}
	if out := r.script(t, "postconf -n | grep -i milter || true; postconf -P | grep -i milter || true"); strings.Contains(out, "opendkim") {
		t.Errorf("Postfix has OpenDKIM sign:\n%s", out)
	}
}

// signed holds what leaves, bounces too, against our verifier, OpenDKIM's and dkimpy's; and
// that what stays is not signed.
func (r *roads) signed(t *testing.T) {
	before := len(r.mx.Received())
	gone := "gone12345@" + r.relay.Domain
	if got := r.fromUser(t, r.sender.addr, r.carol.author, sealed(t, r.sender.addr)); got[:3] != "250" {
		t.Fatal(got)
	}
	if got := r.fromCarol(t, r.carol.author, gone, r.carol.sign(t, encryptedFrom(t, r.carol.author), nil)); got[:3] != "250" {
		t.Fatal(got)
	}
	r.delivered(t)
	mails := r.mx.Received()[before:]
	if len(mails) != 2 {
		t.Fatalf("Carol got %d messages, want one and a bounce", len(mails))
	}
	for _, m := range mails {
		header, _, _ := strings.Cut(m.Text, "\r\n\r\n")
		if n := strings.Count(header, "DKIM-Signature: "); n != 1 {
			t.Errorf("%d signatures:\n%s", n, m.Text)
		}
		if err := verify(r.lab, m.Text, r.relay.Domain); err != nil {
			t.Errorf("%v:\n%s", err, m.Text)
		}
		r.others(t, m.Text)
	}
	if got := r.fromUser(t, r.sender.addr, r.victim.addr, sealed(t, r.sender.addr)); got[:3] != "250" {
		t.Fatal(got)
	}
	r.delivered(t)
	if found := r.script(t, "find %s -type f -exec zgrep -l DKIM-Signature {} + || true", r.home(r.victim.addr)); found != "" {
		t.Errorf("local mail is signed: %s", found)
	}
}

// dkimpy prints whether the message in a file verifies with the key record in another one.
const dkimpy = `import dkim, sys
mail, key = (open(path, "rb").read() for path in sys.argv[1:])
print(dkim.verify(mail, dnsfunc=lambda name, timeout=5: key))`

// others has OpenDKIM and dkimpy verify a message, and a changed one.
func (r *roads) others(t *testing.T, text string) {
	ctx := deadline(t, stepTimeout)
	// OpenDKIM's own resolver knows no name below test.
	name := selector + "._domainkey." + r.relay.Domain
	for file, content := range map[string]string{
		"opendkim.keys": name + " " + record(r.lab, name) + "\n", "opendkim.conf": "Mode v\nTestPublicKeys /tmp/opendkim.keys\n",
		"key.txt": record(r.lab, name), "verify.py": dkimpy, "good.eml": text, "bad.eml": strings.Replace(text, "\r\n\r\n", "\r\n\r\nx", 1),
	} {
		writeFile(t, r.b, "/tmp/"+file, 0o644, content)
	}
	for _, test := range []struct{ command, want string }{
		{"opendkim -x /tmp/opendkim.conf -vv -t /tmp/good.eml 2>&1", "dkim=pass (2048-bit key"},
		{"opendkim -x /tmp/opendkim.conf -vv -t /tmp/bad.eml 2>&1 || true", "dkim=fail"},
		{"python3 /tmp/verify.py /tmp/good.eml /tmp/key.txt", "True\n"},
		{"python3 /tmp/verify.py /tmp/bad.eml /tmp/key.txt", "False\n"},
	} {
		if out, err := r.b.Script(ctx, test.command); err != nil || !strings.Contains(out, test.want) {
			t.Errorf("%s: %v, %q, want %q in it, of\n%s", test.command, err, out, test.want, text)
		}
	}
}

// verify asks our verifier, with the lab's zone.
func verify(l *Lab, text, domain string) error {
	v := dkim.New(dkim.Options{Now: time.Now, MaxStrangers: 1, Lookup: func(_ context.Context, name string) (dkim.Records, error) {
		return dkim.Records{Texts: []string{record(l, name)}}, nil
	}})
	header, body, _ := strings.Cut(text, "\r\n\r\n")
	m := v.Begin([]byte(header+"\r\n"), domain)
	defer m.Close()
	if _, err := m.Write([]byte(body)); err != nil {
		return err
	}
	return m.Verify()
}

// record is the TXT record of a name in the lab's zone.
func record(l *Lab, name string) (text string) {
	answers, _ := l.Zone.Lookup(name, dns.TypeTXT)
	for _, a := range answers {
		text = lookup.Text(a.(*dns.TXT))
	}
	return text
}

// drop has a station drop what comes in that matches, until the end of the test.
func drop(t *testing.T, s network.Station, match string) {
	t.Helper()
	loadRules(t, s, "table inet lab {\n chain input {\n type filter hook input priority 0;\n "+match+" drop\n }\n}\n")
	t.Cleanup(func() {
		if _, err := s.InNetns(context.WithoutCancel(t.Context()), "nft", "delete", "table", "inet", "lab"); err != nil {
			t.Error(err)
		}
	})
}

// withoutSMTP has port 25 closed both ways.
func (r *roads) withoutSMTP(t *testing.T) {
	r.fresh(t)
	for _, relay := range []*Relay{r.relay, r.b} {
		drop(t, relay.Station, "tcp dport 25")
	}
	say(t, r.alice, r.pair.ab, r.bob, "port 25 is closed")
	say(t, r.bob, r.pair.ba, r.alice, "here, too")
	if https, smtp := r.ways(t, r.relay); https == 0 || smtp > 0 {
		t.Errorf("%d were delivered by HTTPS and %d by SMTP", https, smtp)
	}
}

func (r *roads) withoutHTTPS(t *testing.T) {
	r.fresh(t)
	drop(t, r.b.Station, "tcp dport 443")
	say(t, r.alice, r.pair.ab, r.bob, "port 443 is closed")
	say(t, r.alice, r.pair.ab, r.bob, "and it is known")
	if https, smtp := r.ways(t, r.relay); https > 0 || smtp < 2 {
		t.Errorf("%d were delivered by HTTPS and %d by SMTP", https, smtp)
	}
}

// withoutIPv6 measures what a dead protocol costs.
func (r *roads) withoutIPv6(t *testing.T) {
	r.fresh(t)
	drop(t, r.b.Station, "meta nfproto ipv6 tcp dport { 25, 443 }")
	for n, what := range []string{"the first", "the second", "the third"} {
		start := time.Now()
		say(t, r.alice, r.pair.ab, r.bob, "IPv6 is dropped, "+what)
		t.Logf("message %d took %v", n+1, time.Since(start).Round(time.Millisecond))
	}
	if _, smtp := r.ways(t, r.relay); smtp > 0 {
		t.Errorf("%d went by SMTP", smtp)
	}
}

// changed has kept connections lead nowhere any more: messages go over new ones, soon.
func (r *roads) changed(t *testing.T) {
	r.fresh(t)
	say(t, r.alice, r.pair.ab, r.bob, "over a connection that is kept")
	start := time.Now()
	ports := strings.Fields(r.script(t, `ss -Htn state established '( dport = :443 )' | awk '{ print $3 }' | sed 's/.*://'`))
	if len(ports) == 0 {
		t.Fatal("no connection is kept")
	}
	drop(t, r.b.Station, "tcp dport 443 tcp sport { "+strings.Join(ports, ", ")+" }")
	say(t, r.alice, r.pair.ab, r.bob, "and is lost")
	t.Logf("while the kept connection was dropped, a message took %v", time.Since(start).Round(time.Millisecond))

	say(t, r.alice, r.pair.ab, r.bob, "over IPv6")
	address := fmt.Sprintf("%s/64 dev eth0", r.relay.IPv6)
	r.script(t, "ip addr del %s", address)
	defer r.script(t, "ip addr add %s nodad", address)
	start = time.Now()
	say(t, r.alice, r.pair.ab, r.bob, "without the address")
	t.Logf("without the address of the kept connection, a message took %v", time.Since(start).Round(time.Millisecond))
	if https, smtp := r.ways(t, r.relay); https < 4 || smtp > 0 {
		t.Errorf("%d were delivered by HTTPS and %d by SMTP: it was not a new connection", https, smtp)
	}
}
