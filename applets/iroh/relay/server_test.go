package relay

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"chatmaild/applets/iroh/frame"
	"chatmaild/applets/iroh/peer"
)

// patience is how long a test waits for what should happen at once.
const patience = 10 * time.Second

// counts is what happened.
type counts struct {
	mu      sync.Mutex
	changed *sync.Cond
	refused map[Reason]int
	now     int
	relayed int
}

func newCounts() *counts {
	c := &counts{refused: map[Reason]int{}}
	c.changed = sync.NewCond(&c.mu)
	return c
}

func (c *counts) do(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	c.changed.Broadcast()
}

func (c *counts) Connected(now int) { c.do(func() { c.now = now }) }
func (c *counts) Left(now int)      { c.do(func() { c.now = now }) }
func (c *counts) Relayed(n int)     { c.do(func() { c.relayed += n }) }
func (c *counts) Refused(r Reason)  { c.do(func() { c.refused[r]++ }) }

// until waits until what has happened is as it should be.
func (c *counts) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	late := time.AfterFunc(patience, c.changed.Broadcast)
	defer late.Stop()
	deadline := time.Now().Add(patience)
	c.mu.Lock()
	defer c.mu.Unlock()
	for !ok() {
		if !time.Now().Before(deadline) {
			t.Fatalf("%s: not after %v: %d clients, refused %v", what, patience, c.now, c.refused)
		}
		c.changed.Wait()
	}
}

func (c *counts) of(r Reason) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused[r]
}

type relay struct {
	*Server
	*counts
	path string
}

func start(t testing.TB, change func(*Options)) *relay {
	t.Helper()
	events := newCounts()
	o := Options{Clients: 10, ClientBandwidth: 1 << 30, Bandwidth: 1 << 30, Events: events, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	path := filepath.Join(t.TempDir(), "iroh.socket")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := New(o)
	done := make(chan error)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := s.memory.used.Load(); n != 0 {
			t.Errorf("%d bytes are still counted at the end", n)
		}
	})
	return &relay{s, events, path}
}

func (r *relay) dial(t testing.TB) net.Conn {
	t.Helper()
	conn, err := net.Dial("unix", r.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// as connects as the owner of a key.
func (r *relay) as(t testing.TB, key ed25519.PrivateKey) *peer.Peer {
	t.Helper()
	c, err := peer.New(t.Context(), r.dial(t), "chat.example.org", key)
	if err == nil {
		err = c.Ping()
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (r *relay) client(t testing.TB) *peer.Peer { return r.as(t, newKey(t)) }

func TestRelay(t *testing.T) {
	r := start(t, nil)
	a, b := r.client(t), r.client(t)
	for _, packet := range []string{"hello", "", strings.Repeat("x", frame.MaxPacket), "TS\U0001F4AC" + strings.Repeat("k", 40)} {
		for _, way := range []struct{ from, to *peer.Peer }{{a, b}, {b, a}, {a, a}} {
			if err := way.from.Send(way.to.Key, []byte(packet)); err != nil {
				t.Fatal(err)
			}
			f, err := way.to.Next()
			if err != nil || f.Type != frame.ReceivePacket || f.Key != way.from.Key || string(f.Data) != packet {
				t.Fatalf("got %v, %v; want %.20q", f.Type, err, packet)
			}
		}
	}
	// Byte by byte, and behind what says nothing.
	text := frame.Append(nil, frame.Frame{Type: frame.KeepAlive})
	text = frame.Append(text, frame.Frame{Type: frame.NotePreferred, Data: []byte{1}})
	text = frame.Append(text, frame.Frame{Type: frame.Pong, Data: make([]byte, 8)})
	text = frame.Append(text, frame.Frame{Type: frame.SendPacket, Key: b.Key, Data: []byte("slowly")})
	for i := range text {
		if err := a.Write(text[i : i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if f, err := b.Next(); err != nil || string(f.Data) != "slowly" {
		t.Errorf("got %v, %v", f, err)
	}
	if err := a.Send(frame.Key{1}, []byte("nobody")); err != nil {
		t.Fatal(err)
	}
	r.until(t, "a packet for nobody is counted", func() bool { return r.refused[Absent] == 1 })
}

// TestFirstFrameWithProof has a client say more before the relay has looked at the proof.
func TestFirstFrameWithProof(t *testing.T) {
	r := start(t, nil)
	b, conn := r.client(t), r.dial(t)
	text := "GET /relay HTTP/1.1\r\nHost: x\r\nUpgrade: iroh derp http\r\n\r\n" + string(frame.Append(nil, frame.Prove(newKey(t))))
	text += string(frame.Append(nil, frame.Frame{Type: frame.SendPacket, Key: b.Key, Data: []byte("early")}))
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	if f, err := b.Next(); err != nil || string(f.Data) != "early" {
		t.Errorf("got %v, %v", f, err)
	}
}

// TestOneAddress has the last who proves to have a key get what comes for it.
func TestOneAddress(t *testing.T) {
	r := start(t, func(o *Options) { o.Clients = 2 })
	key := newKey(t)
	a, old := r.client(t), r.as(t, key)
	b := r.as(t, key)
	if f, err := old.Next(); err == nil {
		t.Errorf("the former connection got %v", f)
	}
	if err := a.Send(b.Key, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if f, err := b.Next(); err != nil || string(f.Data) != "hello" {
		t.Errorf("got %v, %v", f, err)
	}
	r.until(t, "two are there", func() bool { return r.now == 2 })
	third, err := peer.New(t.Context(), r.dial(t), "x", newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	if f, err := third.Next(); err != nil || f.Type != frame.Health || r.of(Full) != 1 {
		t.Errorf("a third client: got %v, %v", f, err)
	}
	b.Close()
	r.until(t, "one has left", func() bool { return r.now == 1 })
	if err := a.Send(b.Key, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	r.until(t, "he is absent", func() bool { return r.refused[Absent] == 1 })
}

// TestHostile wants each to be answered as it deserves and closed, and the relay to live.
func TestHostile(t *testing.T) {
	r := start(t, nil)
	const upgrade = "GET /relay HTTP/1.1\r\nHost: x\r\nUpgrade: iroh derp http\r\n\r\n"
	proof := string(frame.Append(nil, frame.Prove(newKey(t))))
	broken := []byte(proof)
	broken[50] ^= 1
	other := func(f frame.Frame) string { return string(frame.Append(nil, f)) }
	for name, tt := range map[string]struct {
		text   string
		answer string
		reason Reason
	}{
		"not HTTP":                {"\x16\x03\x01\x02\x00\r\n\r\n", "", Handshake},
		"a long header":           {"GET /relay HTTP/1.1\r\nX: " + strings.Repeat("x", 2*maxHandshake), "", Handshake},
		"another path":            {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 ", Handshake},
		"no upgrade":              {"GET /relay HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 426 ", Handshake},
		"a websocket":             {"GET /relay HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n", "HTTP/1.1 426 ", Handshake},
		"POST":                    {"POST /relay HTTP/1.1\r\nHost: x\r\nUpgrade: iroh derp http\r\n\r\n", "HTTP/1.1 400 ", Handshake},
		"a body":                  {"GET /relay HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nUpgrade: iroh derp http\r\n\r\n", "HTTP/1.1 400 ", Handshake},
		"a forged proof":          {upgrade + string(broken), "HTTP/1.1 101 ", Proof},
		"half a proof":            {upgrade + proof[:60], "HTTP/1.1 101 ", Proof},
		"a packet before a proof": {upgrade + other(frame.Frame{Type: frame.SendPacket}) + proof, "HTTP/1.1 101 ", Proof},
		"no proof":                {upgrade, "HTTP/1.1 101 ", Proof},
		"another protocol":        {upgrade + "SSH-2.0-x\r\n", "HTTP/1.1 101 ", Proof},
		"an endless proof":        {upgrade + "\x02\xff\xff\xff\xff", "HTTP/1.1 101 ", Proof},
		"an unknown frame":        {upgrade + proof + "\x09\x00\x00\x00\x00", "HTTP/1.1 101 ", Malformed},
		"a frame too long":        {upgrade + proof + "\x04\x00\x10\x00\x00", "HTTP/1.1 101 ", Malformed},
		"a second proof":          {upgrade + proof + proof, "HTTP/1.1 101 ", Malformed},
		"a packet from another":   {upgrade + proof + other(frame.Frame{Type: frame.ReceivePacket}), "HTTP/1.1 101 ", Malformed},
		"a relay's news":          {upgrade + proof + other(frame.Frame{Type: frame.PeerGone}), "HTTP/1.1 101 ", Malformed},
		"a relay's restart":       {upgrade + proof + other(frame.Frame{Type: frame.Restarting, Data: make([]byte, 8)}), "HTTP/1.1 101 ", Malformed},
		"a relay's health":        {upgrade + proof + other(frame.Frame{Type: frame.Health, Data: []byte("ill")}), "HTTP/1.1 101 ", Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			before := r.of(tt.reason)
			conn := r.dial(t).(*net.UnixConn)
			if _, err := io.WriteString(conn, tt.text); err != nil && !strings.Contains(err.Error(), "broken pipe") {
				t.Fatal(err)
			}
			if err := conn.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(conn)
			if err != nil && !strings.Contains(err.Error(), "reset") || !strings.HasPrefix(string(answer), tt.answer) || tt.answer == "" && len(answer) > 0 {
				t.Errorf("got %q, %v; want %q", answer, err, tt.answer)
			}
			r.until(t, "it is counted", func() bool { return r.refused[tt.reason] == before+1 })
		})
	}
	r.until(t, "all have left", func() bool { return r.now == 0 })
	a, b := r.client(t), r.client(t)
	if err := a.Send(b.Key, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if f, err := b.Next(); err != nil || string(f.Data) != "hello" {
		t.Errorf("got %v, %v", f, err)
	}
}

// TestSilence passes the time by hand.
func TestSilence(t *testing.T) {
	r := start(t, nil)
	a := r.client(t)
	at := r.find(a.Key)
	heard := time.Duration(at.heard.Load())
	at.check(heard + pingAfter - time.Second) // says nothing
	at.check(heard + pingAfter + pingJitter)
	f, err := a.Frame()
	if err != nil || f.Type != frame.Ping {
		t.Fatalf("got %v, %v; want a ping", f, err)
	}
	at.check(heard + pingAfter + pingJitter + pongTime - 1)
	if err := a.Ping(); err != nil {
		t.Fatal(err) // it is still there
	}
	pinged := time.Duration(at.pinged.Load())
	at.heard.Store(int64(pinged - 1)) // as if it had said nothing since
	at.check(pinged + pongTime + 1)
	if _, err := a.Next(); err == nil || r.of(Silent) != 1 {
		t.Errorf("a silent client: got %v, and %d silent ones", err, r.of(Silent))
	}

	b := r.client(t)
	if err := b.Write([]byte{byte(frame.SendPacket), 0, 0}); err != nil {
		t.Fatal(err)
	}
	half := r.find(b.Key)
	for deadline := time.Now().Add(patience); half.began.Load() == 0 && time.Now().Before(deadline); {
		if err := b.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
	}
	half.check(time.Duration(half.began.Load()) + frameTime + 1)
	if _, err := b.Next(); err == nil || r.of(Silent) != 2 {
		t.Errorf("half a frame: got %v, and %d silent ones", err, r.of(Silent))
	}
}

// TestSlowReader has a client get more than it reads: the rest is dropped, but for what
// must not be late, and the sender continues.
func TestSlowReader(t *testing.T) {
	r := start(t, nil)
	a, b := r.client(t), r.client(t)
	packet, urgent := make([]byte, 60<<10), append([]byte("TS\U0001F4AC"), make([]byte, 100)...)
	for r.of(Queue) == 0 {
		if err := a.Send(b.Key, packet); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Send(b.Key, urgent); err != nil {
		t.Fatal(err)
	}
	if err := a.Ping(); err != nil {
		t.Fatal(err)
	}
	if used := r.memory.used.Load(); used > 2*maxQueue {
		t.Errorf("%d bytes wait", used)
	}
	for {
		f, err := b.Next()
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(f.Data, urgent) {
			break
		}
	}
}

func TestBandwidth(t *testing.T) {
	r := start(t, func(o *Options) { o.Bandwidth = 256 << 10 })
	a, b := r.client(t), r.client(t)
	for range 6 {
		if err := a.Send(b.Key, make([]byte, 60<<10)); err != nil {
			t.Fatal(err)
		}
	}
	r.until(t, "packets beyond the bandwidth are dropped", func() bool { return r.refused[Bandwidth] > 0 })
}

// TestClientBandwidth has a client wait that sends too much; nothing of it is lost.
func TestClientBandwidth(t *testing.T) {
	const second, n, size = 1 << 20, 40, 50 << 10
	r := start(t, func(o *Options) { o.ClientBandwidth = second })
	a, b := r.client(t), r.client(t)
	began := time.Now()
	for range n {
		if err := a.Send(b.Key, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if f, err := b.Next(); err != nil || len(f.Data) != size {
			t.Fatal(err)
		}
	}
	// A second's worth may come at once, and what is read at once is passed on.
	least := time.Duration(n*size-second-2*readSize) * time.Second / second
	if took := time.Since(began); took < least {
		t.Errorf("%d bytes at %d a second took %v", n*size, second, took)
	}
}

// TestMemory has clients begin more frames than there is memory for.
func TestMemory(t *testing.T) {
	const many = maxMemory/(64<<10) + 20
	r := start(t, func(o *Options) { o.Clients = many })
	begun := frame.Append(nil, frame.Frame{Type: frame.SendPacket, Data: make([]byte, frame.MaxPacket)})
	for range many {
		c := r.client(t)
		if err := c.Write(begun[:len(begun)-1]); err != nil {
			t.Fatal(err)
		}
	}
	r.until(t, "some are refused", func() bool { return r.refused[Memory] > 0 })
	if used := r.memory.used.Load(); used > maxMemory {
		t.Errorf("%d bytes are in use", used)
	}
}
