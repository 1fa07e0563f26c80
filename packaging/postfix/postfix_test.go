package postfix

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// list is showq's answer: attributes with "=" between name and value, and "." for
// an end.
func list(words ...string) string {
	var b strings.Builder
	for _, w := range words {
		if w != "." {
			name, value, _ := strings.Cut(w, "=")
			b.WriteString(name + "\x00" + value)
		}
		b.WriteByte(0)
	}
	return b.String()
}

var twoDeferred = list("protocol=showq", ".",
	"queue_name=active", "queue_id=a", "time=300", "size=2000", "forced_expire=0", "sender=x@x.test",
	"original_recipient=queue_name", "recipient=x@x.test", "log_class=", "reason=", ".",
	"queue_name=deferred", "queue_id=b", "time=200", "size=2000", "forced_expire=0", "sender=", "recipient=\"@\"@y.test", "reason=no", "recipient=", "reason=", ".",
	"queue_name=deferred", "queue_id=c", "time=100", "size=2000", "sender=MAILER-DAEMON", ".",
	"queue_name=corrupt", "queue_id=d", "time=1", ".",
	".")

// ignored is nobody who wants to know who waits.
func ignored(Waiting) {}

func TestReadQueues(t *testing.T) {
	want := map[string]Queue{
		"maildrop": {}, "incoming": {}, "hold": {}, "active": {1, time.Unix(300, 0)}, "deferred": {2, time.Unix(100, 0)},
	}
	var waiting []Waiting
	got, err := ReadQueues(strings.NewReader(twoDeferred), func(w Waiting) { waiting = append(waiting, w) })
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if want := []Waiting{{"active", "a", "x.test", ""}, {"deferred", "b", "y.test", "no"}, {"deferred", "b", "", ""}}; !slices.Equal(waiting, want) {
		t.Errorf("got the recipients %+v, want %+v", waiting, want)
	}
	empty, err := ReadQueues(strings.NewReader(list("protocol=showq", ".", ".")), ignored)
	if err != nil || len(empty) != 5 || empty["deferred"].Messages != 0 {
		t.Errorf("empty queues: got %v, %v", empty, err)
	}
	for n := range len(twoDeferred) {
		if got, err := ReadQueues(strings.NewReader(twoDeferred[:n]), ignored); err == nil {
			t.Errorf("cut after %d octets: got %v, want an error", n, got)
		}
	}
	for name, text := range map[string]string{
		"too long":      list("protocol=showq", ".", "queue_name="+strings.Repeat("x", maxAttribute)),
		"no time":       list("protocol=showq", ".", "queue_name=active", "time=soon", ".", "."),
		"no queue name": list("protocol=showq", ".", "queue_name=", ".", "."),
	} {
		if got, err := ReadQueues(strings.NewReader(text), ignored); err == nil {
			t.Errorf("%s: got %v, want an error", name, got)
		}
	}
}

func FuzzReadQueues(f *testing.F) {
	f.Add([]byte(twoDeferred))
	f.Add([]byte(list("protocol=showq", ".", ".")))
	f.Fuzz(func(t *testing.T, text []byte) {
		queues, err := ReadQueues(bytes.NewReader(text), ignored)
		if err != nil {
			return
		}
		for name, q := range queues {
			if q.Messages < 0 || q.Messages == 0 && !q.Oldest.IsZero() || q.Messages > len(text) {
				t.Errorf("%s: got %+v", name, q)
			}
		}
	})
}

func TestParseLog(t *testing.T) {
	for _, test := range []struct {
		identifier, line string
		want             Event
	}{
		{"postfix/lmtp", "4g: to=<a@x.test>, relay=x[private/dovecot-lmtp], delay=0.05, delays=0.01/0/0.01/0.03, dsn=2.0.0, status=sent (250 2.0.0 <a@x.test> Saved)",
			Event{Kind: Delivery, Status: "sent", Delay: 50 * time.Millisecond}},
		{"postfix/lmtp", "4g: to=<a@x.test>, orig_to=<b@x.test>, relay=x[private/dovecot-lmtp], conn_use=2, delay=1.5, delays=0/0/0/1.5, dsn=5.2.2, status=bounced (host x said: 552 5.2.2 <a@x.test> Quota exceeded (mailbox for user is full) (in reply to end of DATA command))",
			Event{Kind: Delivery, Status: "bounced", Delay: 1500 * time.Millisecond, Full: true}},
		{"postfix/smtp", "4g: to=<a@y.test>, relay=none, delay=3600, delays=3600/0/0/0, dsn=4.4.1, status=deferred (connect to y.test[192.0.2.1]:25: Connection timed out)",
			Event{Kind: Delivery, Remote: true, Status: "deferred", Delay: time.Hour}},
		{"postfix/smtp", "4g: to=<a@y.test>, relay=y, delay=1, dsn=2.0.0, status=sent (250 ok, delay=9, status=bounced)",
			Event{Kind: Delivery, Remote: true, Status: "sent", Delay: time.Second}},
		{"postfix/smtp", `4g: to=<"status=sent (delay=3"@y.test>, relay=y, delay=1, dsn=5.0.0, status=bounced (no)`,
			Event{Kind: Delivery, Remote: true, Status: "bounced", Delay: time.Second}},
		{"postfix/qmgr", "4g: from=<a@x.test>, status=expired, returned to sender", Event{}},
		{"postfix/error", "4g: to=<a@y.test>, relay=none, delay=0.1, delays=0/0/0/0, dsn=4.4.1, status=deferred (delivery temporarily suspended)",
			Event{Kind: Delivery, Remote: true, Status: "deferred", Delay: 100 * time.Millisecond}},
		{"postfix/smtp", "4g: to=<a@y.test>, relay=y, delay=-1, dsn=2.0.0, status=sent (x)", Event{}},
		{"postfix/smtp", "4g: to=<a@y.test>, relay=y, delay=1, dsn=2.0.0, status=strange (x)", Event{}},
		{"postfix/smtp", "4g: to=<a@y.test>, relay=y", Event{}},
		{"postfix/smtpd", "NOQUEUE: reject: RCPT from unknown[192.0.2.1]: 554 5.7.1 <a@z.test>: Relay access denied; from=<b@z.test>", Event{Kind: NoQueue}},
		{"postfix/submission/smtpd", "timeout after DATA (1024 bytes) from unknown[192.0.2.1]", Event{Kind: Timeout, After: "data"}},
		{"postfix/smtpd", "timeout after END-OF-MESSAGE from unknown[192.0.2.1]", Event{Kind: Timeout, After: "end_of_message"}},
		{"postfix/smtpd", "timeout after AUTH from unknown[192.0.2.1]", Event{Kind: Timeout, After: "other"}},
		{"postfix/smtpd", "warning: TLS library problem", Event{Kind: Problem, Level: "warning"}},
		{"postfix/master", "fatal: bind: Address already in use", Event{Kind: Problem, Level: "fatal"}},
		{"postfix/smtpd", "connect from unknown[192.0.2.1]", Event{}},
		{"opendkim", "4g: DKIM-Signature field added (s=opendkim, d=x.test)", Event{Kind: Signed}},
		{"dovecot", "warning: NOQUEUE: ", Event{}},
		{"postfix", "warning: x", Event{Kind: Problem, Level: "warning"}},
		{"", "", Event{}},
	} {
		if got := ParseLog(test.identifier, test.line); got != test.want {
			t.Errorf("%s: %s:\n got %+v\nwant %+v", test.identifier, test.line, got, test.want)
		}
	}
}

func FuzzParseLog(f *testing.F) {
	f.Add("postfix/lmtp", "4g: to=<a@x.test>, relay=x, delay=0.05, dsn=2.0.0, status=sent (250 ok)")
	f.Add("postfix/smtpd", "timeout after DATA")
	f.Fuzz(func(t *testing.T, identifier, line string) {
		e := ParseLog(identifier, line)
		if (e.Kind == Delivery) != (e.Status != "") || e.Delay < 0 {
			t.Errorf("got %+v", e)
		}
	})
}
