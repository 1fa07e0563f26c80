package selftest

import (
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/admin/remote"
	"chatmaild/applets/command"
)

func sampleReport() report {
	relays := []*remote.Relay{{Domain: "chat.test", Host: "chat.test"}, {Domain: "_other.test", Host: "_other.test"}}
	ms := time.Millisecond
	return newReport(relays, "1.2", time.Unix(1_790_000_000, 0), 3210*ms, []Result{
		{Name: "address", Group: DNS, State: Passed, Took: 2 * ms, Seen: "192.0.2.1", Wanted: "an address"},
		{Name: "tls-25", Group: TLS, State: Failed, Took: 30 * ms, Seen: "TLS 1.1\x1b[2J <&>", Wanted: "TLS 1.2", Advice: "do that"},
		{Name: "tls-143", Group: TLS, State: Failed, Took: 30 * ms, Seen: "TLS 1.1\x1b[2J <&>", Wanted: "TLS 1.2", Advice: "do that"},
		{Name: "http", Group: Web, State: Noted, Seen: "404", Wanted: "https", Advice: "do this"},
		{Name: "delivery", Group: Mail, State: Skipped, Seen: "needs tls-25", Wanted: "mail"},
	})
}

func TestReport(t *testing.T) {
	var b strings.Builder
	if err := sampleReport().print(&b, false); err != nil {
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
The accounts created for this are not used again; the relay deletes them in time.
`
	if got := b.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestReportJSON(t *testing.T) {
	var b strings.Builder
	if err := command.PrintJSON(&b, sampleReport()); err != nil {
		t.Fatal(err)
	}
	var got report
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	if got.OK || got.Domain != "chat.test" || got.Counts != (counts{1, 1, 2, 1}) || len(got.Checks) != 5 || got.Checks[1].Advice != "do that" {
		t.Errorf("got %+v", got)
	}
}

func TestReportJUnit(t *testing.T) {
	text, err := sampleReport().junit()
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
