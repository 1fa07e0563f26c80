package proxy

import (
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// answers returns a sink's answer to commands that begin so.
func answers(prefix, reply string) func(string) string {
	return func(command string) string {
		if strings.HasPrefix(command, prefix) {
			return reply
		}
		return ""
	}
}

// TestQueueFails: whatever the queue does, the client gets its true reply or a
// temporary one, and 250 only for what the queue has.
func TestQueueFails(t *testing.T) {
	small := wire("text\r\n")
	large := wire(strings.Repeat("more than is held back\r\n", 20000))
	for _, tt := range []struct{ name, command, reply, want string }{
		{"no greeting", "CONNECT", hangUp, "451 4.4.0"},
		{"stalls at the start", "CONNECT", stall, "451 4.4.0"},
		{"unwelcome", "CONNECT", "554 5.7.1 go away", "554 5.7.1 go away"},
		{"too busy", "CONNECT", "421 4.3.2 busy", "421 4.3.2 busy"},
		{"hello refused", "EHLO", "550 5.0.0 no", "550 5.0.0 no"},
		{"hello dropped", "EHLO", hangUp, "451 4.4.0"},
		{"sender refused", "MAIL", "550 5.1.8 no", "550 5.1.8 no"},
		{"sender deferred", "MAIL", "452 4.3.1 disk full", "452 4.3.1 disk full"},
		{"first recipient refused", "RCPT TO:<b@", "550 5.1.1 unknown", "550 5.1.1 unknown"},
		{"second recipient refused", "RCPT TO:<c@", "550 5.1.1 unknown", "550 5.1.1 unknown"},
		{"recipients dropped", "RCPT", hangUp, "451 4.4.0"},
		{"data refused", "DATA", "554 5.5.1 no", "554 5.5.1 no"},
		{"data answered as if done", "DATA", "250 2.0.0 Ok", "451 4.4.0"},
		{"data stalled", "DATA", stall, "451 4.4.0"},
		{"end refused", ".", "550 5.7.1 spam", "550 5.7.1 spam"},
		{"end refused in lines", ".", "550-5.7.1 this\r\n550-5.7.1 is\r\n550 5.7.1 spam", "550 5.7.1 spam"},
		{"end deferred", ".", "451 4.7.1 later", "451 4.7.1 later"},
		{"closing", ".", "421 4.3.0 closing", "421 4.3.0 closing"},
		{"end dropped", ".", hangUp, "451 4.4.0"},
		{"end stalled", ".", stall, "451 4.4.0"},
		{"end answered with nonsense", ".", "ok", "451 4.4.0"},
		{"end answered with 354", ".", "354 more", "451 4.4.0"},
		{"end answered without a code", ".", "2xx fine", "451 4.4.0"},
	} {
		for size, data := range map[string]string{"small": small, "large": large} {
			t.Run(tt.name+", "+size, func(t *testing.T) {
				t.Parallel()
				sink := newSink(t, answers(tt.command, tt.reply))
				c := start(t, sink.addr(), func(o *Options) {
					if tt.reply == stall { // else a busy machine would have it time out as well
						o.QueueTimeout = 200 * time.Millisecond
					}
				}).dial()
				c.do("MAIL FROM:<free@our.test>", "250")
				c.do("RCPT TO:<b@far.test>", "250")
				c.do("RCPT TO:<c@far.test>", "250")
				c.do("DATA", "354")
				c.send(data + ".\r\n")
				c.want(tt.want)
				if got := sink.got(); len(got) != 0 {
					t.Errorf("the queue has %d messages", len(got))
				}
			})
		}
	}
}

// TestQueueDown: nobody listens.
func TestQueueDown(t *testing.T) {
	sink := newSink(t, nil)
	f := start(t, sink.addr(), nil)
	sink.close()
	c := f.dial()
	c.envelope("free@our.test", "b@far.test")
	c.send(wire("x\r\n.\r\n"))
	c.want("451 4.4.0")
	c.envelope("other@our.test", "b@far.test")
	c.send("From: other@our.test\r\n\r\ntext\r\n.\r\n")
	c.want("523") // the verdict does not wait for the queue
	if got := f.observer.results(); len(got) != 2 || got[0] != Deferred || got[1] != Refused {
		t.Errorf("events %v, want deferred, refused", got)
	}
}

// TestQueueDropsInTheMiddle: the queue goes away while a message is on its way.
func TestQueueDropsInTheMiddle(t *testing.T) {
	sink := newSink(t, nil)
	c := start(t, sink.addr(), nil).dial()
	c.envelope("free@our.test", "b@far.test")
	c.send(wire(strings.Repeat("the first half\r\n", 10000)))
	waitFor(t, func() bool { return sink.connections() == 1 })
	sink.close()
	c.send(strings.Repeat("the second half\r\n", 100000) + ".\r\n")
	c.want("451 4.4.0")
	if got := sink.got(); len(got) != 0 {
		t.Errorf("the queue has %d messages", len(got))
	}
}

// TestClientGoes: what a client does not finish is not queued.
func TestClientGoes(t *testing.T) {
	sink := newSink(t, nil)
	f := start(t, sink.addr(), nil)
	for _, data := range []string{"", "From: ", wire(""), wire("x\r\n"), wire("x\r\n."), wire("x\r\n.\r"), wire(strings.Repeat("x\r\n", 20000))} {
		c := f.dial()
		c.envelope("free@our.test", "b@far.test")
		c.send(data)
		c.conn.Close()
	}
	waitFor(t, func() bool { return len(f.observer.results()) == 7 })
	for _, got := range f.observer.results() {
		if got != Aborted {
			t.Errorf("event %v, want %v", got, Aborted)
		}
	}
	if got := sink.got(); len(got) != 0 {
		t.Errorf("the queue has %q", got)
	}
}

// encrypted begins like an encrypted message and does not end like one.
func encrypted(body string) string {
	return "From: <a@our.test>\r\nContent-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=b\r\n" +
		"MIME-Version: 1.0\r\n\r\n--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--b\r\n" +
		"Content-Type: application/octet-stream\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\n" + body
}

// endless is the start of a message's base64: a session key and an SEIPD packet of
// 4 GiB (RFC 9580, sections 5.1 and 5.13), which never come.
const endless = "wQwDAAAAAAAAAAASAADS//////8B"

// TestRefusedLate: a message that shows only at its end that it must not pass
// has been sent to the queue by then, but for the dot.
func TestRefusedLate(t *testing.T) {
	armor := strings.Repeat(strings.Repeat("A", 64)+"\r\n", 20000)
	sink := newSink(t, nil)
	f := start(t, sink.addr(), nil)
	c := f.dial()
	c.envelope("a@our.test", "b@far.test")
	c.send(encrypted(endless + armor[len(endless):] + "-----END PGP MESSAGE-----\r\n--b--\r\n.\r\n"))
	c.want("523 Encryption Needed: Invalid Unencrypted Mail")
	waitFor(t, func() bool { return sink.drops() == 1 })
	if got := sink.got(); len(got) != 0 {
		t.Errorf("the queue has %d messages", len(got))
	}
	// The session continues, with another connection to the queue.
	c.envelope("free@our.test", "b@far.test")
	c.send(wire("x\r\n.\r\n"))
	c.want("250")
}

// TestReuse: the connection to the queue is used again; one that has died in the
// meantime is noticed, and costs no message.
func TestReuse(t *testing.T) {
	sink := newSink(t, nil)
	f := start(t, sink.addr(), nil)
	send := func() {
		t.Helper()
		c := f.dial()
		c.envelope("free@our.test", "b@far.test")
		c.send(wire("x\r\n.\r\n"))
		c.want("250")
	}
	send()
	send()
	if n := sink.connections(); n != 1 {
		t.Errorf("%d connections for two messages, want 1", n)
	}
	sink.hangUpAll()
	send()
	if n := sink.connections(); n != 2 {
		t.Errorf("%d connections after the queue hung up, want 2", n)
	}
	if got := sink.got(); len(got) != 3 {
		t.Errorf("the queue has %d messages, want 3", len(got))
	}
}

// TestBudget: with all places taken, a message waits, and then is deferred; a
// place that becomes free is used.
func TestBudget(t *testing.T) {
	sink := newSink(t, nil)
	f := start(t, sink.addr(), func(o *Options) { o.MaxInFlight, o.BusyTimeout = 1, 100*time.Millisecond })
	first, second := f.dial(), f.dial()
	first.envelope("free@our.test", "b@far.test")
	second.do("MAIL FROM:<free@our.test>", "250")
	second.do("RCPT TO:<b@far.test>", "250")
	second.do("DATA", "451 4.3.2")
	first.send(wire("x\r\n.\r\n"))
	first.want("250")
	second.envelope("free@our.test", "b@far.test")
	second.send(wire("y\r\n.\r\n"))
	second.want("250")
}

// TestDrain: when Serve is to end, idle peers are told so, a transaction that
// was begun is finished, and then Serve returns.
func TestDrain(t *testing.T) {
	sink := newSink(t, nil)
	f := start(t, sink.addr(), nil)
	idle, early, late := f.dial(), f.dial(), f.dial()
	early.do("MAIL FROM:<free@our.test>", "250")
	late.envelope("free@our.test", "b@far.test")
	late.send(wire("half\r\n"))
	f.stop()
	idle.want("421 4.3.2")
	idle.closed()
	early.do("RCPT TO:<b@far.test>", "250")
	early.do("DATA", "354")
	for _, c := range []*client{early, late} {
		c.send("From: free@our.test\r\n\r\nx\r\n.\r\n")
		c.want("250")
		c.want("421 4.3.2")
		c.closed()
	}
	if err := <-f.done; err != nil {
		t.Errorf("Serve: %v", err)
	}
	f.done <- nil
	if _, err := net.Dial("tcp", f.addr); err == nil {
		t.Error("still listening")
	}
	if got := sink.got(); len(got) != 2 {
		t.Errorf("the queue has %d messages, want 2", len(got))
	}
}

// TestDrainEnds: transactions that do not end in time are cut off.
func TestDrainEnds(t *testing.T) {
	sink := newSink(t, nil)
	f := start(t, sink.addr(), func(o *Options) { o.DrainTimeout = 50 * time.Millisecond })
	early, late := f.dial(), f.dial()
	early.do("MAIL FROM:<free@our.test>", "250")
	late.envelope("free@our.test", "b@far.test")
	late.send(wire("half\r\n"))
	f.stop()
	for _, c := range []*client{early, late} {
		c.want("421 4.3.2")
		c.closed()
	}
	if err := <-f.done; err != nil {
		t.Errorf("Serve: %v", err)
	}
	f.done <- nil
	if got := sink.got(); len(got) != 0 {
		t.Errorf("the queue has %d messages, want none", len(got))
	}
}

// TestListenerFails: Serve returns the error of a listener that is gone.
func TestListenerFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	s := New(Options{MaxInFlight: 1, Policy: outgoing(t)})
	if err := s.Serve(t.Context(), l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: %v, want %v", err, net.ErrClosed)
	}
}

// TestManyAtOnce has 50 clients send at the same time; each message arrives
// once, under its own envelope.
func TestManyAtOnce(t *testing.T) {
	sink := newSink(t, nil)
	f := start(t, sink.addr(), nil)
	var all sync.WaitGroup
	for i := range 50 {
		c := f.dial()
		name := string(rune('a'+i/26)) + string(rune('a'+i%26))
		all.Go(func() {
			for range 10 {
				c.envelope("free@our.test", name+"@far.test")
				c.send(wire(strings.Repeat("to "+name+"\r\n", 3000) + ".\r\n"))
				c.want("250")
			}
		})
	}
	all.Wait()
	count := make(map[string]int)
	for _, m := range sink.got() {
		name := strings.TrimSuffix(strings.TrimPrefix(m.envelope[1], "RCPT TO:<"), "@far.test>")
		if want := wire(strings.Repeat("to "+name+"\r\n", 3000)); m.data != want {
			t.Fatalf("the message to %s was altered", name)
		}
		count[name]++
	}
	for name, n := range count {
		if n != 10 {
			t.Errorf("%d messages to %s, want 10", n, name)
		}
	}
	if len(count) != 50 {
		t.Errorf("%d recipients, want 50", len(count))
	}
}

// waitFor waits for what other goroutines are about to do.
func waitFor(t testing.TB, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !cond(); {
		if time.Now().After(end) {
			t.Fatal("it did not happen")
		}
		time.Sleep(time.Millisecond)
	}
}
