package zone

import (
	"net/netip"
	"testing"
)

// TestSPF has machines with several addresses, and what the DNS may say of them.
func TestSPF(t *testing.T) {
	const first, second, floating, six, passing = "192.0.2.7", "192.0.2.8", "198.51.100.1", "2001:db8::7", "2001:db8::a:b:c:d"
	tests := []struct {
		name      string
		own       []string // of the machine
		temporary string   // one more of those, or ""
		a, aaaa   []string // of the domain
		spf       string
		want      State
		otherwise string // what is proposed
	}{
		{"one address", []string{first}, "", []string{first}, nil, "v=spf1 a ~all", Fine, ""},
		{"one of two in the DNS", []string{first, second}, "", []string{second}, nil, "v=spf1 a ~all", Different, "v=spf1 a ip4:192.0.2.7 ~all"},
		{"and the other by its number", []string{first, second}, "", []string{second}, nil, "v=spf1 a ip4:192.0.2.7 ~all", Fine, ""},
		{"by a prefix", []string{first, second}, "", []string{second}, nil, "v=spf1 ip4:192.0.2.0/24 -all", Fine, ""},
		{"both in the DNS", []string{first, second}, "", []string{first, second}, nil, "v=spf1 mx ~all", Fine, ""},
		{"a floating address", []string{first}, "", []string{floating}, nil, "v=spf1 a ~all", Different, "v=spf1 a ip4:192.0.2.7 ~all"},
		{"a floating address and the machine's", []string{first}, "", []string{floating}, nil, "v=spf1 a ip4:192.0.2.7 ~all", Fine, ""},
		{"numbers alone", []string{first}, "", []string{first}, nil, "v=spf1 ip4:192.0.2.8 ~all", Different, "v=spf1 a ~all"},
		{"IPv6 without a record", []string{first, six}, "", []string{first}, nil, "v=spf1 a ~all", Different, "v=spf1 a ip6:2001:db8::7 ~all"},
		{"IPv6 with one", []string{first, six}, "", []string{first}, []string{six}, "v=spf1 a ~all", Fine, ""},
		{"behind a router", nil, "", []string{floating}, nil, "v=spf1 a ~all", Fine, ""},
		{"none", []string{first, second}, "", []string{first}, nil, "", Missing, "v=spf1 a ip4:192.0.2.8 ~all"},
		{"not in the DNS yet", []string{first, second}, "", nil, nil, "", Missing, "v=spf1 a ip4:192.0.2.7 ip4:192.0.2.8 ~all"},
		{"a temporary address", []string{six}, passing, nil, []string{six}, "v=spf1 a ~all", Different, "v=spf1 a ip6:2001:db8::/64 ~all"},
		{"that by its number", []string{six}, passing, nil, []string{six}, "v=spf1 a ip6:" + passing + " ~all", Different, "v=spf1 a ip6:2001:db8::/64 ~all"},
		{"its network", []string{first, six}, passing, []string{first}, []string{six}, "v=spf1 a ip6:2001:db8::/48 ~all", Fine, ""},
		{"its network, not in the DNS yet", []string{first, six}, passing, nil, nil, "", Missing, "v=spf1 a ip6:2001:db8::/64 ~all"},
	}
	for _, tt := range tests {
		r := relay()
		r.IPv4, r.IPv6 = nil, nil
		if tt.temporary != "" {
			r.Temporary = []netip.Addr{netip.MustParseAddr(tt.temporary)}
		}
		for _, text := range tt.own {
			if addr := netip.MustParseAddr(text); addr.Is4() {
				r.IPv4 = append(r.IPv4, addr)
			} else {
				r.IPv6 = append(r.IPv6, addr)
			}
		}
		var findings []Finding
		var got *Finding
		for _, w := range r.Records() {
			found := map[Type][]string{A: tt.a, AAAA: tt.aaaa}[w.Type]
			if spf := w.Type == TXT && isSPF(w.Value); spf && tt.spf != "" {
				found = []string{tt.spf}
			}
			findings = append(findings, Compare(w, found))
		}
		Settle(findings)
		for i := range findings {
			if findings[i].Type == TXT && isSPF(findings[i].Value) {
				got = &findings[i]
			}
		}
		if got == nil || got.State != tt.want || tt.otherwise != "" && got.Value != tt.otherwise {
			t.Errorf("%s: got %+v, want %s, and %q", tt.name, got, tt.want, tt.otherwise)
		}
	}
}

// TestSPFOfGuest has a domain whose other machines may send, too.
func TestSPFOfGuest(t *testing.T) {
	r := relay()
	r.Domain, r.IPv6 = "example.org", nil
	for text, want := range map[string]State{
		"v=spf1 a:chat.example.org ~all": Fine,
		"v=spf1 mx ~all":                 Fine,
		"v=spf1 a include:mail.example.net a:chat.example.org -all": Fine,
		"v=spf1 ip4:192.0.2.7 ~all":                                 Fine,
		"v=spf1 a ~all":                                             Different,
		"v=spf1 a:other.example.org ~all":                           Different,
		"v=spf1 ip4:192.0.2.8 ~all":                                 Different,
	} {
		address := Compare(r.addresses()[0], []string{"192.0.2.7"})
		findings := []Finding{address, Compare(r.spf(), []string{text})}
		Settle(findings)
		if got := findings[1].State; got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// TestSPFBehindProxies has mail that comes from the machine alone, whose address is not
// the domain's.
func TestSPFBehindProxies(t *testing.T) {
	r := relay()
	r.Senders, r.IPv4, r.IPv6 = r.IPv4, []netip.Addr{netip.MustParseAddr("198.51.100.1")}, nil
	if got, want := r.spf().Value, "v=spf1 a ip4:192.0.2.7 ~all"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
