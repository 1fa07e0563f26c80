package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"chatmaild/applets/transport/routes"
	"chatmaild/testdata/lab/peer"
)

// hostile has hosts that fail in all ways. A good one gets its mail meanwhile; each gets
// what it takes, once, signed; and the sender hears of what is refused for good.
func (r *roads) hostile(t *testing.T) {
	r.fresh(t)
	release := make(chan struct{})
	yes := func(peer.Received) *smtp.SMTPError { return nil }
	says := func(code int, status smtp.EnhancedCode) func(peer.Received) *smtp.SMTPError {
		return func(peer.Received) *smtp.SMTPError {
			return &smtp.SMTPError{Code: code, EnhancedCode: status, Message: "says the host"}
		}
	}
	good, httpsAlone := &peer.Host{SMTP: yes}, &peer.Host{Mute: []int{25}}
	httpsAlone.HTTPS = httpsAlone.TakeHTTPS
	hosts := []struct {
		domain string
		host   *peer.Host
		fate   string // "taken", "deferred" or "bounced"
	}{
		{"_good.test", good, "taken"},
		{"_https.test", httpsAlone, "taken"},
		{"_mute443.test", &peer.Host{SMTP: yes, Mute: []int{443}}, "taken"},
		{"_web.test", &peer.Host{SMTP: yes, HTTPS: http.NotFound}, "taken"},
		{"_small.test", &peer.Host{SMTP: yes, HTTPS: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(413) }}, "taken"},
		{"_hang.test", &peer.Host{SMTP: func(peer.Received) *smtp.SMTPError { <-release; return nil }}, "taken"},
		{"_421.test", &peer.Host{SMTP: says(421, smtp.EnhancedCode{4, 3, 2})}, "deferred"},
		{"_451.test", &peer.Host{SMTP: says(451, smtp.EnhancedCode{4, 7, 1})}, "deferred"},
		{"_552.test", &peer.Host{SMTP: says(552, smtp.EnhancedCode{5, 2, 2})}, "bounced"},
		{"_mute.test", &peer.Host{Mute: []int{25, 443}}, "deferred"},
		{"_closed.test", &peer.Host{}, "deferred"},
		{"wrong.test", &peer.Host{SMTP: yes, HTTPS: http.NotFound, Wrong: "other.test"}, "deferred"},
	}
	defer r.script(t, "postsuper -d ALL")
	had := r.messages(t, r.sender)
	var to []string
	for _, h := range hosts {
		if _, err := h.host.Start(deadline(t, partTimeout), r.lab.Network, h.domain); err != nil {
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
			if err := verify(r.lab, m.Text, r.relay.Domain); err != nil || strings.Contains(m.Text, marker) {
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
}

// retried has a host refuse connections until it rests for long, and then accept mail: what an
// operator retries arrives before the rest would have ended.
func (r *roads) retried(t *testing.T) {
	r.fresh(t)
	const domain = "_back.test"
	host := &peer.Host{SMTP: func(peer.Received) *smtp.SMTPError { return nil }}
	station, err := host.Start(deadline(t, partTimeout), r.lab.Network, domain)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.Close)
	loadRules(t, station, "table inet away {\n chain input {\n type filter hook input priority 0;\n tcp dport { 25, 443 } reject with tcp reset\n }\n}\n")
	if got := r.fromUser(t, r.sender.addr, "carol@"+domain, sealed(t, r.sender.addr)); got[:3] != "250" {
		t.Fatal(got)
	}
	const long = 15 * time.Second
	var next time.Time
	until(deadline(t, stepTimeout), t, "a host to rest for long", func() bool {
		var list []routes.Route
		if err := json.Unmarshal([]byte(r.script(t, "postqueue -f; chatmaild queue routes --json %s", domain)), &list); err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 || list[0].Next == nil || list[0].Next.Sub(*list[0].Failed) < long {
			return false
		}
		next = *list[0].Next
		return true
	})
	if _, err := station.InNetns(deadline(t, partTimeout), "nft", "delete", "table", "inet", "away"); err != nil {
		t.Fatal(err)
	}
	r.script(t, "chatmaild queue flush %s", domain)
	until(deadline(t, partTimeout), t, "the host to have its mail", func() bool { return len(host.Received()) == 1 })
	if late := time.Since(next); late > 0 {
		t.Errorf("it arrived %v after the host would have been tried anyway", late)
	}
}

// deadHosts is how many hosts do not answer at once.
const deadHosts = 150

// dead has mail for many hosts that do not answer: what goes to others does not wait for it.
func (r *roads) dead(t *testing.T) {
	r.fresh(t)
	defer r.script(t, "postsuper -d ALL")
	void := addStation(t, r.lab, "void")
	drop(t, void, "tcp dport { 25, 443 }")
	good := &peer.Host{SMTP: func(peer.Received) *smtp.SMTPError { return nil }}
	if _, err := good.Start(deadline(t, partTimeout), r.lab.Network, "_alive.test"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(good.Close)
	var to []string
	for n := range deadHosts {
		domain := fmt.Sprintf("_dead%d.test", n)
		publish(t, r.lab, domain, "A", void.IPv4.String())
		to = append(to, "carol@"+domain)
	}
	c := r.submission(t, r.sender)
	defer func() { c.Close() }()
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
	// Each dead host has been tried, a few at a time, and rests. Postfix would come again with
	// those that were too many at growing intervals.
	const next = `[ -n "$(postqueue -j | grep '"queue_name": "active"')" ] || postqueue -f; chatmaild metrics --print`
	until(deadline(t, 4*stepTimeout), t, "the dead hosts to rest", func() bool {
		return strings.Contains(r.script(t, next)+"\n", fmt.Sprintf("chatmaild_transport_resting_hosts %d\n", deadHosts))
	})
	c.Close() // Postfix would have: it was silent for so long
	c = r.submission(t, r.sender)
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
}

// killed has the transport killed again and again while messages leave: all arrive.
func (r *roads) killed(t *testing.T) {
	r.fresh(t)
	// More kills, and systemd gives the socket up for a while (TriggerLimitBurst=).
	const messages, each = 64, 8
	before := len(r.mx.Received())
	kill := make(chan bool, messages/each)
	ended := make(chan error, 1)
	go func() {
		var err error
		for range kill {
			_, failed := r.relay.Script(t.Context(), "systemctl kill --signal=KILL chatmaild-transport.service; systemctl start chatmaild-transport.service")
			err = errors.Join(err, failed)
		}
		ended <- err
	}()
	for n := range messages {
		if n%each == each/2 {
			kill <- true
		}
		if got := r.fromUser(t, r.sender.addr, r.carol.author, sealed(t, r.sender.addr)); got[:3] != "250" {
			t.Fatal(got)
		}
	}
	close(kill)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	r.script(t, "systemctl reset-failed chatmaild-transport.service")
	until(deadline(t, 2*stepTimeout), t, "the queue to be empty", func() bool {
		r.script(t, "postqueue -f")
		return r.script(t, "postqueue -j") == ""
	})
	times := map[string]int{}
	for _, m := range r.mx.Received()[before:] {
		_, id, _ := strings.Cut(m.Text, "\r\nMessage-ID: <")
		id, _, _ = strings.Cut(id, ">")
		times[id]++
		if err := verify(r.lab, m.Text, r.relay.Domain); err != nil {
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
	t.Logf("of %d messages, %d arrived more than once; the transport was killed %d times", messages, twice, messages/each)
}
