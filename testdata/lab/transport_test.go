package lab

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/miekg/dns"

	"chatmaild/applets/lookup"
	"chatmaild/mailfilter/dkim"
)

// roads is two relays whose own transport delivers, with a client on each. The proof is
// about the first one.
type roads struct {
	spelt
	b          *Relay
	alice, bob *Profile
	pair       pair // Alice and Bob
}

// TestTransport has the transport find a way to all kinds of relays.
func TestTransport(t *testing.T) {
	r := &roads{spelt: newSpelt(t, "_a.test", `transport = "chatmaild"`)}
	deb, err := Deb()
	if err != nil {
		t.Fatal(err)
	}
	if r.b, err = r.lab.StartRelay(t.Context(), "_b.test", deb, `transport = "chatmaild"`); err != nil {
		t.Fatal(err)
	}
	diagnose(t, r.b)
	r.alice = startProfile(t, r.lab, "alice", r.relay.SignUpQR())
	r.bob = startProfile(t, r.lab, "bob", r.b.SignUpQR())
	for _, step := range []struct {
		name string
		do   func(*roads, *testing.T)
	}{
		{"by HTTPS", (*roads).byHTTPS},
		{"signed", (*roads).signed},
		{"without port 25", (*roads).withoutSMTP},
		{"without HTTPS", (*roads).withoutHTTPS},
		{"IPv6 is dropped", (*roads).withoutIPv6},
		{"slow and hostile hosts", (*roads).hostile},
		{"dead hosts", (*roads).dead},
		{"killed", (*roads).killed},
	} {
		t.Run(step.name, func(t *testing.T) { step.do(r, t) })
	}
}

// ways is how many messages a relay's transport has delivered by a way.
func (r *roads) ways(t *testing.T, relay *Relay) (https, smtp int) {
	t.Helper()
	out, err := relay.Script(deadline(t, partTimeout), "chatmaild metrics --print")
	if err != nil {
		t.Fatal(err)
	}
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

// signed holds what leaves, bounces too, against our verifier and OpenDKIM's; and that what
// stays is not signed.
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
	ctx := deadline(t, partTimeout)
	// OpenDKIM's own resolver knows no name below test.
	key := selector + "._domainkey." + r.relay.Domain
	for name, text := range map[string]string{"keys": key + " " + r.record(key) + "\n", "conf": "Mode v\nTestPublicKeys /tmp/opendkim.keys\n"} {
		if err := r.b.WriteFile(ctx, "/tmp/opendkim."+name, 0o644, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range mails {
		header, _, _ := strings.Cut(m.Text, "\r\n\r\n")
		if n := strings.Count(header, "DKIM-Signature: "); n != 1 {
			t.Errorf("%d signatures:\n%s", n, m.Text)
		}
		if err := r.verify(m.Text, r.relay.Domain); err != nil {
			t.Errorf("%v:\n%s", err, m.Text)
		}
		if err := r.b.WriteFile(ctx, "/tmp/mail.eml", 0o644, strings.NewReader(m.Text)); err != nil {
			t.Fatal(err)
		}
		res, err := r.b.Exec(ctx, nil, "opendkim", "-x", "/tmp/opendkim.conf", "-vv", "-t", "/tmp/mail.eml")
		if err != nil {
			t.Fatal(err)
		}
		if out := res.Stdout + res.Stderr; !strings.Contains(out, "dkim=pass (2048-bit key") {
			t.Errorf("OpenDKIM says %s of\n%s", out, m.Text)
		}
	}
	if got := r.fromUser(t, r.sender.addr, r.victim.addr, sealed(t, r.sender.addr)); got[:3] != "250" {
		t.Fatal(got)
	}
	r.delivered(t)
	if found := r.script(t, "find %s -type f -exec zgrep -l DKIM-Signature {} + || true", r.home(r.victim.addr)); found != "" {
		t.Errorf("local mail is signed: %s", found)
	}
}

// verify asks our verifier, with the lab's zone.
func (r *roads) verify(text, domain string) error {
	v := dkim.New(dkim.Options{Now: time.Now, MaxStrangers: 1, Lookup: func(_ context.Context, name string) (dkim.Records, error) {
		return dkim.Records{Texts: []string{r.record(name)}}, nil
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
func (r *roads) record(name string) (text string) {
	answers, _ := r.lab.Zone.Lookup(name, dns.TypeTXT)
	for _, a := range answers {
		text = lookup.Text(a.(*dns.TXT))
	}
	return text
}

// drop has a station drop what comes in that matches, until the end of the test.
func drop(t *testing.T, s Station, match string) {
	t.Helper()
	loadRules(t, s, "table inet lab {\n chain input {\n type filter hook input priority 0;\n "+match+" drop\n }\n}\n")
	t.Cleanup(func() {
		if _, err := run(context.WithoutCancel(t.Context()), "ip", "netns", "exec", s.netns, "nft", "delete", "table", "inet", "lab"); err != nil {
			t.Error(err)
		}
	})
}

func (r *roads) withoutSMTP(t *testing.T) {
	r.fresh(t)
	drop(t, r.b.Station, "tcp dport 25")
	say(t, r.alice, r.pair.ab, r.bob, "port 25 is closed")
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

// hostile has hosts that fail in all ways. A good one gets its mail meanwhile; each gets
// what it takes, once, signed; and the sender hears of what is refused for good.
func (r *roads) hostile(t *testing.T) {
	r.fresh(t)
	release := make(chan struct{})
	yes := func(Received) *smtp.SMTPError { return nil }
	says := func(code int, status smtp.EnhancedCode) func(Received) *smtp.SMTPError {
		return func(Received) *smtp.SMTPError {
			return &smtp.SMTPError{Code: code, EnhancedCode: status, Message: "says the host"}
		}
	}
	good, httpsAlone := &PeerHost{SMTP: yes}, &PeerHost{Mute: []int{25}}
	httpsAlone.HTTPS = httpsAlone.TakeHTTPS
	hosts := []struct {
		domain string
		host   *PeerHost
		fate   string // "taken", "deferred" or "bounced"
	}{
		{"_good.test", good, "taken"},
		{"_https.test", httpsAlone, "taken"},
		{"_mute443.test", &PeerHost{SMTP: yes, Mute: []int{443}}, "taken"},
		{"_web.test", &PeerHost{SMTP: yes, HTTPS: http.NotFound}, "taken"},
		{"_small.test", &PeerHost{SMTP: yes, HTTPS: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(413) }}, "taken"},
		{"_hang.test", &PeerHost{SMTP: func(Received) *smtp.SMTPError { <-release; return nil }}, "taken"},
		{"_421.test", &PeerHost{SMTP: says(421, smtp.EnhancedCode{4, 3, 2})}, "deferred"},
		{"_451.test", &PeerHost{SMTP: says(451, smtp.EnhancedCode{4, 7, 1})}, "deferred"},
		{"_552.test", &PeerHost{SMTP: says(552, smtp.EnhancedCode{5, 2, 2})}, "bounced"},
		{"_mute.test", &PeerHost{Mute: []int{25, 443}}, "deferred"},
		{"_closed.test", &PeerHost{}, "deferred"},
		{"wrong.test", &PeerHost{SMTP: yes, HTTPS: http.NotFound, Wrong: "other.test"}, "deferred"},
	}
	had := r.messages(t, r.sender)
	var to []string
	for _, h := range hosts {
		if _, err := h.host.Start(deadline(t, partTimeout), r.lab, h.domain); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(h.host.Close)
		to = append(to, "carol@"+h.domain)
	}
	c := r.submission(t, r.sender)
	defer c.Close()
	for _, addr := range to { // a message for each, and one for all
		if got, err := c.Send(r.sender.addr, addr, sealed(t, r.sender.addr)); err != nil || got[:3] != "250" {
			t.Fatalf("%s, %v", got, err)
		}
	}
	if got, err := c.SendAll(r.sender.addr, to, sealed(t, r.sender.addr)); err != nil || got[:3] != "250" {
		t.Fatalf("%s, %v", got, err)
	}
	ctx := deadline(t, 2*stepTimeout)
	until(ctx, t, "a good host to have its mail, while one hangs", func() bool { return len(good.Received()) == 2 })
	close(release)
	for _, h := range hosts {
		want := 0
		if h.fate == "taken" {
			want = 2
		}
		until(ctx, t, h.domain+" to have its mail", func() bool { return len(h.host.Received()) >= want })
	}
	until(ctx, t, "two bounces", func() bool { return r.messages(t, r.sender)-had >= 2 })
	for _, h := range hosts {
		got, want := h.host.Received(), 0
		if h.fate == "taken" {
			want = 2
		}
		if len(got) != want {
			t.Errorf("%s has %d messages, want %d", h.domain, len(got), want)
		}
		for _, m := range got {
			if err := r.verify(m.Text, r.relay.Domain); err != nil || strings.Contains(m.Text, marker) {
				t.Errorf("%s: %v:\n%s", h.domain, err, m.Text)
			}
		}
		queued := strings.Count(r.script(t, "postqueue -j | grep -o 'carol@%s' || true", h.domain), "\n")
		if (queued > 0) != (h.fate == "deferred") && h.fate != "taken" {
			t.Errorf("%s: %d lines of the queue are about it", h.domain, queued)
		}
	}
	if got := r.messages(t, r.sender) - had; got != 2 {
		t.Errorf("the sender has %d bounces, want 2", got)
	}
	r.script(t, "postsuper -d ALL")
}

// deadHosts is how many hosts do not answer at once.
const deadHosts = 150

// dead has mail for many hosts that do not answer: what goes to others does not wait for it.
func (r *roads) dead(t *testing.T) {
	r.fresh(t)
	void, err := r.lab.AddStation(deadline(t, partTimeout), "void")
	if err != nil {
		t.Fatal(err)
	}
	drop(t, void, "tcp dport { 25, 443 }")
	good := &PeerHost{SMTP: func(Received) *smtp.SMTPError { return nil }}
	if _, err := good.Start(deadline(t, partTimeout), r.lab, "_alive.test"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(good.Close)
	var to []string
	for n := range deadHosts {
		domain := fmt.Sprintf("_dead%d.test", n)
		if err := r.lab.Zone.Set(domain, "A", void.IPv4.String()); err != nil {
			t.Fatal(err)
		}
		to = append(to, "carol@"+domain)
	}
	c := r.submission(t, r.sender)
	defer c.Close()
	send := func(addrs ...string) {
		t.Helper()
		for _, addr := range addrs {
			if got, err := c.Send(r.sender.addr, addr, sealed(t, r.sender.addr)); err != nil || got[:3] != "250" {
				t.Fatalf("%s, %v", got, err)
			}
		}
	}
	// took sends to the good host and says how long that took.
	took := func() time.Duration {
		t.Helper()
		n, start := len(good.Received()), time.Now()
		send("carol@_alive.test")
		until(deadline(t, partTimeout), t, "the good host to have its mail", func() bool { return len(good.Received()) > n })
		return time.Since(start)
	}
	for range 3 {
		took()
	}
	var times [3]time.Duration // without dead hosts, while they are tried first, and later
	measure := func(i int) {
		t.Helper()
		for range 10 {
			times[i] += took() / 10
		}
	}
	measure(0)
	send(to...)
	measure(1)
	// Each dead host has been tried, once, and rests.
	until(deadline(t, 2*stepTimeout), t, "the dead hosts to rest", func() bool {
		return strings.Contains(r.script(t, "chatmaild metrics --print")+"\n", fmt.Sprintf("chatmaild_transport_resting_hosts %d\n", deadHosts))
	})
	again := time.Now()
	send(to...)
	measure(2)
	t.Logf("mail to a good host takes %v on average without dead hosts, %v while %d are tried for the first time, %v while they have mail again",
		times[0], times[1], deadHosts, times[2])
	until(deadline(t, partTimeout), t, "mail for resting hosts to be deferred at once", func() bool {
		var deferred int
		_, err := fmt.Sscan(r.script(t, "postqueue -j | grep -c 'has not answered since' || true"), &deferred)
		return err == nil && deferred >= deadHosts
	})
	t.Logf("%d more messages for dead hosts were deferred within %v", deadHosts, time.Since(again).Round(time.Millisecond))
	r.script(t, "postsuper -d ALL")
}

// killed has the transport killed again and again while messages leave: all arrive.
func (r *roads) killed(t *testing.T) {
	r.fresh(t)
	const messages = 60
	before := len(r.mx.Received())
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		kills := 0
		for ctx.Err() == nil {
			if _, err := r.relay.Script(ctx, "systemctl kill --signal=KILL chatmaild-transport.service; systemctl start chatmaild-transport.service"); err == nil {
				kills++
			}
		}
		ended <- kills
	}()
	for range messages {
		if got := r.fromUser(t, r.sender.addr, r.carol.author, sealed(t, r.sender.addr)); got[:3] != "250" {
			t.Fatal(got)
		}
	}
	stop()
	t.Logf("killed %d times", <-ended)
	r.script(t, "systemctl reset-failed chatmaild-transport.service chatmaild-transport.socket || true; systemctl start chatmaild-transport.socket chatmaild-transport.service")
	until(deadline(t, 2*stepTimeout), t, "the queue to be empty", func() bool {
		r.script(t, "postqueue -f")
		return r.script(t, "postqueue -j") == ""
	})
	times := map[string]int{}
	for _, m := range r.mx.Received()[before:] {
		_, id, _ := strings.Cut(m.Text, "\r\nMessage-ID: <")
		id, _, _ = strings.Cut(id, ">")
		times[id]++
		if err := r.verify(m.Text, r.relay.Domain); err != nil {
			t.Errorf("%v:\n%s", err, m.Text)
		}
	}
	if len(times) != messages {
		t.Errorf("%d of %d messages arrived", len(times), messages)
	}
	twice := 0
	for _, n := range times {
		if n > 1 {
			twice++
		}
	}
	// A host may have taken a message whose reply died with the transport (RFC 1047).
	t.Logf("%d messages arrived more than once", twice)
}
