package proxy

import (
	"strings"
	"testing"
)

// TestDialogue walks through commands: "> " is sent, the next line wanted.
func TestDialogue(t *testing.T) {
	for name, script := range map[string]string{
		"order": `
			> RCPT TO:<b@far.test>
			503
			> DATA
			503
			> MAIL FROM:<free@our.test>
			250
			> MAIL FROM:<free@our.test>
			503
			> DATA
			503
			> RSET
			250
			> RCPT TO:<b@far.test>
			503`,
		"others": `
			> NOOP
			250
			> noop with text
			250
			> VRFY b
			252
			> XFORWARD NAME=client.test ADDR=192.0.2.1 PROTO=ESMTP HELO=x SOURCE=REMOTE
			250
			> AUTH PLAIN
			502
			> BDAT 3 LAST
			502
			> FOO
			500
			> EHLO
			501
			> HELO x
			250 our.test
			> quit
			221`,
		"syntax": `
			> MAIL
			501
			> MAIL TO:<a@b.test>
			501
			> MAIL FROM:
			501
			> MAIL FROM:<a@b.test
			501
			> MAIL FROM:<a@b.test>SIZE=3
			501
			> MAIL FROM:a@our.test
			501
			> MAIL FROM:<a@our.test> SIZE=x
			501
			> MAIL FROM:<a@our.test> SIZE=99999999
			552
			> MAIL FROM:<a@b.test>
			553 5.1.7
			> MAIL FROM:<a%b.test@our.test>
			553 5.1.7
			> mail from: <a@our.test> BODY=8BITMIME
			250
			> RCPT TO:<>
			553
			> RCPT TO:<"b"@far.test>
			553
			> RCPT TO:<@relay.test:b@far.test>
			553
			> RCPT TO:<b@far.test (comment)>
			553
			> rcpt to: <b@[IPv6:2001:db8::1]> NOTIFY=NEVER
			250
			> DATA now
			501`,
		"verdicts": `
			> MAIL FROM:<fast@our.test>
			450 4.7.1: Too much mail from <fast@our.test>
			> MAIL FROM:<other@our.test>
			250
			> RCPT TO:<b@far.test>
			250
			> DATA
			354
			> From: free@our.test|Subject: x||text|.
			500 Invalid FROM <free@our.test> for <other@our.test>
			> MAIL FROM:<other@our.test>
			250
			> RCPT TO:<b@far.test>
			250
			> DATA
			354
			> From: other@our.test|Subject: x||text|.
			523 Encryption Needed: Invalid Unencrypted Mail
			> MAIL FROM:<other@our.test>
			250
			> RCPT TO:<b@far.test>
			250
			> DATA
			354
			> no header|
			> |.
			554 5.6.0`,
	} {
		t.Run(name, func(t *testing.T) {
			sink := newSink(t, nil)
			c := start(t, sink.addr(), nil).dial()
			for line := range strings.Lines(strings.TrimSpace(script)) {
				line = strings.TrimSpace(line)
				if command, ok := strings.CutPrefix(line, "> "); ok {
					c.send(strings.ReplaceAll(command, "|", "\r\n") + "\r\n")
				} else {
					c.want(line)
				}
			}
			if got := sink.got(); len(got) != 0 {
				t.Errorf("the queue got %d messages", len(got))
			}
			if n := sink.connections(); n != 0 {
				t.Errorf("the queue was bothered %d times with what was refused", n)
			}
		})
	}
}

// TestHangUp: what cannot be a command of an honest peer ends the session.
func TestHangUp(t *testing.T) {
	for name, tt := range map[string]struct{ send, want string }{
		"bare LF":         {"NOOP\n", "500"},
		"bare CR":         {"NOOP\rNOOP\r\n", "500"},
		"NUL":             {"NO\x00OP\r\n", "500"},
		"endless line":    {strings.Repeat("x", 2*maxCommand), "500"},
		"too many errors": {strings.Repeat("FOO\r\n", maxErrors+1), "421"},
		"web browser":     {"GET / HTTP/1.1\r\n" + strings.Repeat("Header: x\r\n", maxErrors), "421"},
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t, newSink(t, nil).addr(), nil).dial()
			c.send(tt.send)
			for {
				got, err := c.reply()
				if err != nil {
					t.Fatalf("no reply %q", tt.want)
				}
				if strings.HasPrefix(got, tt.want) && !strings.Contains(got, "recognized") {
					break
				}
			}
			if _, err := c.r.ReadByte(); err == nil {
				t.Error("the session continues")
			}
		})
	}
}
