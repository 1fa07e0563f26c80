package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"chatmaild/mailfilter"
)

// unlimited is a rate limiter that allows all but one sender.
type unlimited struct{}

func (unlimited) Allow(sender string) bool { return sender != "fast@our.test" }

// outgoing is the policy that most tests run with: free@our.test may send
// anything, everybody else what is encrypted.
func outgoing(t testing.TB) mailfilter.Policy {
	t.Helper()
	p, err := mailfilter.NewOutgoing(mailfilter.OutgoingOptions{
		Limiter:            unlimited{},
		PassthroughSenders: []string{"free@our.test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// recorder is an Observer that keeps what it hears.
type recorder struct {
	mu     sync.Mutex
	events []Event
}

func (r *recorder) Message(ev Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, ev)
}

func (r *recorder) results() (got []Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ev := range r.events {
		got = append(got, ev.Result)
	}
	return got
}

// filter is a running Server.
type filter struct {
	t        testing.TB
	addr     string
	server   *Server
	observer *recorder
	stop     context.CancelFunc
	done     chan error
}

// start runs a filter in front of the queue at addr.
func start(t testing.TB, queue string, change func(*Options)) *filter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &filter{t: t, addr: l.Addr().String(), observer: new(recorder), done: make(chan error, 1)}
	opts := Options{
		Name: "our.test", Policy: outgoing(t), Queue: queue,
		MaxMessageSize: 4 << 20, MaxInFlight: 20, Observer: f.observer,
		QueueTimeout: 5 * time.Second, ClientTimeout: 20 * time.Second, DrainTimeout: 5 * time.Second,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	if change != nil {
		change(&opts)
	}
	var ctx context.Context
	ctx, f.stop = context.WithCancel(t.Context())
	f.server = New(opts)
	go func() { f.done <- f.server.Serve(ctx, l) }()
	t.Cleanup(func() {
		f.stop()
		if err := <-f.done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		f.done <- nil
	})
	return f
}

// client is the peer in front of the filter.
type client struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

// dial connects and gets as far as EHLO.
func (f *filter) dial() *client {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.addr)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		f.t.Fatal(err)
	}
	c := &client{f.t, conn, bufio.NewReader(conn)}
	c.want("220 our.test ESMTP")
	c.do("EHLO mx.our.test", "250 ENHANCEDSTATUSCODES")
	return c
}

func (c *client) send(raw string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, raw); err != nil {
		c.t.Fatalf("sending %.60q: %v", raw, err)
	}
}

// reply reads a reply and returns its last line.
func (c *client) reply() (string, error) {
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return line, err
		}
		if len(line) < 4 || line[3] != '-' {
			return strings.TrimSuffix(line, "\r\n"), nil
		}
	}
}

// want reads a reply, whose last line has to begin with prefix.
func (c *client) want(prefix string) {
	c.t.Helper()
	got, err := c.reply()
	if err != nil || !strings.HasPrefix(got, prefix) {
		c.t.Fatalf("got reply %q (%v), want %q", got, err, prefix)
	}
}

func (c *client) do(command, want string) {
	c.t.Helper()
	c.send(command + "\r\n")
	c.want(want)
}

// closed waits for the filter to hang up.
func (c *client) closed() {
	c.t.Helper()
	if got, err := io.ReadAll(c.r); err != nil || len(got) > 0 {
		c.t.Fatalf("got %q (%v), want the end of the connection", got, err)
	}
}

// envelope does MAIL, RCPT and DATA.
func (c *client) envelope(from, to string) {
	c.t.Helper()
	c.do("MAIL FROM:<"+from+">", "250")
	c.do("RCPT TO:<"+to+">", "250")
	c.do("DATA", "354")
}

// wire is a message from free@our.test as it goes over the wire, without the
// final dot, with body as it is.
func wire(body string) string {
	return "From: <free@our.test>\r\nSubject: x\r\n\r\n" + body
}

// TestByteForByte sends what is awkward and allowed in each of several ways of
// cutting it into packets; it has to reach the queue as it was sent.
func TestByteForByte(t *testing.T) {
	line := strings.Repeat("x", MaxLine)
	bodies := map[string]string{
		"empty":             "",
		"one line":          "hello\r\n",
		"empty lines":       "\r\n\r\n\r\n",
		"stuffed dots":      "..\r\n...\r\n..x\r\n.. \r\n",
		"dots inside":       "a.\r\na.b\r\n",
		"longest line":      line + "\r\n",
		"longest, dotted":   ".." + line[1:] + "\r\n",
		"eight bits":        "\x80\xff\xc3\xa4\r\n",
		"controls":          "\x01\x07\x1b\x7f\t\v\f\r\n",
		"from lines":        "From x\r\n>From y\r\n",
		"trailing blanks":   "x \t \r\n \r\n\t\r\n",
		"smtp in the body":  "QUIT\r\nMAIL FROM:<a@b>\r\nDATA\r\n..\r\n250 ok\r\n",
		"above the buffers": strings.Repeat("..dots and text, more than is held back\r\n", 5000),
		"one buffer":        strings.Repeat("0123456789abcde\r\n", readBuffer/17),
	}
	for name, body := range bodies {
		for _, piece := range []int{1 << 30, 7, 1} {
			if len(body) > 1<<16 && piece < 100 {
				piece *= 1021
			}
			t.Run(name, func(t *testing.T) {
				sink := newSink(t, nil)
				c := start(t, sink.addr(), nil).dial()
				c.envelope("free@our.test", "b@far.test")
				sent := wire(body)
				for rest := sent + ".\r\n"; rest != ""; {
					n := min(piece, len(rest))
					c.send(rest[:n])
					rest = rest[n:]
				}
				c.want("250 2.0.0 Ok: queued as")
				got := sink.got()
				if len(got) != 1 || got[0].data != sent {
					t.Fatalf("pieces of %d: got %.200q, want %.200q", piece, got, sent)
				}
			})
		}
	}
}

// TestNeedlessStuffing: a single dot before text is taken off by every reader
// (RFC 5321, section 4.5.2), so the message is the same without it.
func TestNeedlessStuffing(t *testing.T) {
	sink := newSink(t, nil)
	c := start(t, sink.addr(), nil).dial()
	c.envelope("free@our.test", "b@far.test")
	c.send(wire(".x\r\n.\r\n"))
	c.want("250")
	if got, want := sink.got()[0].data, wire("x\r\n"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestMalformed: what is not well-formed is refused as a whole, and nothing
// behind it is taken for a command.
func TestMalformed(t *testing.T) {
	smuggled := "MAIL FROM:<evil@our.test>\r\nRCPT TO:<b@far.test>\r\nDATA\r\n"
	for _, tt := range []struct{ name, body, want string }{
		{"bare LF", "a\nb\r\n", "554 5.6.0 Bare"},
		{"bare CR", "a\rb\r\n", "554 5.6.0 Bare"},
		{"CR CR LF", "a\r\r\n", "554 5.6.0 Bare"},
		{"LF at the start of a line", "a\r\n\nb\r\n", "554 5.6.0 Bare"},
		{"CR at the start of a line", "a\r\n\rb\r\n", "554 5.6.0 Bare"},
		{"LF . LF", "a\n.\n" + smuggled, "554 5.6.0 Bare"},
		{"LF . CR LF", "a\n.\r\n" + smuggled, "554 5.6.0 Bare"},
		{"CR LF . LF", "a\r\n.\n" + smuggled, "554 5.6.0 Bare"},
		{"CR LF . CR", "a\r\n.\r" + smuggled, "554 5.6.0 Bare"},
		{"CR . CR", "a\r.\r" + smuggled, "554 5.6.0 Bare"},
		{"CR . CR LF", "a\r.\r\n" + smuggled, "554 5.6.0 Bare"},
		{"CR LF . CR CR LF", "a\r\n.\r\r\n" + smuggled, "554 5.6.0 Bare"},
		{"CR LF NUL . CR LF", "a\r\n\x00.\r\n" + smuggled, "554 5.6.0 NUL"},
		{"NUL", "a\x00b\r\n", "554 5.6.0 NUL"},
		{"long line", strings.Repeat("x", MaxLine+1) + "\r\n", "500 5.5.2 Line too long"},
		{"long dotted line", ".." + strings.Repeat("x", MaxLine) + "\r\n", "500 5.5.2 Line too long"},
		{"endless line", strings.Repeat("x", 1<<20) + "\r\n", "500 5.5.2 Line too long"},
		{"too large", strings.Repeat(strings.Repeat("x", 98)+"\r\n", 42<<10), "552 5.3.4 Message too large"},
		{"far into the body", strings.Repeat("x\r\n", 100_000) + "\n.\r\n", "554 5.6.0 Bare"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sink := newSink(t, nil)
			f := start(t, sink.addr(), nil)
			c := f.dial()
			c.envelope("free@our.test", "b@far.test")
			c.send(wire(tt.body) + "\r\n.\r\n")
			c.want(tt.want)
			c.closed()
			if got := sink.got(); len(got) != 0 {
				t.Errorf("the queue got %d messages", len(got))
			}
			if got := f.observer.results(); len(got) != 1 || got[0] != Malformed {
				t.Errorf("events %v, want one %v", got, Malformed)
			}
		})
	}
}

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
			> MAIL FROM:<a@b.test> SIZE=x
			501
			> MAIL FROM:<a@b.test> SIZE=99999999
			552
			> mail from: a@b.test BODY=8BITMIME
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
				t.Error("the session goes on")
			}
		})
	}
}

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
	for range maxRecipients {
		all.WriteString("RCPT TO:<bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb@far.test>\r\n")
	}
	c.send(all.String())
	for range maxRecipients {
		c.want("250")
	}
	c.do("RCPT TO:<b@far.test>", "452")
	c.do("DATA", "354")
	c.send(wire(".\r\n"))
	c.want("250")
	if got := sink.got(); len(got) != 1 || len(got[0].envelope) != 1+maxRecipients {
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
