package selftest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/admin/remote"
	"chatmaild/testdata/kit/nameserver"
)

const (
	home = "chat.test"
	away = "_b.test"
)

// breakage is one thing that is wrong with a relay, and the checks that see it.
type breakage struct {
	fault   string                       // of the relay
	other   string                       // of the other relay
	records func(*nameserver.Zone) error // in the DNS
	want    string                       // the checks that fail, in their order
	noted   string                       // those that only take a note
	silent  bool                         // nothing happens, until the check gives up
}

// without takes the records of a name and of some kinds away.
func without(name string, kinds ...string) func(*nameserver.Zone) error {
	return func(z *nameserver.Zone) error {
		for _, kind := range kinds {
			z.Remove(name, kind)
		}
		return nil
	}
}

func breakages() []breakage {
	const d = home + "."
	list := []breakage{
		{},
		{records: without(d, "A", "AAAA"), want: "address"},
		{records: func(z *nameserver.Zone) error { return z.Add(d, "MX", "5 elsewhere.test.") }, want: "mx"},
		{records: without("opendkim._domainkey."+d, "TXT"), want: "dkim-key"},
		{records: func(z *nameserver.Zone) error {
			z.Remove("www."+d, "")
			return z.Add("www."+d, "A", "127.0.0.2")
		}, want: "names"},
		{records: without("_mta-sts."+d, "TXT"), noted: "mta-sts-record"},
		{records: without(d, "TXT"), noted: "spf"},
		{records: func(z *nameserver.Zone) error {
			z.Remove(d, "TXT")
			return z.Add(d, "TXT", "v=spf1 a ip4:192.0.2.1 ~all")
		}},
		{records: without("_dmarc."+d, "TXT"), noted: "dmarc"},

		{fault: "takes mail without TLS", want: "starttls-25"},
		{fault: "lets in without TLS 143", want: "starttls-143"},
		{fault: "lets in without TLS 587", want: "starttls-587"},

		{fault: "has no page", want: "page"},
		{fault: "has no redirection", noted: "http"},
		{fault: "closed 80", noted: "http"},
		{fault: "gives no profiles", want: "new"},
		{fault: "gives profiles of others", want: "new"},
		{fault: "names other servers", want: "autoconfig"},
		{fault: "has no mxdeliv", noted: "mxdeliv"},
		{fault: "has another policy", want: "mta-sts"},
		{fault: "has a policy for tests", noted: "mta-sts"},

		{fault: "closed registration", want: "new create push-token"},
		{fault: "forgets 993", want: "login-993"},
		{fault: "forgets 143", want: "login-143"},
		{fault: "forgets 465", want: "login-465"},
		{fault: "forgets 587", want: "login-587"},
		{fault: "forgets 443", want: "alpn-imap alpn-smtp"},
		{fault: "takes any password", want: "wrong-password"},
		{fault: "takes any domain", want: "foreign-domain"},

		{fault: "cannot MOVE", want: "capabilities"},
		{fault: "knows no number of recipients", noted: "metadata"},
		{fault: "allows no recipients", want: "metadata"},
		{fault: "forgets tokens", want: "push-token"},

		{fault: "loses mail", want: "delivery from-other", silent: true},
		{fault: "changes mail", want: "delivery from-other"},
		{fault: "tells of no first message", noted: "delivery"},
		{fault: "shows subjects", want: "subject-hidden"},
		{fault: "shows clients", want: "client-hidden"},
		{fault: "refuses requests", want: "securejoin securejoin-there"},

		{fault: "takes cleartext", want: "cleartext"},
		{fault: "takes forged From", want: "forged-from"},
		{fault: "takes foreign senders", want: "foreign-sender"},
		{fault: "takes any size", want: "too-large"},
		{fault: "has no size limit", want: "too-large"},
		{fault: "takes unsigned mail", want: "unsigned"},
		{fault: "takes bad signatures", want: "bad-signature"},
		{fault: "takes cleartext from outside", want: "cleartext-from-outside"},
		{fault: "relays for all", want: "open-relay"},
		{fault: "has no limit", want: "rate-limit"},

		{fault: "announces a dead TURN server", want: "turn", silent: true},
		{fault: "announces no iroh relay"},
		{fault: "has no iroh relay", want: "iroh"},

		{other: "closed registration", want: "other"},
		{fault: "loses mail to others", want: "to-other", silent: true},
		{fault: "loses mail of others", want: "from-other", silent: true},
		{fault: "refuses requests of others", want: "securejoin-here", silent: true},
		{other: "refuses requests of others", want: "securejoin-there", silent: true},
	}
	kinds := []string{"expired", "of another name", "of nobody"}
	for i, s := range remote.Services() {
		list = append(list,
			breakage{fault: fmt.Sprint("closed ", s.Port), want: fmt.Sprintf("port-%d port-%[1]d-ipv6", s.Port)},
			breakage{fault: fmt.Sprint("closed over IPv6 ", s.Port), want: fmt.Sprintf("port-%d-ipv6", s.Port)},
			breakage{fault: fmt.Sprint("old TLS ", s.Port), want: fmt.Sprint("tls-", s.Port)},
			breakage{fault: fmt.Sprint("certificate old ", s.Port), noted: fmt.Sprint("certificate-", s.Port)},
			breakage{fault: fmt.Sprint("certificate ", kinds[i%len(kinds)], " ", s.Port), want: fmt.Sprint("certificate-", s.Port)})
	}
	return list
}

// TestChecks holds that a relay without a fault passes every check, and that each
// fault fails the checks that are about it and no others.
func TestChecks(t *testing.T) {
	now := time.Now()
	a := newAuthority(t, now, home, "www."+home, "mta-sts."+home, away)
	zone := relayRecords(t, home)
	var seen []string
	for _, b := range breakages() {
		name := strings.TrimSpace(b.fault + " " + b.other + " " + b.want + b.noted)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			results := b.run(t, a, zone, now)
			failed, noted := byState(results, Failed), byState(results, Noted)
			if failed != b.want || noted != b.noted {
				t.Errorf("failed %q, want %q; noted %q, want %q", failed, b.want, noted, b.noted)
				for _, r := range results {
					if r.State != Passed {
						t.Logf("%s %s: %s", r.Name, r.State, r.Seen)
					}
				}
			}
			for _, r := range results {
				if r.State == Failed && (r.Seen == "" || r.Wanted == "" || r.Advice == "") {
					t.Errorf("%s: seen %q, wanted %q, advice %q", r.Name, r.Seen, r.Wanted, r.Advice)
				}
			}
		})
		seen = append(seen, strings.Fields(b.want+" "+b.noted)...)
	}
	for _, c := range Checks() {
		if c.When != Hidden && !slices.Contains(seen, c.Name) { // those are TestHidden's
			t.Errorf("nothing here makes %s fail", c.Name)
		}
	}
}

func (b breakage) run(t *testing.T, a *authority, zone string, now time.Time) []Result {
	t.Helper()
	relay, other := newFake(t, home, b.fault, a), newFake(t, away, b.other, a)
	relay.peer, other.peer = other, relay
	names := newNameServer(t, zone, b.records)
	n := network(names, a, relay, other)
	timeout := time.Minute
	if b.silent {
		timeout = 8 * time.Second
	}
	o := Options{
		Relay: &remote.Relay{Domain: home, Host: home, Network: n}, DKIMSelector: "opendkim", Now: now, Timeout: timeout,
	}
	// What takes long is done where it can show something.
	whole := b.want == "" && b.noted == ""
	o.Slow = whole || b.want == "rate-limit"
	if whole || b.other != "" || strings.Contains(b.want, "other") || strings.Contains(b.want, "securejoin") {
		o.Other = &remote.Relay{Domain: away, Host: away, Network: n}
	}
	return Run(t.Context(), o)
}

func byState(results []Result, s State) string {
	var names []string
	for _, r := range results {
		if r.State == s {
			names = append(names, r.Name)
		}
	}
	return strings.Join(names, " ")
}
