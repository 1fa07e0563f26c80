package dns

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"chatmaild/applets/admin/dns/zone"
	"chatmaild/applets/lookup/authoritative"
	"chatmaild/testdata/kit/nameserver"
)

// interfaces are a machine's, as net.InterfaceAddrs has them.
func interfaces(t *testing.T, addrs ...string) (found []net.Addr) {
	t.Helper()
	for _, text := range append([]string{"127.0.0.1/8", "::1/128", "fe80::1/64"}, addrs...) {
		ip, network, err := net.ParseCIDR(text)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, &net.IPNet{IP: ip, Mask: network.Mask})
	}
	return found
}

func TestPublicAddresses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		addrs  []string
		v4, v6 string
	}{
		{"a public address of each kind", []string{"203.0.113.7/24", "2001:db8::7/64"}, "203.0.113.7", "2001:db8::7"},
		{"two IPv4 addresses", []string{"203.0.113.7/24", "203.0.113.8/32"}, "203.0.113.7 203.0.113.8", ""},
		{"behind a router", []string{"192.168.1.7/24", "fd00::7/64"}, "", ""},
		{"Tailscale behind a router", []string{"10.0.0.7/8", "100.101.102.103/32", "fd7a:115c:a1e0::7/128"}, "", ""},
		{"Tailscale before a public address", []string{"100.64.0.1/10", "203.0.113.7/24"}, "203.0.113.7", ""},
		{"beside the shared addresses", []string{"100.63.255.255/32", "100.128.0.0/32"}, "100.63.255.255 100.128.0.0", ""},
		{"IPv4 over IPv6", []string{"192.0.0.4/32", "2001:db8::7/64"}, "", "2001:db8::7"},
		{"containers beside IPv6 alone", []string{"172.17.0.1/16", "2001:db8::7/64", "2001:db8::a:b/64"}, "", "2001:db8::7 2001:db8::a:b"},
	} {
		v4, v6 := publicAddresses(interfaces(t, tt.addrs...))
		if got4, got6 := strings.Join(texts(v4), " "), strings.Join(texts(v6), " "); got4 != tt.v4 || got6 != tt.v6 {
			t.Errorf("%s: got %q and %q, want %q and %q", tt.name, got4, got6, tt.v4, tt.v6)
		}
	}
}

// TestTemporary reads what /proc/net/if_inet6 has.
func TestTemporary(t *testing.T) {
	const text = `20010db8007700000000000000000007 02 40 00 80     eth0
20010db8007700009d1fa35b6c1e0b42 02 40 00 01     eth0
fd770000000000009d1fa35b6c1e0b42 02 40 00 01     eth0
fe80000000000000000000000000beef 02 40 20 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
`
	temporary := parseTemporary(text)
	if got, want := strings.Join(texts(temporary), " "), "2001:db8:77:0:9d1f:a35b:6c1e:b42"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	_, v6 := publicAddresses(interfaces(t, "2001:db8:77::7/64", "2001:db8:77:0:9d1f:a35b:6c1e:b42/64"))
	if got, want := strings.Join(texts(lasting(v6, temporary)), " "), "2001:db8:77::7"; got != want {
		t.Errorf("lasting: got %s, want %s", got, want)
	}
}

func texts[T interface{ String() string }](values []T) (all []string) {
	for _, v := range values {
		all = append(all, v.String())
	}
	return all
}

// zoneServer answers for the domain with an address or two, and all that a relay needs
// beside.
type zoneServer []string // records, as a zone file has them

// ServeDNS implements dns.Handler.
func (z zoneServer) ServeDNS(w dns.ResponseWriter, asked *dns.Msg) {
	reply := new(dns.Msg).SetReply(asked)
	reply.RecursionAvailable = true // it stands for the machine's resolver too
	for _, line := range z {
		r, err := dns.NewRR(line)
		if err == nil && r.Header().Name == asked.Question[0].Name && r.Header().Rrtype == asked.Question[0].Qtype {
			reply.Answer = append(reply.Answer, r)
		}
	}
	_ = w.WriteMsg(reply)
}

// TestSetUps holds what run and dns say of machines as they are out there: what is right
// raises no alarm, and what may be wrong is a note.
func TestSetUps(t *testing.T) {
	const a, aaaa = "d.test. 60 A ", "d.test. 60 AAAA "
	tests := []struct {
		name    string
		addrs   []string // of the interfaces
		noIPv6  bool
		records []string
		refused bool
		says    string // in the note or the refusal; "" for silence
	}{
		{name: "the first of two", addrs: []string{"203.0.113.7/24", "203.0.113.8/32"}, records: []string{a + "203.0.113.7"}},
		{name: "the second of two", addrs: []string{"203.0.113.7/24", "203.0.113.8/32"}, records: []string{a + "203.0.113.8"}},
		{name: "both of two", addrs: []string{"203.0.113.7/24", "203.0.113.8/32"}, records: []string{a + "203.0.113.7", a + "203.0.113.8"}},
		{name: "none of two", addrs: []string{"203.0.113.7/24", "203.0.113.8/32"}, refused: true, says: "other addresses: 203.0.113.8"},
		{name: "a router and Tailscale", addrs: []string{"192.168.1.7/24", "100.101.102.103/32"}, records: []string{a + "198.51.100.1"}},
		{name: "a public address and Tailscale", addrs: []string{"100.101.102.103/32", "203.0.113.7/24"}, records: []string{a + "203.0.113.7"}},
		{
			name: "a floating address", addrs: []string{"203.0.113.7/24"}, records: []string{a + "198.51.100.1"},
			says: `"198.51.100.1"] is on no interface`,
		},
		{
			name: "a floating IPv6 address", addrs: []string{"203.0.113.7/24", "2001:db8::7/64"},
			records: []string{a + "203.0.113.7", aaaa + "2001:db8:f::1"}, says: `"2001:db8:f::1"] is on no interface`,
		},
		{name: "no IPv6 record", addrs: []string{"203.0.113.7/24", "2001:db8::7/64"}, records: []string{a + "203.0.113.7"}},
		{
			name: "IPv6 alone", addrs: []string{"2001:db8::7/64"}, records: []string{aaaa + "2001:db8::7"},
			says: "; d.test. 3600 IN A (the relay's public address)",
		},
		{
			name: "an IPv6 record alone", addrs: []string{"203.0.113.7/24", "2001:db8::7/64"}, records: []string{aaaa + "2001:db8::7"},
			says: "d.test. 3600 IN A 203.0.113.7",
		},
		{name: "no address", addrs: []string{"2001:db8::7/64"}, refused: true, says: "missing"},
		{name: "disable_ipv6", addrs: []string{"203.0.113.7/24", "2001:db8::7/64"}, noIPv6: true, records: []string{a + "203.0.113.7"}},
		{
			name: "disable_ipv6 with a record", addrs: []string{"203.0.113.7/24", "2001:db8::7/64"}, noIPv6: true,
			records: []string{a + "203.0.113.7", aaaa + "2001:db8::7"}, says: `remove AAAA of d.test., ["2001:db8::7"]`,
		},
		{
			name: "disable_ipv6 with IPv6 alone", addrs: []string{"203.0.113.7/24"}, noIPv6: true,
			records: []string{aaaa + "2001:db8::7"}, refused: true, says: "missing",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.records = append(tt.records, "www.d.test. 60 CNAME d.test.", "mta-sts.d.test. 60 CNAME d.test.")
			relay := zone.Relay{Domain: "d.test", Host: "d.test", NoIPv6: tt.noIPv6}
			relay.IPv4, relay.IPv6 = publicAddresses(interfaces(t, tt.addrs...))
			if tt.noIPv6 {
				relay.IPv6 = nil
			}
			var notes strings.Builder
			err := require(t.Context(), relay, authority(t, tt.records), &notes)
			if (err != nil) != tt.refused {
				t.Errorf("refused: %v, want %v", err, tt.refused)
			}
			said := notes.String()
			if err != nil {
				said += err.Error()
			}
			if (said == "") != (tt.says == "") || !strings.Contains(said, tt.says) {
				t.Errorf("got %q, want %q in it", said, tt.says)
			}
		})
	}
}

// TestAliases holds what may stand for the aliases of a relay. Web forms of providers that
// know none, or resolve them on their own, leave addresses.
func TestAliases(t *testing.T) {
	relay := zone.Relay{Domain: "d.test", Host: "d.test"}
	relay.IPv4, relay.IPv6 = publicAddresses(interfaces(t, "203.0.113.7/24", "2001:db8::7/64"))
	for _, tt := range []struct {
		name    string
		records []string // beside an alias www
		refused string
	}{
		{"an alias", []string{"mta-sts.d.test. 60 CNAME d.test."}, ""},
		{"the same address", []string{"mta-sts.d.test. 60 A 203.0.113.7"}, ""},
		{"the same addresses", []string{"mta-sts.d.test. 60 A 203.0.113.7", "mta-sts.d.test. 60 AAAA 2001:db8::7"}, ""},
		{"another address", []string{"mta-sts.d.test. 60 A 198.51.100.1"}, `instead of ["198.51.100.1"]`},
		{"one more address", []string{"mta-sts.d.test. 60 A 203.0.113.7", "mta-sts.d.test. 60 AAAA 2001:db8::8"}, "2001:db8::8"},
		{"an alias of another", []string{"mta-sts.d.test. 60 CNAME e.test."}, `instead of ["e.test."]`},
		{"nothing", nil, "missing"},
	} {
		records := append(tt.records, "d.test. 60 A 203.0.113.7", "d.test. 60 AAAA 2001:db8::7", "www.d.test. 60 CNAME d.test.")
		var notes strings.Builder
		err := require(t.Context(), relay, authority(t, records), &notes)
		if (err != nil) != (tt.refused != "") || err != nil && !strings.Contains(err.Error(), tt.refused) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.refused)
		}
	}
}

// authority is a resolver for which one server is responsible for the whole of test.
func authority(t *testing.T, records []string) *authoritative.Resolver {
	t.Helper()
	server := nameserver.Start(t, zoneServer(append(records,
		"d.test. 60 MX 10 d.test.",
		"d.test. 60 NS ns.test.", "ns.test. 60 A 127.0.0.1")))
	_, port, err := net.SplitHostPort(server)
	if err != nil {
		t.Fatal(err)
	}
	system := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server)
	}}
	return &authoritative.Resolver{System: system, Port: port}
}
