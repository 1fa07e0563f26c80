package proxy

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"chatmaild/mailfilter"
)

// TestEnvelope: parameters, known or not, reach the queue as they came.
func TestEnvelope(t *testing.T) {
	sink := newSink(t, nil)
	c := start(t, sink.addr(), nil).dial()
	c.do("MAIL FROM:<free@our.test> SIZE=100 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x+2By AUTH=<> X-NEW=1", "250")
	c.do("RCPT TO:<ü@far.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+40far.test", "250")
	c.do("RCPT TO:<c@far.test>", "250")
	c.do("DATA", "354")
	c.send(wire("x\r\n.\r\n"))
	c.want("250 2.0.0 Ok: queued")
	want := []string{
		"MAIL FROM:<free@our.test> SIZE=100 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x+2By AUTH=<> X-NEW=1",
		"RCPT TO:<ü@far.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+40far.test",
		"RCPT TO:<c@far.test>",
	}
	if got := sink.got(); len(got) != 1 || strings.Join(got[0].envelope, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q, want %q", got, want)
	}
}

// mailboxes is the Mailboxes of the incoming policy.
type mailboxes struct{ err error }

func (m mailboxes) EnforcesEncryption(addr string) (bool, error) {
	return strings.HasPrefix(addr, "strict"), m.err
}

// TestIncoming: forged senders become the null sender; whether cleartext may
// pass is the mailboxes' matter; and a fault of ours is temporary.
func TestIncoming(t *testing.T) {
	for _, tt := range []struct {
		name, from, to string
		err            error
		want, mail     string
	}{
		{"true sender", "a@far.test", "b@our.test", nil, "250", "MAIL FROM:<a@far.test> SIZE=9"},
		{"forged sender", "z@far.test", "b@our.test", nil, "250", "MAIL FROM:<> SIZE=9"},
		{"null sender", "", "b@our.test", nil, "250", "MAIL FROM:<> SIZE=9"},
		{"strict mailbox", "a@far.test", "strict@our.test", nil, "523 Encryption Needed: Invalid Unencrypted Mail", ""},
		{"no address", "a@far.test", "../b@our.test", nil, "553 5.1.3", ""},
		{"disk fault", "a@far.test", "b@our.test", errors.New("input/output error"), "451 4.3.0", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sink := newSink(t, nil)
			c := start(t, sink.addr(), func(o *Options) {
				o.Policy = mailfilter.NewIncoming(mailfilter.IncomingOptions{
					Mailboxes: mailboxes{tt.err}, Domains: []string{"our.test"},
				})
			}).dial()
			c.do("MAIL FROM:<"+tt.from+"> SIZE=9", "250")
			c.do("RCPT TO:<"+tt.to+">", "250")
			c.do("DATA", "354")
			c.send("From: a@far.test\r\nSubject: x\r\n\r\ntext\r\n.\r\n")
			c.want(tt.want)
			mails := sink.got()
			if tt.mail == "" && len(mails) != 0 || tt.mail != "" && (len(mails) != 1 || mails[0].envelope[0] != tt.mail) {
				t.Errorf("the queue got %q, want %q", mails, tt.mail)
			}
		})
	}
}

// TestRecipients: a thousand pass, in one transaction; the next one is told so.
func TestRecipients(t *testing.T) {
	sink := newSink(t, nil)
	c := start(t, sink.addr(), nil).dial()
	c.do("MAIL FROM:<free@our.test>", "250")
	var all bytes.Buffer
	for range defaultMaxRecipients {
		all.WriteString("RCPT TO:<bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb@far.test>\r\n")
	}
	c.send(all.String())
	for range defaultMaxRecipients {
		c.want("250")
	}
	c.do("RCPT TO:<b@far.test>", "452")
	c.do("DATA", "354")
	c.send(wire(".\r\n"))
	c.want("250")
	if got := sink.got(); len(got) != 1 || len(got[0].envelope) != 1+defaultMaxRecipients {
		t.Errorf("got %d messages", len(got))
	}
}

// TestEnvelopeBound: recipients with long parameters fill the envelope earlier.
func TestEnvelopeBound(t *testing.T) {
	c := start(t, newSink(t, nil).addr(), nil).dial()
	c.do("MAIL FROM:<free@our.test>", "250")
	rcpt := "TO:<b@far.test> X=" + strings.Repeat("x", 4000)
	for range maxEnvelope / len(rcpt) {
		c.do("RCPT "+rcpt, "250")
	}
	c.do("RCPT "+rcpt, "452")
}

// TestPanic: a fault in the check ends its session, and nothing else; it gives
// its place in the budget back.
func TestPanic(t *testing.T) {
	sink := newSink(t, nil)
	f := start(t, sink.addr(), func(o *Options) { o.Policy, o.MaxInFlight = faulty{o.Policy}, 1 })
	for range 3 {
		c := f.dial()
		c.do("MAIL FROM:<free@our.test>", "250")
		c.do("RCPT TO:<panic@far.test>", "250")
		c.do("DATA", "354")
		c.send(wire("x\r\n"))
		c.closed()
	}
	c := f.dial()
	c.envelope("free@our.test", "b@far.test")
	c.send(wire("x\r\n.\r\n"))
	c.want("250")
	if got := sink.got(); len(got) != 1 {
		t.Errorf("the queue has %d messages, want 1", len(got))
	}
}

// faulty panics for one recipient.
type faulty struct{ mailfilter.Policy }

func (f faulty) Check(env mailfilter.Envelope, h *mailfilter.Header) (*mailfilter.Check, error) {
	if env.Recipients[0] == "panic@far.test" {
		panic("a fault")
	}
	return f.Policy.Check(env, h)
}

// TestPipelining sends three whole transactions at once.
func TestPipelining(t *testing.T) {
	sink := newSink(t, nil)
	c := start(t, sink.addr(), nil).dial()
	one := "MAIL FROM:<free@our.test>\r\nRCPT TO:<b@far.test>\r\nDATA\r\n" + wire("..x\r\n") + ".\r\n"
	c.send(one + one + one + "QUIT\r\n")
	for _, want := range strings.Fields(strings.Repeat("250 250 354 250 ", 3) + "221") {
		c.want(want)
	}
	c.closed()
	if got := sink.got(); len(got) != 3 || got[2].data != wire("..x\r\n") {
		t.Errorf("got %q", got)
	}
	if n := sink.connections(); n != 1 {
		t.Errorf("%d connections to the queue, want 1 that is used again", n)
	}
}
