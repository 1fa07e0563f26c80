package authoritative

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"chatmaild/testdata/kit/nameserver"
)

// nameServer answers for the zone "d.test." on a loopback port, UDP and TCP.
type nameServer struct {
	answers map[string]string // name and type → a record, as a zone file has it
	rcode   int               // if not success, of every answer
	small   bool              // nothing fits into UDP
}

// ServeDNS implements dns.Handler.
func (s *nameServer) ServeDNS(w dns.ResponseWriter, asked *dns.Msg) {
	reply := new(dns.Msg).SetRcode(asked, s.rcode)
	record, ok := s.answers[asked.Question[0].Name+" "+dns.TypeToString[asked.Question[0].Qtype]]
	switch {
	case s.small && w.RemoteAddr().Network() == "udp":
		reply.Truncated = true
	case ok:
		if r, err := dns.NewRR(record); err == nil {
			reply.Answer = []dns.RR{r}
		}
	case s.rcode == dns.RcodeSuccess:
		reply.Rcode = dns.RcodeNameError
	}
	_ = w.WriteMsg(reply)
}

// resolver returns one for which s is responsible for every name below test.
func (s *nameServer) resolver(t *testing.T) *Resolver {
	t.Helper()
	address := nameserver.Start(t, s)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return &Resolver{Port: port, servers: map[string][]string{"test": {address}}}
}

func zoneAnswers() map[string]string {
	return map[string]string{
		"d.test. A":           "d.test. 60 A 192.0.2.7",
		"d.test. MX":          "d.test. 60 MX 10 d.test.",
		"d.test. TXT":         `d.test. 60 TXT "` + strings.Repeat("x", 255) + `" "yz"`,
		"d.test. CAA":         `d.test. 60 CAA 0 issue "ca.example"`,
		"_i._tcp.d.test. SRV": "_i._tcp.d.test. 60 SRV 0 1 993 d.test.",
		"www.d.test. CNAME":   "www.d.test. 60 CNAME d.test.",
		// An alias, as a server has it that does not know the other name.
		"www.d.test. A":  "www.d.test. 60 CNAME d.test.",
		"loop.d.test. A": "loop.d.test. 60 CNAME loop.d.test.",
	}
}

func TestValues(t *testing.T) {
	tests := []struct {
		name string
		kind string
		want []string
	}{
		{"d.test.", "A", []string{"192.0.2.7"}},
		{"d.test.", "MX", []string{"10 d.test."}},
		{"d.test.", "TXT", []string{strings.Repeat("x", 255) + "yz"}},
		{"d.test.", "CAA", []string{`0 issue "ca.example"`}},
		{"_i._tcp.d.test.", "SRV", []string{"0 1 993 d.test."}},
		{"www.d.test.", "CNAME", []string{"d.test."}},
		{"www.d.test.", "A", []string{"192.0.2.7"}},
		{"nothing.d.test.", "A", nil},
	}
	for _, small := range []bool{false, true} {
		s := &nameServer{answers: zoneAnswers(), small: small}
		r := s.resolver(t)
		for _, tt := range tests {
			got, err := r.Values(t.Context(), tt.name, tt.kind)
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%s %s (truncated: %v): got %q, %v, want %q", tt.name, tt.kind, small, got, err, tt.want)
			}
		}
		if _, ttl, err := r.TXT(t.Context(), "d.test."); err != nil || ttl != time.Minute {
			t.Errorf("TXT: true for %v, want a minute; %v", ttl, err)
		}
	}
}

func TestFaults(t *testing.T) {
	s := &nameServer{rcode: dns.RcodeServerFailure}
	if got, err := s.resolver(t).Values(t.Context(), "d.test.", "A"); err == nil || !strings.Contains(err.Error(), "SERVFAIL") {
		t.Errorf("a failing server: got %q, %v", got, err)
	}
	s = &nameServer{answers: zoneAnswers()}
	r := s.resolver(t)
	if _, err := r.Values(t.Context(), "loop.d.test.", "A"); err == nil || !strings.Contains(err.Error(), "alias") {
		t.Errorf("a loop of aliases: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Values(ctx, "d.test.", "A"); err == nil {
		t.Error("asked although the context was done")
	}
	// The first server is down; the second answers.
	r.servers["test"] = append([]string{"127.0.0.1:1"}, r.servers["test"]...)
	if got, err := r.Values(t.Context(), "d.test.", "A"); err != nil || len(got) != 1 {
		t.Errorf("with one of two servers down: %q, %v", got, err)
	}
}

// TestInTurn asks all servers before one of them a second time: a hidden primary that
// refuses everybody but its secondaries has as many addresses as they.
func TestInTurn(t *testing.T) {
	each := [][]string{{"192.0.2.1", "2001:db8::1", "192.0.2.2"}, {"2001:db8::5"}, nil, {"192.0.2.9", "2001:db8::9", "192.0.2.10", "192.0.2.11"}}
	want := []string{"192.0.2.1:53", "[2001:db8::5]:53", "192.0.2.9:53", "[2001:db8::1]:53", "[2001:db8::9]:53", "192.0.2.2:53"}
	if got := inTurn(each, "53"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := inTurn(nil, "53"); len(got) != 0 {
		t.Errorf("got %q of no servers", got)
	}
}

func FuzzParse(f *testing.F) {
	for question, record := range zoneAnswers() {
		name, kind, _ := strings.Cut(question, " ")
		r, err := dns.NewRR(record)
		if err != nil {
			f.Fatal(err)
		}
		reply := new(dns.Msg).SetReply(new(dns.Msg).SetQuestion(name, dns.StringToType[kind]))
		reply.Answer = []dns.RR{r}
		packed, err := reply.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed, kind)
	}
	f.Fuzz(func(t *testing.T, packed []byte, kind string) {
		reply := new(dns.Msg)
		if reply.Unpack(packed) != nil {
			return
		}
		if a, err := parse(reply, dns.StringToType[kind]); err != nil && len(a.values) > 0 {
			t.Errorf("values %q of an answer that is none", a.values)
		}
	})
}
