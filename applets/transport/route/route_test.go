package route

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// zone answers what it has, and counts.
type zone struct {
	mx    map[string][]*net.MX
	addrs map[string][]netip.Addr
	down  bool
	asked int
}

func (z *zone) failure() error {
	if z.down {
		return &net.DNSError{Err: "server misbehaving", IsTemporary: true}
	}
	return &net.DNSError{Err: "no such host", IsNotFound: true}
}

func (z *zone) LookupMX(_ context.Context, name string) ([]*net.MX, error) {
	z.asked++
	if records := z.mx[name]; records != nil && !z.down {
		return records, nil
	}
	return nil, z.failure()
}

func (z *zone) LookupNetIP(_ context.Context, _, name string) ([]netip.Addr, error) {
	z.asked++
	if addrs := z.addrs[name]; addrs != nil && !z.down {
		return addrs, nil
	}
	return nil, z.failure()
}

func testZone() *zone {
	return &zone{
		mx: map[string][]*net.MX{
			"a.test.":     {{Host: "mx2.a.test.", Pref: 20}, {Host: "MX1.a.test.", Pref: 10}},
			"null.test.":  {{Host: ".", Pref: 0}},
			"loop.test.":  {{Host: "us.test.", Pref: 10}, {Host: "later.test.", Pref: 20}},
			"near.test.":  {{Host: "us.test.", Pref: 20}, {Host: "first.test.", Pref: 10}, {Host: "same.test.", Pref: 20}},
			"alias.test.": {{Host: "ours.test.", Pref: 10}, {Host: "later.test.", Pref: 20}},
			"many.test.":  {{Host: "1.test."}, {Host: "2.test."}, {Host: "3.test."}, {Host: "4.test."}, {Host: "5.test."}, {Host: "6.test."}},
		},
		addrs: map[string][]netip.Addr{
			"implicit.test.": {netip.MustParseAddr("192.0.2.1")},
			"ours.test.":     {netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("::ffff:192.0.2.2")},
		},
	}
}

// testRouter is that of us.test, at 192.0.2.2.
func testRouter(z *zone) *Router {
	return &Router{Resolver: z, Self: "us.test", Own: func(a netip.Addr) bool { return a == netip.MustParseAddr("192.0.2.2") }}
}

func TestHosts(t *testing.T) {
	for _, test := range []struct{ domain, hosts, status string }{
		{"a.test", "mx1.a.test mx2.a.test", ""},
		{"A.Test", "mx1.a.test mx2.a.test", ""},
		{"implicit.test", "implicit.test", ""},
		{"near.test", "first.test", ""},
		{"null.test", "", "5.1.10"},
		{"loop.test", "", "5.4.6"},
		{"nowhere.test", "", "5.4.4"},
		{"[192.0.2.1]", "192.0.2.1", ""},
		{"[IPv6:2001:db8::1]", "2001:db8::1", ""},
		{"[2001:db8::1]", "", "5.1.3"},
		{"[IPv6:192.0.2.1]", "", "5.1.3"},
		{"[192.0.2.2]", "", "5.4.6"},
		{"[IPv6:::ffff:192.0.2.2]", "", "5.1.3"},
		{"ours.test", "", "5.4.6"},
		{"alias.test", "ours.test later.test", ""},
		{"[192.0.2.1", "", "5.1.3"},
		{"[]", "", "5.1.3"},
	} {
		r := testRouter(testZone())
		names, err := r.Hosts(t.Context(), test.domain)
		var f *Failure
		status := ""
		if errors.As(err, &f) {
			status = "4."
			if f.Permanent {
				status = "5."
			}
			status += f.Status
		}
		if strings.Join(names, " ") != test.hosts || status != test.status {
			t.Errorf("%s: got %q, %s (%v); want %q, %s", test.domain, names, status, err, test.hosts, test.status)
		}
	}
}

func TestMany(t *testing.T) {
	r := testRouter(testZone())
	if hosts, err := r.Hosts(t.Context(), "many.test"); err != nil || len(hosts) != maxHosts {
		t.Errorf("got %v, %v", hosts, err)
	}
}

// TestMemory wants answers to be remembered, and failures not.
func TestMemory(t *testing.T) {
	z := testZone()
	r := testRouter(z)
	z.down = true
	var f *Failure
	if _, err := r.Hosts(t.Context(), "a.test"); !errors.As(err, &f) || f.Permanent {
		t.Errorf("while the name servers are down: got %v", err)
	}
	z.down = false
	for range 3 {
		if _, err := r.Hosts(t.Context(), "a.test"); err != nil {
			t.Error(err)
		}
		if _, err := r.Addresses(t.Context(), "implicit.test"); err != nil {
			t.Error(err)
		}
	}
	if z.asked != 3 {
		t.Errorf("asked %d times, want 3", z.asked)
	}
	if got := r.Recent("A.test"); len(got) != 2 || z.asked != 3 {
		t.Errorf("of late: got %q, asked %d times", got, z.asked)
	}
	r.Forget("a.test")
	for domain, want := range map[string]int{"a.test": 0, "[192.0.2.9]": 1, "[192.0.2": 0} {
		if got := r.Recent(domain); len(got) != want {
			t.Errorf("%s of late: got %q", domain, got)
		}
	}
	r.Forget("Implicit.Test")
	if _, err := r.Addresses(t.Context(), "implicit.test"); err != nil || z.asked != 4 {
		t.Errorf("forgotten: asked %d times, want 4, %v", z.asked, err)
	}
}

// TestOwn wants the loopback addresses and those of the interfaces to be this machine's.
func TestOwn(t *testing.T) {
	for addr, want := range map[string]bool{"127.0.0.1": true, "127.8.8.8": true, "::1": true, "0.0.0.0": true, "::": true, "192.0.2.77": false, "2001:db8::77": false} {
		if got := Own(netip.MustParseAddr(addr)); got != want {
			t.Errorf("Own(%s) = %v", addr, got)
		}
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if prefix := netip.MustParsePrefix(a.String()); !Own(prefix.Addr()) {
			t.Errorf("Own(%s) = false", prefix.Addr())
		}
	}
}
