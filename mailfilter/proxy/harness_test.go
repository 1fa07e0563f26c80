package proxy

import (
	"bufio"
	"context"
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
		Domains:            []string{"our.test"},
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
