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
