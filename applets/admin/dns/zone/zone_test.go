package zone

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func relay() Relay {
	return Relay{
		Domain: "chat.example.org", Host: "chat.example.org", IPv4: []netip.Addr{netip.MustParseAddr("192.0.2.7")}, IPv6: []netip.Addr{netip.MustParseAddr("2001:db8::7")},
		DKIMSelector: "opendkim", DKIMRecord: "v=DKIM1; k=rsa; p=" + strings.Repeat("A", 392) + "; s=email; t=s",
		Issuer: "letsencrypt.org", AccountURI: "https://ca.example/acct/1", PolicyID: "1",
	}
}

// TestRecordsOfGuest has a relay whose domain has its web site elsewhere: no record of that
// site is wanted, and none that would bind it.
func TestRecordsOfGuest(t *testing.T) {
	r := relay()
	r.Domain = "example.org"
	var lines []string
	for _, w := range r.Records() {
		if w.Name == "example.org." || strings.Contains(w.Value, "chat.example.org") || w.Type == CAA {
			lines = append(lines, w.Line())
		}
		if w.Type == A && w.Name != "chat.example.org." || strings.HasPrefix(w.Name, "www.") {
			t.Errorf("%s is the web site's", w.Line())
		}
	}
	want := []string{
		"example.org. 3600 IN MX 10 chat.example.org.",
		"mta-sts.example.org. 3600 IN CNAME chat.example.org.",
		"autoconfig.example.org. 3600 IN CNAME chat.example.org.",
		`example.org. 3600 IN TXT "v=spf1 a:chat.example.org ~all"`,
		"_submissions._tcp.example.org. 3600 IN SRV 0 1 465 chat.example.org.",
		"_submission._tcp.example.org. 3600 IN SRV 0 1 587 chat.example.org.",
		"_imaps._tcp.example.org. 3600 IN SRV 0 1 993 chat.example.org.",
		"_imap._tcp.example.org. 3600 IN SRV 0 1 143 chat.example.org.",
		`chat.example.org. 3600 IN CAA 0 issue "letsencrypt.org;accounturi=https://ca.example/acct/1"`,
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

func TestRecords(t *testing.T) {
	lines := map[string]bool{}
	for _, w := range relay().Records() {
		lines[w.Line()] = w.Required
	}
	for line, required := range map[string]bool{
		"chat.example.org. 3600 IN A 192.0.2.7":                                                        true,
		"chat.example.org. 3600 IN AAAA 2001:db8::7":                                                   false,
		"chat.example.org. 3600 IN MX 10 chat.example.org.":                                            true,
		"mta-sts.chat.example.org. 3600 IN CNAME chat.example.org.":                                    true,
		`chat.example.org. 3600 IN TXT "v=spf1 a ~all"`:                                                false,
		"_imaps._tcp.chat.example.org. 3600 IN SRV 0 1 993 chat.example.org.":                          false,
		`chat.example.org. 3600 IN CAA 0 issue "letsencrypt.org;accounturi=https://ca.example/acct/1"`: false,
		`_dmarc.chat.example.org. 3600 IN TXT "v=DMARC1;p=reject;adkim=s;aspf=s"`:                      false,
		`opendkim._domainkey.chat.example.org. 3600 IN TXT ` + quote(relay().DKIMRecord):               true,
	} {
		if got, ok := lines[line]; !ok || got != required {
			t.Errorf("%s: is there: %v, required: %v, want %v", line, ok, got, required)
		}
	}
}

func TestRecordsWithoutIPv6AndIssuer(t *testing.T) {
	r := relay()
	r.IPv6, r.Issuer = nil, ""
	for _, w := range r.Records() {
		if w.Type == AAAA || w.Type == CAA {
			t.Errorf("wants %s", w.Line())
		}
	}
}

func TestLongTextsAreInSeveralStrings(t *testing.T) {
	for n, want := range map[int]int{1: 1, 255: 1, 256: 2, 510: 2, 511: 3} {
		if got := strings.Count(quote(strings.Repeat("x", n)), `"`) / 2; got != want {
			t.Errorf("%d bytes: %d strings, want %d", n, got, want)
		}
	}
	if got, want := quote(`a"b\c`), `"a\"b\\c"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCompare(t *testing.T) {
	mx := Record{"d.", MX, "10 d."}
	spf := Record{"d.", TXT, "v=spf1 a ~all"}
	dkim := Record{"s._domainkey.d.", TXT, "v=DKIM1; k=rsa; p=ABC; s=email; t=s"}
	dmarc := Record{"_dmarc.d.", TXT, "v=DMARC1;p=reject;adkim=s;aspf=s"}
	tests := []struct {
		name   string
		wanted Record
		found  []string
		want   State
	}{
		{"nothing", mx, nil, Missing},
		{"the same", mx, []string{"10 d."}, Fine},
		{"in capitals", mx, []string{"10 D."}, Fine},
		{"another server", mx, []string{"10 e."}, Different},
		{"a second server", mx, []string{"10 d.", "20 e."}, Different},
		{"any address", Record{"d.", A, ""}, []string{"192.0.2.1"}, Fine},
		{"no address", Record{"d.", A, ""}, nil, Missing},
		{"one of several addresses", Record{"d.", A, "192.0.2.7"}, []string{"192.0.2.1", "192.0.2.7"}, Fine},
		{"SPF beside other texts", spf, []string{"google-site=1", "v=spf1 a ~all"}, Fine},
		{"only other texts", spf, []string{"google-site=1"}, Missing},
		{"SPF by the MX", spf, []string{"v=spf1 mx -all"}, Fine},
		{"SPF with addresses", spf, []string{"v=spf1 a ip4:192.0.2.0/24 +ip6:2001:db8::7 ~all"}, Fine},
		{"SPF of others too", spf, []string{"v=spf1 a include:provider.example ~all"}, Different},
		{"SPF of everybody", spf, []string{"v=spf1 a +all"}, Different},
		{"SPF without an end", spf, []string{"v=spf1 a"}, Different},
		{"SPF with another domain's address", spf, []string{"v=spf1 a:e.example ~all"}, Different},
		{"SPF with a broken address", spf, []string{"v=spf1 a ip4:2001:db8::7 ~all"}, Different},
		{"two SPF", spf, []string{"v=spf1 a ~all", "V=SPF1 mx -all"}, Different},
		{"DKIM with other spaces and order", dkim, []string{"v=DKIM1;p=ABC; k=rsa;t=s;s=email;"}, Fine},
		{"DKIM with a key in two pieces", dkim, []string{"v=DKIM1; k=rsa; p=A BC; s=email; t=s"}, Fine},
		{"DKIM of opendkim-genkey", dkim, []string{"v=DKIM1; h=sha256; k=rsa; p=ABC"}, Fine},
		{"DKIM that nobody may rely on", dkim, []string{"v=DKIM1; k=rsa; t=y; p=ABC"}, Different},
		{"another DKIM key", dkim, []string{"v=DKIM1; k=rsa; p=ABD; s=email; t=s"}, Different},
		{"DMARC with spaces", dmarc, []string{"v=DMARC1; p=reject; adkim=s; aspf=s;"}, Fine},
		{"lax DMARC", dmarc, []string{"v=DMARC1; p=none"}, Different},
		{"any policy identifier", Record{"_mta-sts.d.", TXT, "v=STSv1; id=1"}, []string{"v=STSv1; id=2026"}, Fine},
		{"one of several CAA", Record{"d.", CAA, `0 issue "a"`}, []string{`0 issue "b"`, `0 issue "a"`}, Fine},
	}
	for _, tt := range tests {
		got := Compare(Wanted{Record: tt.wanted, Required: true}, tt.found)
		if got.State != tt.want || got.Failed() != (tt.want != Fine) {
			t.Errorf("%s: got %s (failed: %v), want %s", tt.name, got.State, got.Failed(), tt.want)
		}
	}
	if f := Compare(Wanted{Record: spf}, []string{"x", "v=spf1 -all"}); f.Failed() || !slices.Equal(f.Found, []string{"v=spf1 -all"}) {
		t.Errorf("recommended: failed %v, found %q", f.Failed(), f.Found)
	}
}
