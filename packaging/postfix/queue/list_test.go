package queue

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// said is what postqueue -j of Postfix 3.7 prints, in short.
const said = `{"queue_name": "deferred", "queue_id": "4T1", "arrival_time": 2000, "message_size": 100, "forced_expire": false, "sender": "a@chat.test", "recipients": [{"address": "b@one.test", "delay_reason": "host mx.one.test[192.0.2.1] said: 450 <b@one.test>: try again, a@chat.test (in reply to RCPT TO command)"}, {"address": "c@ONE.test", "delay_reason": "other"}, {"address": "d@two.test"}]}
{"queue_name": "active", "queue_id": "4T2", "arrival_time": 1000, "message_size": 10, "forced_expire": false, "sender": "MAILER-DAEMON", "recipients": [{"address": "e@two.test", "delay_reason": "connect to two.test[192.0.2.2]:25: Connection timed out"}]}
{"queue_name": "hold", "queue_id": "4T3", "arrival_time": 3000, "message_size": 1, "forced_expire": false, "sender": "a@chat.test", "recipients": [{"address": "f@[192.0.2.3]"}]}
`

func TestDestinations(t *testing.T) {
	var ds Destinations
	var ids []string
	if err := Read(strings.NewReader(said), func(m Message) {
		ds.Add(m)
		if m.For("two.test") {
			ids = append(ids, m.ID)
		}
	}); err != nil {
		t.Fatal(err)
	}
	want := []Destination{
		{
			"two.test", 2, 2, 110, map[string]int{"deferred": 1, "active": 1}, time.Unix(1000, 0),
			"connect to two.test[192.0.2.2]:25: Connection timed out",
		},
		{"[192.0.2.3]", 1, 1, 1, map[string]int{"hold": 1}, time.Unix(3000, 0), ""},
		{
			"one.test", 1, 2, 100, map[string]int{"deferred": 1}, time.Unix(2000, 0),
			"host mx.one.test[192.0.2.1] said: 450 <…>: try again, <…> (in reply to RCPT TO command)",
		},
	}
	if got := ds.Sorted(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if ds.Messages != 3 || ds.Size != 111 {
		t.Errorf("got %d messages of %d bytes, want 3 of 111", ds.Messages, ds.Size)
	}
	if got := strings.Join(ids, " "); got != "4T1 4T2" {
		t.Errorf("for two.test: got %s, want 4T1 4T2", got)
	}
}

func TestOutward(t *testing.T) {
	for reason, want := range map[string]string{
		"host chat.test[private/transport] said: 451 4.4.1 <b@one.test> SMTP: no answer (in reply to end of DATA command)": "451 4.4.1 SMTP: no answer",
		"host chat.test[private/dovecot-lmtp] said: 452 4.2.2 <b@chat.test> full (in reply to end of DATA command)":        "host chat.test[private/dovecot-lmtp] said: 452 4.2.2 <…> full (in reply to end of DATA command)",
		"": "",
	} {
		if got := outward(WithoutAddresses(reason)); got != want {
			t.Errorf("%s: got %q, want %q", reason, got, want)
		}
	}
}

func TestReadErrors(t *testing.T) {
	for _, text := range []string{`{"queue_id": "4T1"`, "postqueue: fatal", `{"queue_id": 1}`} {
		if err := Read(strings.NewReader(text), func(Message) {}); err == nil {
			t.Errorf("%q is taken for a queue", text)
		}
	}
}

func TestRules(t *testing.T) {
	const others = "# by hand\nother.test\tsmtp:[192.0.2.9]\n  :25\n"
	tests := []struct {
		name, before, destination string
		rule                      Rule
		want                      string
	}{
		{"first", "", "one.test", Hold, "one.test\tretry:4.7.1 held by the operator\n"},
		{"behind others", others, "one.test", Discard, others + "one.test\tdiscard:by the operator\n"},
		{"changed", "one.test\tretry:4.7.1 held by the operator\n", "one.test", Discard, "one.test\tdiscard:by the operator\n"},
		{"no more", others + "one.test discard:by the operator\n", "one.test", Deliver, others},
		{"never was", others, "one.test", Deliver, others},
		{"last", "one.test\tdiscard:by the operator\n", "one.test", Deliver, ""},
	}
	for _, tt := range tests {
		rules, err := ParseRules(tt.before).Set(tt.destination, tt.rule)
		if err != nil || rules.Text() != tt.want {
			t.Errorf("%s: got %q, %v; want %q", tt.name, rules.Text(), err, tt.want)
		}
		if got := rules.All()[tt.destination]; got != tt.rule {
			t.Errorf("%s: got the rule %q, want %q", tt.name, got, tt.rule)
		}
	}
	rules, err := ParseRules(others).Set("other.test", Discard)
	if err == nil || rules.Text() != others {
		t.Errorf("an operator's own line: got %q, %v; want an error, and the line", rules.Text(), err)
	}
}

func TestParseDestination(t *testing.T) {
	for text, want := range map[string]string{
		"Example.org": "example.org", "example.org.": "example.org", "_a.test": "_a.test",
		"[192.0.2.7]": "[192.0.2.7]", "[IPv6:2001:db8::7]": "[ipv6:2001:db8::7]", "localhost": "localhost",
		"": "", "a@example.org": "", "@example.org": "", "example..org": "", ".example.org": "", "192.0.2.7 x": "", "#a": "", "a\tb": "",
		strings.Repeat("a.", 130) + "org": "", "[]": "", "*": "",
	} {
		if got, err := ParseDestination(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v; want %q", text, got, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(said)
	f.Add(`{"recipients": [{"address": "@"}, {"address": ""}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var ds Destinations
		_ = Read(strings.NewReader(text), ds.Add)
		for _, d := range ds.Sorted() {
			if d.Messages < 1 || d.Messages > d.Recipients || d.Messages > ds.Messages {
				t.Errorf("%+v of %d messages", d, ds.Messages)
			}
			if strings.Contains(d.Reason, "@") {
				t.Errorf("the reason %q has an address in it", d.Reason)
			}
		}
	})
}

func FuzzRules(f *testing.F) {
	f.Add("one.test\tdiscard:by the operator\n# x\n", "one.test")
	f.Fuzz(func(t *testing.T, text, destination string) {
		before := ParseRules(text)
		destination, err := ParseDestination(destination)
		if err != nil || before.All()[destination] == Other {
			return
		}
		held, err := before.Set(destination, Hold)
		if err != nil || ParseRules(held.Text()).All()[destination] != Hold {
			t.Fatalf("got %q, %v", held.Text(), err)
		}
		released, err := held.Set(destination, Deliver)
		if err != nil || ParseRules(released.Text()).All()[destination] != Deliver {
			t.Fatalf("got %q, %v", released.Text(), err)
		}
	})
}
