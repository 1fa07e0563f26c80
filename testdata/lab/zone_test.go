package lab

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func TestZoneAnswers(t *testing.T) {
	z := NewZone()
	long := strings.Repeat("k", 400)
	if err := z.AddFile(`; a relay
$TTL 60
relay.test.            3600 IN A 10.77.0.2
relay.test.            3600 AAAA fd77::2
relay.test.            IN MX 10 relay.test.
WWW.relay.test.        CNAME relay.test.
_submission._tcp.relay.test. 3600 SRV 0 1 587 relay.test.
relay.test.            CAA 128 issue "letsencrypt.org;accounturi=https://example.org/1"
_dmarc.relay.test.     TXT "v=DMARC1;" "p=reject"
bare.relay.test        TXT v=spf1 a ~all
key._domainkey.relay.test TXT "` + long + `"
`); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		kind  dnsmessage.Type
		rcode dnsmessage.RCode
		want  []string
	}{
		{"relay.test", dnsmessage.TypeA, dnsmessage.RCodeSuccess, []string{"10.77.0.2"}},
		{"Relay.TEST", dnsmessage.TypeAAAA, dnsmessage.RCodeSuccess, []string{"fd77::2"}},
		{"relay.test", dnsmessage.TypeMX, dnsmessage.RCodeSuccess, []string{"relay.test."}},
		{"www.relay.test", dnsmessage.TypeA, dnsmessage.RCodeSuccess, []string{"relay.test.", "10.77.0.2"}},
		{"_submission._tcp.relay.test", dnsmessage.TypeSRV, dnsmessage.RCodeSuccess, []string{"relay.test."}},
		{"relay.test", typeCAA, dnsmessage.RCodeSuccess, []string{"\x80\x05issueletsencrypt.org;accounturi=https://example.org/1"}},
		{"_dmarc.relay.test", dnsmessage.TypeTXT, dnsmessage.RCodeSuccess, []string{"v=DMARC1;", "p=reject"}},
		{"bare.relay.test", dnsmessage.TypeTXT, dnsmessage.RCodeSuccess, []string{"v=spf1 a ~all"}},
		{"key._domainkey.relay.test", dnsmessage.TypeTXT, dnsmessage.RCodeSuccess, []string{long[:255], long[255:]}},
		{"relay.test", dnsmessage.TypeTXT, dnsmessage.RCodeSuccess, nil},
		{"_tcp.relay.test", dnsmessage.TypeA, dnsmessage.RCodeSuccess, nil}, // RFC 8020
		{"imap.relay.test", dnsmessage.TypeA, dnsmessage.RCodeNameError, nil},
		{"ay.test", dnsmessage.TypeA, dnsmessage.RCodeNameError, nil},
	} {
		t.Run(tt.name+" "+tt.kind.String(), func(t *testing.T) {
			reply := ask(t, z, tt.name, tt.kind, 1<<16-1)
			var got []string
			for _, a := range reply.Answers {
				got = append(got, rendered(a.Body)...)
			}
			if reply.RCode != tt.rcode || !slices.Equal(got, tt.want) {
				t.Errorf("got %v %q, want %v %q", reply.RCode, got, tt.rcode, tt.want)
			}
		})
	}

	if reply := ask(t, z, "key._domainkey.relay.test", dnsmessage.TypeTXT, 100); !reply.Truncated || len(reply.Answers) != 0 {
		t.Errorf("an answer that does not fit: got %+v, want it truncated", reply)
	}
	z.SetFault(ServFail)
	if reply := ask(t, z, "relay.test", dnsmessage.TypeA, udpSize); reply.RCode != dnsmessage.RCodeServerFailure {
		t.Errorf("with a fault: got %v, want SERVFAIL", reply.RCode)
	}
	z.SetFault(Healthy)
	z.Remove("relay.test", "A")
	if reply := ask(t, z, "relay.test", dnsmessage.TypeA, udpSize); reply.RCode != dnsmessage.RCodeSuccess || len(reply.Answers) != 0 {
		t.Errorf("after removing its A: got %+v, want the name without answers", reply)
	}
}

func ask(t *testing.T, z *Zone, name string, kind dnsmessage.Type, limit int) dnsmessage.Message {
	t.Helper()
	query := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name + "."), Type: kind, Class: dnsmessage.ClassINET}},
	}
	packed, err := query.Pack()
	if err != nil {
		t.Fatal(err)
	}
	var reply dnsmessage.Message
	if err := reply.Unpack(z.answer(packed, limit)); err != nil {
		t.Fatal(err)
	}
	if reply.ID != query.ID || !reply.Response || !slices.Equal(reply.Questions, query.Questions) {
		t.Errorf("got %+v, which is no reply to %+v", reply, query)
	}
	return reply
}

// rendered is the data of a record, as far as the tests look at it.
func rendered(body dnsmessage.ResourceBody) []string {
	switch b := body.(type) {
	case *dnsmessage.AResource:
		return []string{netip.AddrFrom4(b.A).String()}
	case *dnsmessage.AAAAResource:
		return []string{netip.AddrFrom16(b.AAAA).String()}
	case *dnsmessage.MXResource:
		return []string{b.MX.String()}
	case *dnsmessage.CNAMEResource:
		return []string{b.CNAME.String()}
	case *dnsmessage.SRVResource:
		return []string{b.Target.String()}
	case *dnsmessage.TXTResource:
		return b.TXT
	case *dnsmessage.UnknownResource:
		return []string{string(b.Data)}
	}
	return []string{body.GoString()}
}

func TestParseRecordRefuses(t *testing.T) {
	for _, tt := range []struct{ kind, data string }{
		{"A", "fd77::2"},
		{"A", ""},
		{"AAAA", "10.77.0.2"},
		{"MX", "relay.test."},
		{"MX", "ten relay.test."},
		{"SRV", "0 1 70000 relay.test."},
		{"TXT", `"open`},
		{"CAA", `many issue "x"`},
		{"HINFO", "a b"},
	} {
		if body, err := parseRecord(tt.kind, tt.data); err == nil {
			t.Errorf("%s %q: got %v, want an error", tt.kind, tt.data, body)
		}
	}
}

func TestReverse(t *testing.T) {
	for addr, want := range map[string]string{
		"10.77.0.2": "2.0.77.10.in-addr.arpa.",
		"fd77::2":   "2" + strings.Repeat(".0", 27) + ".7.7.d.f.ip6.arpa.",
	} {
		if got := reverse(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: got %s, want %s", addr, got, want)
		}
	}
}
