package postfix

import (
	"testing"
	"time"
)

func TestParseLog(t *testing.T) {
	for _, test := range []struct {
		identifier, line string
		want             Event
	}{
		{"postfix/lmtp", "4g: to=<a@x.test>, relay=x[private/dovecot-lmtp], delay=0.05, delays=0.01/0/0.01/0.03, dsn=2.0.0, status=sent (250 2.0.0 <a@x.test> Saved)",
			Event{Kind: Delivery, Status: "sent", Delay: 50 * time.Millisecond}},
		{"postfix/lmtp", "4g: to=<a@x.test>, orig_to=<b@x.test>, relay=x[private/dovecot-lmtp], conn_use=2, delay=1.5, delays=0/0/0/1.5, dsn=5.2.2, status=bounced (host x said: 552 5.2.2 <a@x.test> Quota exceeded (mailbox for user is full) (in reply to end of DATA command))",
			Event{Kind: Delivery, Status: "bounced", Delay: 1500 * time.Millisecond, Full: true}},
		{"postfix/lmtp", "4g: to=<a@x.test>, relay=x[private/dovecot-lmtp], delay=1.5, delays=0/0/0/1.5, dsn=4.2.2, status=deferred (host x said: 452 4.2.2 <a@x.test> Quota exceeded (mailbox for user is full) (in reply to end of DATA command))",
			Event{Kind: Delivery, Status: "deferred", Delay: 1500 * time.Millisecond, Full: true}},
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
		{"postfix/smtpd", "warning: Connection concurrency limit exceeded: 41 from unknown[192.0.2.1] for service smtp", Event{Kind: Limited, Limit: "connections"}},
		{"postfix/smtpd", "warning: Connection rate limit exceeded: 1201 from unknown[192.0.2.1] for service smtp", Event{Kind: Limited, Limit: "connection_rate"}},
		{"postfix/smtpd", "warning: Message delivery request rate limit exceeded: 3001 from unknown[192.0.2.1] for service smtp", Event{Kind: Limited, Limit: "message_rate"}},
		{"postfix/smtpd", "warning: TLS library problem", Event{Kind: Problem, Level: "warning"}},
		{"postfix/master", "fatal: bind: Address already in use", Event{Kind: Problem, Level: "fatal"}},
		{"postfix/smtpd", "connect from unknown[192.0.2.1]", Event{}},
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
