package proxy

import (
	"crypto/tls"
	"strings"
	"testing"
)

// TestSubmissionDialogue walks through commands: "> " is sent, the next line wanted; $NAME stands for
// credentials. "TLS" is a handshake behind what was said.
func TestSubmissionDialogue(t *testing.T) {
	replace := strings.NewReplacer(
		"$RIGHT", plain64("free@our.test", "right"), "$UPPER", plain64("Free@Our.test", "right"),
		"$WRONG", plain64("free@our.test", "wrong"), "$AWAY", plain64("free@our.test", "away"),
		"$LATER", plain64("free@our.test", "later"), "$OTHER", text64("other@our.test\x00free@our.test\x00right"),
		"$NAME", text64("free@our.test"), "$PASSWORD", text64("right"), "|", "\r\n",
	)
	for name, test := range map[string]struct{ entrance, script string }{
		"before TLS": {"submission", `
			220 mx.our.test ESMTP Postfix
			> MAIL FROM:<free@our.test>
			530 5.7.0 Must issue a STARTTLS command first
			> AUTH PLAIN $RIGHT
			530
			> VRFY b
			530
			> FOO
			530
			> NOOP
			250
			> RSET
			250
			> HELO phone
			250 mx.our.test
			> EHLO
			501
			> EHLO phone
			250-mx.our.test
			250-PIPELINING
			250-SIZE 4194304
			250-8BITMIME
			250-SMTPUTF8
			250-DSN
			250-STARTTLS
			250 ENHANCEDSTATUSCODES
			> STARTTLS now
			501
			> STARTTLS
			220 2.0.0 Ready to start TLS
			TLS
			> AUTH PLAIN $RIGHT
			503
			> EHLO phone
			250-mx.our.test
			250-PIPELINING
			250-SIZE 4194304
			250-8BITMIME
			250-SMTPUTF8
			250-DSN
			250-AUTH PLAIN LOGIN
			250 ENHANCEDSTATUSCODES
			> STARTTLS
			503
			> QUIT
			221`},
		"a login without TLS is forgotten": {"submission", `
			220
			> EHLO phone|STARTTLS|AUTH PLAIN $RIGHT
			250-mx
			250-P
			250-S
			250-8
			250-S
			250-D
			250-S
			250 E
			554 5.5.0
			END`},
		"AUTH": {"submissions", `
			TLS
			220
			> HELO phone
			250
			> MAIL FROM:<free@our.test>
			530 5.7.0 Authentication required
			> RCPT TO:<b@far.test>
			503
			> DATA
			503
			> AUTH
			501
			> AUTH CRAM-MD5
			504
			> AUTH PLAIN $WRONG
			535 5.7.8 Error: authentication failed
			> AUTH PLAIN $AWAY
			454 4.7.0 Temporary authentication failure
			> AUTH PLAIN $LATER
			454 4.7.0 Too many. Please try again later.
			> AUTH PLAIN $OTHER
			535
			> AUTH PLAIN !
			501 5.5.2
			> AUTH PLAIN =
			501 5.5.2
			> AUTH PLAIN
			334 
			> *
			501 5.7.0
			> AUTH LOGIN
			334 VXNlcm5hbWU6
			> *
			501 5.7.0
			> AUTH LOGIN $NAME
			334 UGFzc3dvcmQ6
			> !
			501 5.5.2
			> AUTH LOGIN
			334 VXNlcm5hbWU6
			> 
			334 UGFzc3dvcmQ6
			> $PASSWORD
			535
			> auth plain
			334 
			> $RIGHT
			235 2.7.0 Authentication successful
			> AUTH PLAIN $RIGHT
			503
			> MAIL FROM:<free@our.test>
			250
			> AUTH PLAIN $RIGHT
			503
			> EHLO phone
			250-mx
			250-P
			250-S
			250-8
			250-S
			250-D
			250-A
			250 E
			> MAIL FROM:<free@our.test>
			250
			> QUIT
			221`},
		"LOGIN": {"submissions", `
			TLS
			220
			> HELO phone
			250
			> AUTH LOGIN
			334 VXNlcm5hbWU6
			> $NAME
			334 UGFzc3dvcmQ6
			> $PASSWORD
			235
			> MAIL FROM:<free@our.test>
			250`},
		"sender": {"submissions", `
			TLS
			220
			> HELO phone
			250
			> AUTH PLAIN $UPPER
			235
			> MAIL FROM:<other@our.test>
			553 5.7.1 <other@our.test>: Sender address rejected: not owned by user free@our.test
			> MAIL FROM:<>
			553 5.7.1 <>: Sender address rejected: not owned by user free@our.test
			> MAIL FROM:<free+tag@our.test>
			553 5.7.1
			> MAIL FROM:<"free"@our.test>
			553 5.7.1
			> MAIL FROM:<@a.test:free@our.test>
			553 5.7.1
			> MAIL FROM:<fre` + "\u212a" + `@our.test>
			553 5.1.3
			> MAIL FROM:free@our.test
			501
			> MAIL FROM:<free@our.test> SIZE=4194305
			552
			> MAIL FROM:<Free@our.test> SIZE=4194304 BODY=8BITMIME
			250
			> XFORWARD NAME=x
			502
			> VRFY b
			502
			> BDAT 1
			502
			> RCPT TO:<"b"@far.test>
			553
			> RCPT TO:<b@far.test>
			250
			> DATA
			354
			> From: free@our.test|Subject: x||text|.
			250`},
		"pipelining over AUTH": {"submissions", `
			TLS
			220
			> HELO phone|AUTH PLAIN $RIGHT|MAIL FROM:<free@our.test>|RCPT TO:<b@far.test>|DATA|From: free@our.test|Subject: x||text|.|NOOP|QUIT
			250
			235
			250
			250
			354
			250
			250
			221
			END`},
		"without TLS where it has ended before": {"submission-websocket", `
			> PROXY TCP4 192.0.2.1 127.0.0.1 1234 10588
			220
			> HELO phone
			250
			> STARTTLS
			503
			> AUTH PLAIN $RIGHT
			235
			> MAIL FROM:<free@our.test>
			250`},
		"PROXY with STARTTLS": {"submission-proxy", `
			> PROXY TCP4 192.0.2.1 127.0.0.1 1234 10587|EHLO phone
			220
			250-mx
			250-P
			250-S
			250-8
			250-S
			250-D
			250-S
			250 E
			> STARTTLS
			220
			TLS
			> HELO phone
			250
			> AUTH PLAIN $RIGHT
			235`},
		"PROXY with TLS": {"submissions-443", `
			> PROXY TCP6 2001:db8::1 ::1 1234 443
			TLS
			220
			> HELO phone
			250`},
		"no PROXY header": {"submission-proxy", `
			> EHLO phone
			END`},
	} {
		t.Run(name, func(t *testing.T) {
			sink := newSink(t, nil)
			f := submit(t, sink.addr(), nil)
			conn := f.connect(test.entrance)
			c := f.client(conn)
			for line := range strings.Lines(strings.Trim(test.script, "\n\t")) {
				line = strings.TrimSuffix(strings.TrimLeft(line, "\t"), "\n")
				switch command, ok := strings.CutPrefix(line, "> "); {
				case ok:
					c.send(replace.Replace(command) + "\r\n")
				case line == "TLS":
					c = f.client(tls.Client(conn, f.config))
				case line == "END":
					c.closed()
				default:
					if got, err := c.r.ReadString('\n'); err != nil || !strings.HasPrefix(got, line) {
						t.Fatalf("got %q (%v), want %q", got, err, line)
					}
				}
			}
		})
	}
}
