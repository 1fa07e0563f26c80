package proxy

import (
	"crypto/tls"
	"io"
	"testing"
	"time"
)

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
