package nameserver

import (
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestZoneAnswers(t *testing.T) {
	z := NewZone()
	long := strings.Repeat("k", 700)
	if err := z.AddFile(`; a relay
$TTL 60
relay.test.            3600 IN A 10.77.0.2
relay.test.            3600 AAAA fd77::2
relay.test.            IN MX 10 relay.test.
WWW.relay.test.        CNAME relay.test.
_submission._tcp.relay.test. 3600 SRV 0 1 587 relay.test.
relay.test.            CAA 128 issue "letsencrypt.org;accounturi=https://example.org/1"
_dmarc.relay.test.     TXT "v=DMARC1;" "p=reject"
`); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"bare.relay.test": "v=spf1 a ~all", "key.relay.test": long} {
		if err := z.Add(name, "TXT", text); err != nil {
			t.Fatal(err)
		}
	}
	server := Start(t, z)
	ask := func(network, name string, kind uint16) *dns.Msg {
		t.Helper()
		client := dns.Client{Net: network}
		reply, _, err := client.Exchange(new(dns.Msg).SetQuestion(dns.Fqdn(name), kind), server)
		if err != nil {
			t.Fatal(err)
		}
		return reply
	}
	for _, tt := range []struct {
		name  string
		kind  uint16
		rcode int
		want  []string
	}{
		{"relay.test", dns.TypeA, dns.RcodeSuccess, []string{"10.77.0.2"}},
		{"Relay.TEST", dns.TypeAAAA, dns.RcodeSuccess, []string{"fd77::2"}},
		{"relay.test", dns.TypeMX, dns.RcodeSuccess, []string{"10 relay.test."}},
		{"www.relay.test", dns.TypeA, dns.RcodeSuccess, []string{"relay.test.", "10.77.0.2"}},
		{"www.relay.test", dns.TypeCNAME, dns.RcodeSuccess, []string{"relay.test."}},
		{"_submission._tcp.relay.test", dns.TypeSRV, dns.RcodeSuccess, []string{"0 1 587 relay.test."}},
		{"relay.test", dns.TypeCAA, dns.RcodeSuccess, []string{`128 issue "letsencrypt.org;accounturi=https://example.org/1"`}},
		{"_dmarc.relay.test", dns.TypeTXT, dns.RcodeSuccess, []string{`"v=DMARC1;" "p=reject"`}},
		{"bare.relay.test", dns.TypeTXT, dns.RcodeSuccess, []string{`"v=spf1 a ~all"`}},
		{"key.relay.test", dns.TypeTXT, dns.RcodeSuccess, []string{`"` + long[:255] + `" "` + long[:255] + `" "` + long[:190] + `"`}},
		{"relay.test", dns.TypeTXT, dns.RcodeSuccess, nil},
		{"_tcp.relay.test", dns.TypeA, dns.RcodeSuccess, nil}, // RFC 8020
		{"imap.relay.test", dns.TypeA, dns.RcodeNameError, nil},
		{"ay.test", dns.TypeA, dns.RcodeNameError, nil},
	} {
		reply := ask("tcp", tt.name, tt.kind)
		var got []string
		for _, r := range reply.Answer {
			got = append(got, strings.TrimPrefix(r.String(), r.Header().String()))
		}
		if reply.Rcode != tt.rcode || !slices.Equal(got, tt.want) {
			t.Errorf("%s %s: got %s %q, want %s %q", tt.name, dns.TypeToString[tt.kind],
				dns.RcodeToString[reply.Rcode], got, dns.RcodeToString[tt.rcode], tt.want)
		}
	}
	if reply := ask("udp", "key.relay.test", dns.TypeTXT); !reply.Truncated || len(reply.Answer) != 0 {
		t.Errorf("an answer that does not fit: got %v, want it truncated", reply)
	}
	z.SetFault(ServFail)
	if reply := ask("udp", "relay.test", dns.TypeA); reply.Rcode != dns.RcodeServerFailure {
		t.Errorf("with a fault: got %v, want SERVFAIL", reply)
	}
	z.SetFault(Healthy)
	z.Remove("relay.test", "A")
	if reply := ask("udp", "relay.test", dns.TypeA); reply.Rcode != dns.RcodeSuccess || len(reply.Answer) != 0 {
		t.Errorf("after removing its A: got %v, want the name without answers", reply)
	}
}

func TestAddRefuses(t *testing.T) {
	for _, tt := range []struct{ kind, data string }{
		{"A", "fd77::2"}, {"A", ""}, {"AAAA", "10.77.0.2"}, {"MX", "relay.test."}, {"MX", "ten relay.test."},
		{"SRV", "0 1 70000 relay.test."}, {"TXT", `"open`}, {"CAA", `many issue "x"`}, {"NONSENSE", "a b"},
	} {
		if err := NewZone().Add("x.test", tt.kind, tt.data); err == nil {
			t.Errorf("%s %q: got no error", tt.kind, tt.data)
		}
	}
}
