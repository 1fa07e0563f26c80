package bridge

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// record is what a bridge has told.
type record struct {
	mu      sync.Mutex
	refused []Reason

	connected, left chan int // how many clients there are then
}

func (r *record) Connected(now int) { r.connected <- now }
func (r *record) Left(now int)      { r.left <- now }
func (r *record) Refused(why Reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused = append(r.refused, why)
}

// wentBy holds that one client more came and went, beside others.
func (r *record) wentBy(t *testing.T, others int) {
	t.Helper()
	if came, left := <-r.connected, <-r.left; came != others+1 || left != others {
		t.Errorf("there were %d clients, then %d; want %d, then %d", came, left, others+1, others)
	}
}

func (r *record) has(t *testing.T, want ...Reason) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.refused, want) {
		t.Errorf("refused: got %q, want %q", r.refused, want)
	}
}

// front is a bridge as nginx sees it.
type front struct {
	*record
	bridge *Bridge
	client *http.Client
}

// start serves a bridge for one client to the server at path /imap until the test ends.
func start(t *testing.T, server string) front {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	r := &record{connected: make(chan int, 100), left: make(chan int, 100)}
	b := New(Options{Servers: map[string]string{"/imap": server}, Clients: 1, Events: r, Log: slog.New(slog.DiscardHandler)})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return front{r, b, &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}}
}

func (f front) dial(t *testing.T, path string, header http.Header, protocols ...string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	return websocket.Dial(t.Context(), "ws://relay.test"+path, &websocket.DialOptions{
		HTTPClient: f.client, HTTPHeader: header, Subprotocols: protocols,
	})
}

func from(addr string) http.Header { return http.Header{"X-Real-Ip": {addr}} }

// mailServer greets, and says each line again; "quit" ends it.
func mailServer(t *testing.T) (address string, headers chan []byte) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	headers = make(chan []byte, 10)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				fixed := make([]byte, 16)
				if _, err := io.ReadFull(in, fixed); err != nil {
					return
				}
				rest := make([]byte, int(fixed[14])<<8|int(fixed[15]))
				if _, err := io.ReadFull(in, rest); err != nil {
					return
				}
				headers <- append(fixed, rest...)
				io.WriteString(conn, "* OK\r\n")
				for {
					line, err := in.ReadString('\n')
					if err != nil || line == "quit\r\n" {
						return
					}
					io.WriteString(conn, line)
				}
			}()
		}
	}()
	return l.Addr().String(), headers
}

// read reads as many bytes as want has, in however many messages.
func read(t *testing.T, c *websocket.Conn, want string) {
	t.Helper()
	var got []byte
	for len(got) < len(want) {
		kind, data, err := c.Read(t.Context())
		if err != nil || kind != websocket.MessageBinary {
			t.Fatalf("got %q of %q, a %v, %v", got, want, kind, err)
		}
		got = append(got, data...)
	}
	if string(got) != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func TestDialogue(t *testing.T) {
	address, headers := mailServer(t)
	for _, tt := range []struct {
		name, client string
		kind         websocket.MessageType
		protocols    []string
		protocol     string
	}{
		{"binary", "192.0.2.1", websocket.MessageBinary, []string{"binary"}, "binary"},
		{"text", "2001:db8::1", websocket.MessageText, nil, ""},
		{"another protocol", "192.0.2.1", websocket.MessageBinary, []string{"base64"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t, address)
			c, _, err := f.dial(t, "/imap", from(tt.client), tt.protocols...)
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			if got, want := <-headers, proxyHeader(netip.MustParseAddr(tt.client)); !bytes.Equal(got, want) {
				t.Errorf("PROXY protocol: got %x, want %x", got, want)
			}
			if c.Subprotocol() != tt.protocol {
				t.Errorf("got subprotocol %q, want %q", c.Subprotocol(), tt.protocol)
			}
			read(t, c, "* OK\r\n")
			// A line in two messages, and one that is longer than any buffer.
			for _, part := range []string{"a l", "ine\r\n"} {
				if err := c.Write(t.Context(), tt.kind, []byte(part)); err != nil {
					t.Fatal(err)
				}
			}
			read(t, c, "a line\r\n")
			c.SetReadLimit(-1)
			long := strings.Repeat("x", 1<<20) + "\r\n"
			if err := c.Write(t.Context(), tt.kind, []byte(long)); err != nil {
				t.Fatal(err)
			}
			read(t, c, long)
			if err := c.Write(t.Context(), tt.kind, []byte("quit\r\n")); err != nil {
				t.Fatal(err)
			}
			if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
				t.Errorf("the end: got %v, want a normal closure", err)
			}
			f.wentBy(t, 0)
			f.has(t)
		})
	}
}

// TestGoodbye holds that the server is told when the client goes, and how it goes does not matter.
func TestGoodbye(t *testing.T) {
	address, headers := mailServer(t)
	f := start(t, address)
	for _, leave := range []func(*websocket.Conn){
		func(c *websocket.Conn) { c.Close(websocket.StatusNormalClosure, "") },
		func(c *websocket.Conn) { c.CloseNow() },
	} {
		c, _, err := f.dial(t, "/imap", from("192.0.2.1"))
		if err != nil {
			t.Fatal(err)
		}
		<-headers
		read(t, c, "* OK\r\n")
		leave(c)
		f.wentBy(t, 0)
	}
	f.has(t)
}

func TestRefusals(t *testing.T) {
	address, headers := mailServer(t)
	f := start(t, address)
	for _, tt := range []struct {
		name, path string
		header     http.Header
		status     int
	}{
		{"another path", "/pop", from("192.0.2.1"), http.StatusNotFound},
		{"no client", "/imap", nil, http.StatusNotFound},
		{"no address", "/imap", from("unix:"), http.StatusNotFound},
		{"a page of another site", "/imap", http.Header{"X-Real-Ip": {"192.0.2.1"}, "Origin": {"https://evil.test"}}, http.StatusForbidden},
	} {
		_, response, err := f.dial(t, tt.path, tt.header)
		if err == nil || response == nil || response.StatusCode != tt.status {
			t.Errorf("%s: got %+v, %v, want status %d", tt.name, response, err, tt.status)
		}
	}
	f.wentBy(t, 0) // the page

	c, _, err := f.dial(t, "/imap", from("192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	<-headers
	<-f.connected
	if _, response, err := f.dial(t, "/imap", from("192.0.2.2")); err == nil || response == nil || response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one client too many: got %+v, %v", response, err)
	}
	f.wentBy(t, 1)
	f.has(t, Handshake, Handshake, Handshake, Handshake, Full)
}

// TestNoServer holds that a client is sent away for a while where nothing listens.
func TestNoServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	f := start(t, l.Addr().String())
	c, _, err := f.dial(t, "/imap", from("192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusTryAgainLater {
		t.Errorf("got %v", err)
	}
	f.wentBy(t, 0)
	f.has(t, Server)
}

// TestIdle holds that a client about which nothing is heard does not stay.
func TestIdle(t *testing.T) {
	address, headers := mailServer(t)
	f := start(t, address)
	f.bridge.idle = 50 * time.Millisecond
	c, _, err := f.dial(t, "/imap", from("192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	<-headers
	read(t, c, "* OK\r\n")
	if _, _, err := c.Read(t.Context()); err == nil {
		t.Error("the client stays")
	}
	f.wentBy(t, 0)
	f.has(t, Idle)
}

// TestProxyHeader holds that headers are those of the specification, byte for byte.
func TestProxyHeader(t *testing.T) {
	for client, want := range map[string]string{
		"192.0.2.1":        "0d0a0d0a000d0a515549540a" + "2111" + "0014" + "c0000201" + "7f000001" + "0000" + "0000" + "200005" + "01" + "00000001",
		"::ffff:192.0.2.1": "0d0a0d0a000d0a515549540a" + "2111" + "0014" + "c0000201" + "7f000001" + "0000" + "0000" + "200005" + "01" + "00000001",
		"2001:db8::1": "0d0a0d0a000d0a515549540a" + "2121" + "002c" + "20010db8000000000000000000000001" +
			"00000000000000000000000000000001" + "0000" + "0000" + "200005" + "01" + "00000001",
	} {
		if got := hex.EncodeToString(proxyHeader(netip.MustParseAddr(client))); got != want {
			t.Errorf("%s: got %s, want %s", client, got, want)
		}
	}
}
