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
			"a.test.":    {{Host: "mx2.a.test.", Pref: 20}, {Host: "MX1.a.test.", Pref: 10}},
			"null.test.": {{Host: ".", Pref: 0}},
			"loop.test.": {{Host: "us.test.", Pref: 10}, {Host: "later.test.", Pref: 20}},
			"near.test.": {{Host: "us.test.", Pref: 20}, {Host: "first.test.", Pref: 10}, {Host: "same.test.", Pref: 20}},
			"many.test.": {{Host: "1.test."}, {Host: "2.test."}, {Host: "3.test."}, {Host: "4.test."}, {Host: "5.test."}, {Host: "6.test."}},
		},
		addrs: map[string][]netip.Addr{"implicit.test.": {netip.MustParseAddr("192.0.2.1")}},
	}
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
		{"[192.0.2.1", "", "5.1.3"},
		{"[]", "", "5.1.3"},
	} {
		r := &Router{Resolver: testZone(), Self: "us.test"}
		hosts, err := r.Hosts(t.Context(), test.domain)
		var names []string
		for _, h := range hosts {
			names = append(names, h.Name)
			if literal := strings.HasPrefix(test.domain, "["); literal != (len(h.Addrs) == 1) {
				t.Errorf("%s: got %+v", test.domain, h)
			}
		}
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
	r := &Router{Resolver: testZone(), Self: "us.test"}
	if hosts, err := r.Hosts(t.Context(), "many.test"); err != nil || len(hosts) != maxHosts {
		t.Errorf("got %v, %v", hosts, err)
	}
}

// TestMemory wants answers to be remembered, and failures not.
func TestMemory(t *testing.T) {
	z := testZone()
	r := &Router{Resolver: z, Self: "us.test"}
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
}
