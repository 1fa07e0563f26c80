package lmtp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"chatmaild/applets/transport/smtpout"
	"chatmaild/testdata/kit/smtp"
)

// road is where messages go.
type road struct {
	mu    sync.Mutex
	got   []string // "DOMAIN SENDER recipients"
	texts map[string]bool
	hold  chan struct{} // if set, each message waits for it to be closed
	begun chan struct{}
}

func (r *road) deliver(_ context.Context, domain string, m smtpout.Message) []smtpout.Reply {
	if r.hold != nil {
		r.begun <- struct{}{}
		<-r.hold
	}
	text, err := io.ReadAll(m.Open())
	if err != nil || int64(len(text)) != m.Size {
		text = fmt.Appendf(nil, "%d bytes of %d: %v", len(text), m.Size, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, domain+" "+m.Sender+" "+strings.Join(m.Recipients, ","))
	r.texts[string(text)] = true
	var replies []smtpout.Reply
	for _, to := range m.Recipients {
		local, _, _ := strings.Cut(to, "@")
		replies = append(replies, map[string]smtpout.Reply{
			"gone":  {Code: 550, Status: [3]int{5, 1, 1}, Text: "no such\r\n250 2.0.0 user"},
			"later": {Code: 451, Status: [3]int{4, 4, 1}, Text: "no answer"},
			"421":   {Code: 421, Text: "hanging up"},
			"odd":   {Code: 354, Status: [3]int{2, 1, 1}, Text: "go on"},
		}[local])
		if replies[len(replies)-1].Code == 0 {
			replies[len(replies)-1] = smtpout.Reply{Code: 250, Status: [3]int{2, 0, 0}, Text: "queued \u00fc"}
		}
	}
	return replies
}

// start runs a server, and returns a client that has said hello.
func start(t *testing.T, change func(*Options)) (c *smtp.Client, stop func() error) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "lmtp"))
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Name: "us.test", MaxMessageSize: 1 << 20, MaxRecipients: 1000, SpoolDir: t.TempDir(),
		Sign: func(func() io.Reader) (string, error) { return "DKIM-Signature: x\r\n", nil },
		Log:  slog.New(slog.DiscardHandler),
	}
	change(&o)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- New(o).Serve(ctx, l) }()
	stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	conn, err := new(net.Dialer).DialContext(t.Context(), "unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if c, err = smtp.New(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	say(t, c, "250", "LHLO postfix")
	return c, stop
}

func say(t *testing.T, c *smtp.Client, want string, lines ...string) {
	t.Helper()
	if got, err := c.Raw(strings.Join(lines, "\r\n") + "\r\n"); err != nil || !strings.HasPrefix(got, want) {
		t.Fatalf("%.60q: got %q, %v; want %s", lines, got, err, want)
	}
}

func envelope(t *testing.T, c *smtp.Client, to ...string) {
	t.Helper()
	say(t, c, "250", "MAIL FROM:<a@us.test>")
	for _, addr := range to {
		say(t, c, "250", "RCPT TO:<"+addr+">")
	}
	say(t, c, "354", "DATA")
}

// replies reads one for each recipient.
func replies(t *testing.T, c *smtp.Client, text string, n int) (list []string) {
	t.Helper()
	got, err := c.Raw(text + ".\r\n")
	for i := range n {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, got)
		if i < n-1 {
			got, err = c.Raw("")
		}
	}
	return list
}

// TestReplies has a message go to many domains; each recipient has a reply of its own, in
// the order of the recipients.
func TestReplies(t *testing.T) {
	r := &road{texts: map[string]bool{}}
	c, _ := start(t, func(o *Options) { o.Deliver = r.deliver })
	to := []string{"x@b.test", "gone@c.test", "y@B.test", "later@c.test", "421@d.test", "odd@d.test", "z@[192.0.2.1]"}
	for range 2 {
		envelope(t, c, to...)
		got := replies(t, c, "From: <a@us.test>\r\n\r\n..dot\r\n", len(to))
		for i, want := range []string{"250 2.0.0 <x@b.test> queued ?", "550 5.1.1 <gone@c.test> no such 250 2.0.0 user", "250 2.0.0 <y@B.test>",
			"451 4.4.1 <later@c.test> no answer", "451 4.0.0 <421@d.test>", "451 4.0.0 <odd@d.test>", "250 2.0.0 <z@[192.0.2.1]>"} {
			if !strings.HasPrefix(got[i], want) {
				t.Errorf("%s: got %q, want %q", to[i], got[i], want)
			}
		}
	}
	slices.Sort(r.got)
	want := []string{"[192.0.2.1] a@us.test z@[192.0.2.1]", "b.test a@us.test x@b.test,y@B.test", "c.test a@us.test gone@c.test,later@c.test", "d.test a@us.test 421@d.test,odd@d.test"}
	if got := slices.Compact(r.got); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(r.texts) != 1 || !r.texts["DKIM-Signature: x\r\nFrom: <a@us.test>\r\n\r\n.dot\r\n"] {
		t.Errorf("delivered: %v", r.texts)
	}
}

// TestLarge has one that is too large for memory, and one that is too large.
func TestLarge(t *testing.T) {
	r := &road{texts: map[string]bool{}}
	c, _ := start(t, func(o *Options) { o.Deliver = r.deliver })
	body := strings.Repeat(strings.Repeat("x", 98)+"\r\n", 9000)
	envelope(t, c, "x@b.test")
	if got := replies(t, c, body, 1)[0]; got[:3] != "250" || !r.texts["DKIM-Signature: x\r\n"+body] {
		t.Errorf("got %q", got)
	}
	envelope(t, c, "x@b.test")
	if got := replies(t, c, body+body, 1)[0]; got[0] == '2' || len(r.got) != 1 {
		t.Errorf("too large: got %q", got)
	}
}

// TestUnsigned wants nothing to leave that could not be signed.
func TestUnsigned(t *testing.T) {
	r := &road{texts: map[string]bool{}}
	c, _ := start(t, func(o *Options) {
		o.Deliver = r.deliver
		o.Sign = func(func() io.Reader) (string, error) { return "", errors.New("no key") }
	})
	envelope(t, c, "x@b.test", "y@c.test")
	for _, got := range replies(t, c, "From: <a@us.test>\r\n\r\n", 2) {
		if !strings.HasPrefix(got, "451 4.7.5") {
			t.Errorf("got %q", got)
		}
	}
	if len(r.got) > 0 {
		t.Errorf("it went to %q", r.got)
	}
}

// TestPanic wants a fault to defer the message that it is about, and the session to continue.
func TestPanic(t *testing.T) {
	r := &road{texts: map[string]bool{}}
	c, _ := start(t, func(o *Options) {
		o.Deliver = func(ctx context.Context, domain string, m smtpout.Message) []smtpout.Reply {
			if domain == "bad.test" {
				panic("a fault")
			}
			return r.deliver(ctx, domain, m)
		}
	})
	for range 2 {
		envelope(t, c, "x@bad.test", "y@b.test")
		if got := replies(t, c, "From: <a@us.test>\r\n\r\n", 2); got[0][:3] != "451" || got[1][:3] != "250" {
			t.Errorf("got %q", got)
		}
	}
}

func TestBadRecipient(t *testing.T) {
	c, _ := start(t, func(o *Options) { o.Deliver = (&road{}).deliver })
	say(t, c, "250", "MAIL FROM:<>")
	for _, addr := range []string{"x", "@", "x@", "@b.test", ""} {
		say(t, c, "5", "RCPT TO:<"+addr+">")
	}
}

// TestDrain wants a message at hand to be answered after the request to stop, and the
// server to end then, though the client stays.
func TestDrain(t *testing.T) {
	r := &road{texts: map[string]bool{}, hold: make(chan struct{}), begun: make(chan struct{}, 1)}
	c, stop := start(t, func(o *Options) { o.Deliver = r.deliver })
	envelope(t, c, "x@b.test")
	answered := make(chan string, 1)
	go func() {
		got, err := c.Raw("From: <a@us.test>\r\n\r\nx\r\n.\r\n")
		answered <- fmt.Sprint(got, err)
	}()
	<-r.begun
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	select {
	case err := <-ended:
		t.Fatalf("it has ended with a message at hand: %v", err)
	case got := <-answered:
		t.Fatalf("it has answered: %s", got)
	default:
	}
	close(r.hold)
	if got := <-answered; !strings.HasPrefix(got, "250") {
		t.Errorf("got %q", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestBatches(t *testing.T) {
	var to []string
	for n := range 250 {
		to = append(to, fmt.Sprintf("%d@a.test", n), fmt.Sprintf("%d@b%d.test", n, n))
	}
	long := strings.Repeat("x", 60)
	for n := range 300 {
		to = append(to, fmt.Sprintf("%d@%s.%s.%s.test", n, long, long, long))
	}
	seen := 0
	for _, b := range batches(to) {
		size := 0
		for _, addr := range b.recipients {
			size += len(addr)
			if !strings.HasSuffix(addr, "@"+b.domain) {
				t.Errorf("%s is with those of %s", addr, b.domain)
			}
		}
		if size > batchBytes || len(b.recipients) > batchRecipients || len(b.recipients) == 0 {
			t.Errorf("a batch has %d recipients, %d bytes", len(b.recipients), size)
		}
		seen += len(b.recipients)
	}
	if seen != len(to) {
		t.Errorf("%d of %d recipients are in batches", seen, len(to))
	}
}

// TestResting has a message for hosts that do not answer deferred before it is read, unless it
// has other recipients.
func TestResting(t *testing.T) {
	r := &road{texts: map[string]bool{}}
	signed := 0
	c, _ := start(t, func(o *Options) {
		o.Deliver = r.deliver
		o.Sign = func(func() io.Reader) (string, error) { signed++; return "", nil }
		o.Resting = func(domain string) (smtpout.Reply, bool) {
			return smtpout.Reply{Code: 451, Status: [3]int{4, 4, 1}, Text: "the host has not answered"}, domain == "dead.test"
		}
	})
	say(t, c, "250", "MAIL FROM:<a@us.test>")
	say(t, c, "451 4.4.1 the host has not answered", "RCPT TO:<x@dead.test>")
	say(t, c, "250", "RSET")
	say(t, c, "250", "MAIL FROM:<a@us.test>")
	say(t, c, "451 4.4.1", "RCPT TO:<x@dead.test>")
	say(t, c, "250", "RCPT TO:<y@good.test>")
	say(t, c, "354", "DATA")
	if got := replies(t, c, "hello\r\n", 1); !strings.HasPrefix(got[0], "250") {
		t.Errorf("got %q", got)
	}
	if want := []string{"good.test a@us.test y@good.test"}; !slices.Equal(r.got, want) || signed != 1 {
		t.Errorf("got %q, want %q; signed %d times", r.got, want, signed)
	}
}
