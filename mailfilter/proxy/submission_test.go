package proxy

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
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
			> MAIL FROM:<free@our.test> SIZE=99999999
			552
			> MAIL FROM:<Free@our.test> BODY=8BITMIME
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

// TestSubmitted: a message reaches the queue as it came, and nothing of its client does.
func TestSubmitted(t *testing.T) {
	for _, size := range []int{0, 100, holdBuffer - 100, holdBuffer, holdBuffer + 100, 300_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			sink := newSink(t, nil)
			f := submit(t, sink.addr(), nil)
			c := f.login()
			for range 2 {
				c.envelope("free@our.test", "b@far.test")
				data := wire(strings.Repeat("..a line with a dot\r\n", size/20))
				c.send(data + ".\r\n")
				c.want("250")
				got := sink.got()
				if last := got[len(got)-1]; last.data != data || !slices.Equal(last.envelope, []string{"MAIL FROM:<free@our.test>", "RCPT TO:<b@far.test>"}) {
					t.Fatalf("got %q and %d bytes, want %d", last.envelope, len(last.data), len(data))
				}
			}
			c.do("QUIT", "221")
			c.closed()
			noFiles(t, f)
		})
	}
}

// noFiles wants no file to be left in the spool.
func noFiles(t *testing.T, f *front) {
	t.Helper()
	if files, err := os.ReadDir(f.Submission.opts.SpoolDir); err != nil || len(files) > 0 {
		t.Errorf("the spool has %v, %v", files, err)
	}
}

// TestSubmissionRefused: a message that is refused ends neither the session nor the next message.
func TestSubmissionRefused(t *testing.T) {
	large := strings.Repeat("some more text\r\n", 10_000)
	sink := newSink(t, nil)
	f := submit(t, sink.addr(), nil)
	c := f.enter()
	c.do("AUTH PLAIN "+plain64("other@our.test", "right"), "235")
	for _, test := range []struct{ message, want string }{
		{"From: other@our.test\r\nSubject: x\r\n\r\ntext\r\n", "523 Encryption Needed: Invalid Unencrypted Mail"},
		{"From: other@our.test\r\nSubject: x\r\n\r\n" + large, "523 Encryption Needed: Invalid Unencrypted Mail"},
		{"From: free@our.test\r\nSubject: x\r\n\r\ntext\r\n", "500 Invalid FROM <free@our.test> for <other@our.test>"},
		{strings.Repeat(large, 30), "552 5.3.4"},
	} {
		c.envelope("other@our.test", "b@far.test")
		c.send(test.message + ".\r\n")
		c.want(test.want)
		if test.want[0:3] == "552" {
			break // the fault of the line is the end of the session
		}
	}
	c.closed()
	if got := sink.connections(); got != 0 {
		t.Errorf("the queue was asked %d times", got)
	}
	noFiles(t, f)
}

// TestSubmissionMalformed: what is not well-formed on the wire is refused, and ends the session.
func TestSubmissionMalformed(t *testing.T) {
	for _, tail := range []string{"a\nb\r\n", "a\rb\r\n", "a\x00b\r\n", strings.Repeat("x", 2000) + "\r\n"} {
		for _, before := range []int{0, 3000} {
			sink := newSink(t, nil)
			c := submit(t, sink.addr(), nil).login()
			c.envelope("free@our.test", "b@far.test")
			c.send(wire(strings.Repeat("some text\r\n", before)+tail) + ".\r\nMAIL FROM:<free@our.test>\r\n")
			if got, err := c.reply(); err != nil || got[0] != '5' {
				t.Errorf("%.20q: got %q, %v", tail, got, err)
			}
			c.closed()
			if len(sink.got()) > 0 {
				t.Errorf("%.20q is in the queue", tail)
			}
		}
	}
}

// TestSlowUpload: a message that is not whole holds no connection of the queue, and no place in
// flight.
func TestSlowUpload(t *testing.T) {
	sink := newSink(t, nil)
	f := submit(t, sink.addr(), func(o *Options, _ *SubmissionOptions) { o.MaxInFlight = 1 })
	slow := f.login()
	slow.envelope("free@our.test", "b@far.test")
	large := wire(strings.Repeat("a line of a large message\r\n", 20_000))
	slow.send(large)
	quick := f.login()
	quick.envelope("free@our.test", "b@far.test")
	quick.send(wire("text\r\n") + ".\r\n")
	quick.want("250")
	if n := sink.connections(); n != 1 {
		t.Errorf("the queue was asked %d times before the message was whole, want 1", n)
	}
	slow.send(".\r\n")
	slow.want("250")
	if got := sink.got(); len(got) != 2 || got[1].data != large {
		t.Errorf("the queue has %d messages", len(got))
	}
}

// TestManyLarge: more large messages than may wait in files are refused for now; small ones pass.
func TestManyLarge(t *testing.T) {
	sink := newSink(t, nil)
	f := submit(t, sink.addr(), func(o *Options, _ *SubmissionOptions) { o.MaxInFlight, o.BusyTimeout = 1, 50*time.Millisecond })
	large := wire(strings.Repeat("a line of a large message\r\n", 20_000))
	first, second, third := f.login(), f.login(), f.login()
	first.envelope("free@our.test", "b@far.test")
	first.send(large)
	waitFor(t, func() bool { return len(f.files) == 1 })
	second.envelope("free@our.test", "b@far.test")
	second.send(large + ".\r\n")
	second.want("451 4.3.2")
	third.envelope("free@our.test", "b@far.test")
	third.send(wire("text\r\n") + ".\r\n")
	third.want("250")
	first.send(".\r\n")
	first.want("250")
	second.envelope("free@our.test", "b@far.test")
	second.send(large + ".\r\n")
	second.want("250")
}

// TestDiskFull: a message for which there is no room on the disk is refused for now, and the
// session goes on.
func TestDiskFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	large := wire(strings.Repeat("a line of a large message\r\n", 20_000))
	for name, test := range map[string]struct {
		spoil func(*spool)
		want  string
	}{
		"full": {func(s *spool) {
			f, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
			if err != nil {
				t.Error(err)
			}
			s.file, s.placed = f, s.files.within(0)
		}, "452 4.3.1"},
		"no directory": {func(s *spool) { s.dir = filepath.Join(s.dir, "none") }, "451 4.3.0"},
	} {
		t.Run(name, func(t *testing.T) {
			sink := newSink(t, nil)
			f := submit(t, sink.addr(), nil)
			fresh := f.spools.New
			f.spools.New = func() any {
				s := fresh().(*spool)
				test.spoil(s)
				return s
			}
			c := f.login()
			c.envelope("free@our.test", "b@far.test")
			c.send(large + ".\r\n")
			c.want(test.want)
			c.do("NOOP", "250")
			if len(sink.got()) > 0 {
				t.Error("it is in the queue")
			}
		})
	}
}

// TestClientAddress: who asks whether a login is right says where it comes from.
func TestClientAddress(t *testing.T) {
	f := submit(t, newSink(t, nil).addr(), nil)
	f.login()
	conn := f.connect("submissions-443")
	if _, err := io.WriteString(conn, "PROXY TCP4 192.0.2.1 127.0.0.1 1234 443\r\n"); err != nil {
		t.Fatal(err)
	}
	c := f.client(tls.Client(conn, f.config))
	c.want("220")
	c.do("EHLO phone", "250")
	c.do("AUTH PLAIN "+plain64("free@our.test", "right"), "235")
	if want := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.1")}; !slices.Equal(f.accounts.clients, want) {
		t.Errorf("got %v, want %v", f.accounts.clients, want)
	}
}

// TestNoCertificate: without one there is no TLS, and nothing else happens.
func TestNoCertificate(t *testing.T) {
	f := submit(t, newSink(t, nil).addr(), func(_ *Options, o *SubmissionOptions) {
		o.Certificate = func() (*tls.Certificate, error) { return nil, errors.New("there is none") }
	})
	c := f.client(f.connect("submission"))
	c.want("220")
	c.do("STARTTLS", "454 4.7.0 TLS not available")
	c.do("NOOP", "250")
	if err := tls.Client(f.connect("submissions"), f.config).Handshake(); err == nil {
		t.Error("there is TLS")
	}
}

// TestInjectedBeforeHandshake: bytes that come in one piece with STARTTLS, or right behind it, are
// never taken for the client's.
func TestInjectedBeforeHandshake(t *testing.T) {
	f := submit(t, newSink(t, nil).addr(), nil)
	for _, at := range []string{"with STARTTLS", "behind STARTTLS"} {
		conn := f.connect("submission")
		c := f.client(conn)
		c.want("220")
		if at == "with STARTTLS" {
			c.send("STARTTLS\r\nNOOP\r\n")
			c.want("554 5.5.0")
			c.closed()
			continue
		}
		c.send("STARTTLS\r\n")
		c.want("220")
		c.send("NOOP\r\nEHLO phone\r\n")
		if got, err := io.ReadAll(c.r); bytes.Contains(got, []byte("250")) {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

// TestPlaces: who comes when all places are taken is told so, at each kind of entrance, and has a
// place as soon as one is free.
func TestPlaces(t *testing.T) {
	f := submit(t, newSink(t, nil).addr(), func(_ *Options, o *SubmissionOptions) { o.MaxClients, o.MaxOfOne = 3, 2 })
	first := f.enter()
	f.enter()
	c := f.client(f.connect("submission"))
	c.want("421 4.7.0 Error: too many connections from your address")
	c.closed()
	c = f.client(tls.Client(f.connect("submissions"), f.config))
	c.want("421 4.7.0")
	proxied := func(address string) *client {
		conn := f.connect("submission-proxy")
		if _, err := io.WriteString(conn, "PROXY TCP4 "+address+" 127.0.0.1 1234 587\r\n"); err != nil {
			t.Fatal(err)
		}
		return f.client(conn)
	}
	last := proxied("192.0.2.1")
	last.want("220")
	proxied("192.0.2.2").want("421 4.7.0 Error: too many connections, try again later")
	first.do("QUIT", "221")
	waitFor(t, func() bool { return f.doorkeeper.count(Ended) == 1 })
	proxied("192.0.2.2").want("220")
	if crowded, address := f.doorkeeper.count(Crowded), f.doorkeeper.count(AddressFull); crowded != 1 || address != 2 {
		t.Errorf("%d and %d are noticed as turned away, want 1 and 2", crowded, address)
	}
}

// TestMakesRoom: when all places are taken, the session that has been silent longest is told to
// go, and one in a transaction never is.
func TestMakesRoom(t *testing.T) {
	f := submit(t, newSink(t, nil).addr(), func(_ *Options, o *SubmissionOptions) { o.MaxClients, o.MaxOfOne = 3, 9 })
	busy, silent, recent := f.login(), f.login(), f.enter()
	busy.do("MAIL FROM:<free@our.test>", "250")
	f.age(10*time.Second, 2)
	recent.do("NOOP", "250")
	f.enter()
	silent.want("421 4.4.2 Idle while others wait")
	silent.closed()
	recent.do("NOOP", "250")
	busy.do("RCPT TO:<b@far.test>", "250")
	c := f.client(tls.Client(f.connect("submissions"), f.config))
	c.want("421 4.7.0")
	if made := f.doorkeeper.count(MadeRoom); made != 1 {
		t.Errorf("%d sessions are noticed as ended for others, want 1", made)
	}
}

// age has the sessions that wait for a command, so many, wait for longer.
func (f *front) age(d time.Duration, idle int) {
	f.t.Helper()
	waitFor(f.t, func() bool {
		f.filter.server.mu.Lock()
		defer f.filter.server.mu.Unlock()
		aged := 0
		for c := range f.filter.server.sessions {
			c.mu.Lock()
			if c.idle {
				aged++
			}
			c.mu.Unlock()
		}
		if aged != idle {
			return false
		}
		for c := range f.filter.server.sessions {
			c.mu.Lock()
			c.armed = c.armed.Add(-d)
			c.mu.Unlock()
		}
		return true
	})
}

// TestSubmissionDrain: when the server is to end, idle clients are told so at once, a message that
// is here is finished, and one that is not comes within seconds or not at all.
func TestSubmissionDrain(t *testing.T) {
	gate := make(chan struct{})
	sink := newSink(t, func(command string) string {
		if command == "." {
			<-gate
		}
		return ""
	})
	f := submit(t, sink.addr(), func(o *Options, _ *SubmissionOptions) { o.DrainTimeout = 300 * time.Millisecond })
	idle, whole, half, quick := f.login(), f.login(), f.login(), f.login()
	greeting := f.client(f.connect("submissions")) // has not said anything
	for _, c := range []*client{whole, half, quick} {
		c.envelope("free@our.test", "b@far.test")
	}
	whole.send(wire("x\r\n.\r\n"))
	waitFor(t, func() bool { return sink.connections() == 1 })
	half.send(wire("half\r\n"))
	f.stop()
	idle.want("421 4.3.2")
	idle.closed()
	greeting.closed()
	quick.send(wire("x\r\n.\r\n"))
	waitFor(t, func() bool { return sink.connections() == 2 })
	half.want("421 4.3.2")
	half.closed()
	close(gate)
	for _, c := range []*client{whole, quick} {
		c.want("250")
		c.want("421 4.3.2")
		c.closed()
	}
	f.ended.Wait()
	if got := sink.got(); len(got) != 2 {
		t.Errorf("the queue has %d messages, want 2", len(got))
	}
	if n := f.doorkeeper.count(SilentInData); n > 0 {
		t.Errorf("%d clients are noticed as silent", n)
	}
}

// TestSilent: a client that says nothing is let go, and noticed if it was in the middle of
// something.
func TestSilent(t *testing.T) {
	f := submit(t, newSink(t, nil).addr(), func(_ *Options, o *SubmissionOptions) { o.IdleTimeout = 300 * time.Millisecond })
	idle := f.login()
	idle.want("421 4.4.2 Timeout")
	idle.closed()
	c := f.login()
	c.do("MAIL FROM:<free@our.test>", "250")
	c.want("421 4.4.2")
	c = f.login()
	c.envelope("free@our.test", "b@far.test")
	c.closed()
	if err := tls.Client(f.connect("submissions"), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}).Handshake(); err == nil {
		t.Error("an old version of TLS is taken")
	}
	waitFor(t, func() bool { return f.doorkeeper.count(NoHandshake) == 1 && f.doorkeeper.count(Ended) == 4 })
	if other, data := f.doorkeeper.count(SilentElse), f.doorkeeper.count(SilentInData); other != 1 || data != 1 {
		t.Errorf("%d and %d are noticed as silent, want 1 and 1", other, data)
	}
}
