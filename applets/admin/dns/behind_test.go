package dns

import (
	"net/netip"
	"slices"
	"testing"

	"chatmaild/applets/admin/dns/zone"
)

func TestBehindProxies(t *testing.T) {
	own4, own6 := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")
	front4, front6 := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8:1::1")
	tests := []struct {
		name    string
		proxies []netip.Addr
		want    []string // addresses, and SPF
	}{
		{"none", nil, []string{"192.0.2.7", "2001:db8::7", "v=spf1 a ~all"}},
		{"both", []netip.Addr{front6, front4}, []string{"198.51.100.1", "2001:db8:1::1", "v=spf1 a ip4:192.0.2.7 ip6:2001:db8::7 ~all"}},
		{"IPv4", []netip.Addr{front4}, []string{"198.51.100.1", "v=spf1 a ip4:192.0.2.7 ip6:2001:db8::7 ~all"}},
	}
	for _, tt := range tests {
		relay := zone.Relay{Domain: "chat.example", Host: "chat.example", IPv4: []netip.Addr{own4}, IPv6: []netip.Addr{own6}}
		behindProxies(&relay, tt.proxies)
		var got []string
		for _, r := range relay.Records() {
			if r.Name == "chat.example." && (r.Type == zone.A || r.Type == zone.AAAA || r.Type == zone.TXT) {
				got = append(got, r.Value)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
