package selftest

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chatmaild/applets/admin/remote"
)

// alone runs the checks against one relay.
func alone(t *testing.T, domain, fault string, o Options) []Result {
	t.Helper()
	o.Now, o.Timeout, o.DKIMSelector = time.Now(), time.Minute, "opendkim"
	a := newAuthority(t, o.Now, domain)
	f := newFake(t, domain, fault, a)
	n := network(newNameServer(t, relayRecords(t, home), nil), a, f)
	o.Relay = &remote.Relay{Domain: domain, Host: domain, Network: n}
	return Run(t.Context(), o)
}

// TestSelfSigned holds that a relay that makes its own certificate needs no
// records, and that nothing that is wrong with it is more than a note.
func TestSelfSigned(t *testing.T) {
	for fault, noted := range map[string]string{
		"":                                "",
		"certificate expired 993":         "certificate-993",
		"certificate of another name 993": "certificate-993",
		"certificate of nobody 993":       "",
	} {
		results := alone(t, away, fault, Options{})
		if failed, got := byState(results, Failed), byState(results, Noted); failed != "" || got != noted {
			t.Errorf("%q: failed %q, noted %q; want %q noted", fault, failed, got, noted)
		}
		for _, r := range results {
			if slices.Contains([]string{"mx", "spf", "names", "mta-sts", "other", "rate-limit"}, r.Name) {
				t.Errorf("%q: %s is not for this relay and run", fault, r.Name)
			}
		}
	}
}

func TestInvite(t *testing.T) {
	for token, want := range map[string]string{"token": "", "": "new create push-token", "stale": "new create push-token"} {
		results := alone(t, away, "asks for invites", Options{Invite: token})
		if got := byState(results, Failed); got != want {
			t.Errorf("token %q: failed %q, want %q", token, got, want)
		}
	}
}

// TestFamilies holds that a port is looked at over each version of IP that the domain
// has an address of, and that what needs the port continues over the other one.
func TestFamilies(t *testing.T) {
	now := time.Now()
	a := newAuthority(t, now, home, "www."+home, "mta-sts."+home)
	zone := relayRecords(t, home)
	for _, test := range []struct {
		gone             string // of the domain's records; SRV: none
		four, six, needs bool   // whether there are results
	}{
		{"SRV", true, true, true},
		{"AAAA", true, false, true},
		{"A", false, true, true},
	} {
		n := network(newNameServer(t, zone, without(home+".", test.gone)), a, newFake(t, home, "", a))
		results := Run(t.Context(), Options{
			Relay: &remote.Relay{Domain: home, Host: home, Network: n}, DKIMSelector: "opendkim", Now: now, Timeout: time.Minute,
		})
		passed := strings.Fields(byState(results, Passed))
		for name, want := range map[string]bool{"port-993": test.four, "port-993-ipv6": test.six, "tls-993": test.needs} {
			if got := slices.Contains(passed, name); got != want {
				t.Errorf("without %v: %s passed is %t, want %t", test.gone, name, got, want)
			}
		}
		if other := byState(results, Failed) + byState(results, Noted) + byState(results, Skipped); other != "" {
			t.Errorf("without %v: %s", test.gone, other)
		}
	}
}

// TestSkip holds that what is left out takes along what needs it, and that each
// result is told once.
func TestSkip(t *testing.T) {
	told := make(map[string]int)
	results := alone(t, away, "", Options{
		Skip: []string{"login-465", string(TLS)},
		Done: func(r Result) { told[r.Name]++ },
	})
	for _, r := range results {
		if told[r.Name] != 1 {
			t.Errorf("%s was told %d times", r.Name, told[r.Name])
		}
		want := ""
		switch r.Name {
		case "login-465", "tls-25", "starttls-25":
			want = "by --skip"
		case "create":
			want = "needs certificate-993"
		case "port-25", "address", "http":
		default:
			continue
		}
		if (r.State == Skipped) != (want != "") || r.State == Skipped && r.Seen != want {
			t.Errorf("%s: %s, %q; want it skipped %q", r.Name, r.State, r.Seen, want)
		}
	}
}

// TestSilence holds that a relay that says nothing takes no longer than each check
// may, and that an end is an end.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			t.Cleanup(func() { far.Close() })
			return near, nil
		}
		o := Options{
			Relay:   &remote.Relay{Domain: "192.0.2.7", Host: "192.0.2.7", Network: remote.Network{Dial: silent}},
			Timeout: 20 * time.Second, Now: time.Now(),
		}
		start := time.Now()
		results := Run(t.Context(), o)
		if took := time.Since(start); took != 20*time.Second {
			t.Errorf("it took %v", took)
		}
		for _, r := range results {
			if strings.HasPrefix(r.Name, "port-") && (r.State != Failed || !strings.HasPrefix(r.Seen, "gave up after 20s: ")) {
				t.Errorf("%s: %s, %q", r.Name, r.State, r.Seen)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, r := range Run(ctx, o) {
			if r.State == Passed && r.Name != "address" || r.State == Failed {
				t.Errorf("after the end: %s %s: %s", r.Name, r.State, r.Seen)
			}
		}
	})
}

// TestTable holds that every check can be told from the others, says what it is
// about, and stands below what it needs.
func TestTable(t *testing.T) {
	var above []string
	for _, c := range Checks() {
		if c.Name == "" || c.Group == "" || c.Wanted == "" || c.Advice == "" || slices.Contains(above, c.Name) {
			t.Errorf("%+v", c)
		}
		for _, need := range c.Needs {
			if !slices.Contains(above, need) {
				t.Errorf("%s needs %s, which is not above it", c.Name, need)
			}
		}
		above = append(above, c.Name)
	}
}

// TestUnproven holds that what cannot be told from this machine is neither a fault nor
// in the way of what can, and that what a relay does not promise is not told at all.
func TestUnproven(t *testing.T) {
	c := Check{Name: "name", Group: Ports, Wanted: "wanted", Advice: "usual"}
	got, want := c.result("", &unprovenError{"no way"}, 0), Result{Name: "name", Group: Ports, State: Skipped, Seen: "no way", Wanted: "wanted", unproven: true}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	r := &runner{
		session: &session{}, free: make(chan struct{}, 1),
		state: make(map[string]State), done: map[string]chan struct{}{"name": make(chan struct{})},
	}
	r.finish(got)
	run := func(context.Context, *session) (string, error) { return "seen", nil }
	if other := r.check(t.Context(), Check{Name: "other", Needs: []string{"name"}, run: run}); other.State != Passed {
		t.Errorf("what needs it: %+v", other)
	}
	if got := c.result("", errNotPromised, 0); got != (Result{Name: "name", State: absent}) {
		t.Errorf("what is not promised: got %+v", got)
	}
}

func TestResult(t *testing.T) {
	c := Check{Name: "name", Wanted: "wanted", Advice: "usual"}
	for _, test := range []struct {
		err  error
		want Result
	}{
		{nil, Result{State: Passed, Seen: "seen"}},
		{errors.New("fault"), Result{State: Failed, Seen: "fault", Advice: "usual"}},
		{notef("so %s", "so"), Result{State: Noted, Seen: "so so", Advice: "usual"}},
		{advise(errors.New("fault"), "better"), Result{State: Failed, Seen: "fault", Advice: "better"}},
		{advise(notef("so so"), "better"), Result{State: Noted, Seen: "so so", Advice: "better"}},
	} {
		test.want.Name, test.want.Wanted = "name", "wanted"
		if got := c.result("seen", test.err, 0); got != test.want {
			t.Errorf("%v: got %+v, want %+v", test.err, got, test.want)
		}
	}
}

// TestHidden holds that an ordinary relay is not a hidden one, in any way.
func TestHidden(t *testing.T) {
	results := alone(t, away, "", Options{Hidden: true})
	if got := byState(results, Failed); got != "hidden-web hidden-443 hidden-imap hidden-mail" {
		t.Errorf("failed: %q", got)
	}
	for _, r := range results {
		if slices.Contains([]string{"mxdeliv", "alpn-imap", "cleartext-from-outside"}, r.Name) {
			t.Errorf("%s is not for a hidden relay", r.Name)
		}
	}
}
