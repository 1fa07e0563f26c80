package admin

import (
	"encoding/json"
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/admin/outside"
	"chatmaild/applets/admin/proof"
)

func TestNetworkFlags(t *testing.T) {
	junk := filepath.Join(t.TempDir(), "junk.pem")
	if err := os.WriteFile(junk, []byte("junk"), 0o644); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]struct{ port, fault string }{
		"":                             {},
		"--insecure":                   {},
		"--resolver 192.0.2.1":         {port: "53"},
		"--resolver 192.0.2.1:5353":    {port: "5353"},
		"--resolver 2001:db8::1":       {port: "53"},
		"--resolver [2001:db8::1]:535": {port: "535"},
		"--resolver dns.test":          {fault: `--resolver "dns.test" is no IP address`},
		"--ca /nowhere.pem":            {fault: "reading the authorities: open /nowhere.pem: no such file or directory"},
		"--ca " + junk:                 {fault: "reading the authorities: there is no certificate in " + junk},
	} {
		fs := flag.NewFlagSet("", flag.ContinueOnError)
		network := networkFlags(fs)
		if err := fs.Parse(strings.Fields(args)); err != nil {
			t.Fatal(err)
		}
		n, err := network()
		if (err != nil || want.fault != "") && (err == nil || err.Error() != want.fault) {
			t.Errorf("%s: got the error %v, want %s", args, err, want.fault)
			continue
		}
		if n.NameServerPort != want.port || (n.Resolver != nil) != (want.port != "") || n.Insecure != (args == "--insecure") {
			t.Errorf("%s: got %+v", args, n)
		}
	}
}

func TestRelaysOf(t *testing.T) {
	none := func() (outside.Network, error) { return outside.Network{}, nil }
	relays, err := relaysOf([]string{"Chat.Example.org", "[192.0.2.7]"}, none)
	if err != nil || len(relays) != 2 || relays[0].Host != "chat.example.org" || relays[1].MailDomain() != "[192.0.2.7]" {
		t.Errorf("got %v, %v", relays, err)
	}
	if _, err := relaysOf([]string{"chat.example.org", "localhost"}, none); err == nil {
		t.Error("localhost is taken for a domain")
	}
}

func sampleTestReport() testReport {
	relays := []*outside.Relay{{Host: "chat.test"}, {Host: "_other.test"}}
	ms := time.Millisecond
	return newTestReport(relays, "1.2", time.Unix(1_790_000_000, 0), 3210*ms, []proof.Result{
		{Name: "address", Group: proof.DNS, State: proof.Passed, Took: 2 * ms, Seen: "192.0.2.1", Wanted: "an address"},
		{Name: "tls-25", Group: proof.TLS, State: proof.Failed, Took: 30 * ms, Seen: "TLS 1.1\x1b[2J <&>", Wanted: "TLS 1.2", Advice: "do that"},
		{Name: "tls-143", Group: proof.TLS, State: proof.Failed, Took: 30 * ms, Seen: "TLS 1.1\x1b[2J <&>", Wanted: "TLS 1.2", Advice: "do that"},
		{Name: "http", Group: proof.Web, State: proof.Noted, Seen: "404", Wanted: "https", Advice: "do this"},
		{Name: "delivery", Group: proof.Mail, State: proof.Skipped, Seen: "needs tls-25", Wanted: "mail"},
	})
}

func TestTestReport(t *testing.T) {
	var b strings.Builder
	if err := sampleTestReport().print(&b, false); err != nil {
		t.Fatal(err)
	}
	want := `testing chat.test and _other.test with chatmaild 1.2

DNS
  ok      address  2 ms  192.0.2.1

TLS
  FAILED  tls-25   30 ms  TLS 1.1 [2J <&>
  FAILED  tls-143  30 ms  TLS 1.1 [2J <&>

web
  note    http  0 ms  404

mail
  skip    delivery  0 ms  needs tls-25

tls-25, tls-143: failed
  wanted  TLS 1.2
  seen    TLS 1.1 [2J <&>
  to do   do that

http: noted
  wanted  https
  seen    404
  to do   do this

1 passed, 1 noted, 2 failed, 1 skipped, in 3.2 s.
The accounts made for this are used no more; the relay deletes them in time.
`
	if got := b.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestTestReportJSON(t *testing.T) {
	var b strings.Builder
	if err := sampleTestReport().printJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got testReport
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	if got.OK || got.Domain != "chat.test" || got.Counts != (testCounts{1, 1, 2, 1}) || len(got.Checks) != 5 || got.Checks[1].Advice != "do that" {
		t.Errorf("got %+v", got)
	}
}

func TestTestReportJUnit(t *testing.T) {
	text, err := sampleTestReport().junit()
	if err != nil {
		t.Fatal(err)
	}
	var got junitSuite
	if err := xml.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Tests != 5 || got.Failures != 2 || got.Skipped != 1 || got.Time != "3.210" || len(got.Cases) != 5 {
		t.Errorf("got %+v", got)
	}
	c := got.Cases[1]
	if c.Class != "chat.test.TLS" || c.Failure == nil || c.Failure.Message != "TLS 1.1 [2J <&>" || !strings.Contains(c.Failure.Text, "do that") || c.Skipped != nil {
		t.Errorf("got %+v", c)
	}
	if s := got.Cases[4].Skipped; s == nil || s.Message != "needs tls-25" {
		t.Errorf("got %+v", got.Cases[4])
	}
}

func TestPrintableText(t *testing.T) {
	for text, want := range map[string]string{
		"ümläut\r\n\x1b[31m\u009b31m": "ümläut   [31m 31m",
		"\xff":                        "?",
		strings.Repeat("ä", 301):      strings.Repeat("ä", 300) + "…",
	} {
		if got := printableText(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
