package dict

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"chatmaild/testdata/kit/unixsocket"
)

// fakeHandler knows the keys of its map, and keeps what is committed.
type fakeHandler struct {
	values map[string]string
	begun  chan struct{} // closed by the look-up of "shared/block", if not nil
	block  chan struct{} // that look-up waits for it

	mu      sync.Mutex
	commits []string
}

func (h *fakeHandler) Lookup(ctx context.Context, key, user string) (string, bool, error) {
	switch key {
	case "shared/block":
		if h.begun != nil {
			close(h.begun)
		}
		select {
		case <-h.block:
		case <-ctx.Done():
			return "", false, ctx.Err()
		}
	case "shared/fail":
		return "", false, errors.New("out of\torder")
	case "shared/panic":
		panic("a bug")
	case "shared/user":
		return user, true, nil
	}
	v, ok := h.values[key]
	return v, ok, nil
}

func (h *fakeHandler) Iterate(_ context.Context, path, _ string, yield func(key, value string) error) error {
	if path == "shared/fail/" {
		return errors.New("out of order")
	}
	for i := range 3 {
		if err := yield(fmt.Sprintf("%s%d", path, i), "v\n"); err != nil {
			return err
		}
	}
	return nil
}

func (h *fakeHandler) Commit(_ context.Context, user string, changes []Change) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range changes {
		if c.Key == "fail" {
			return errors.New("disk full")
		}
		h.commits = append(h.commits, fmt.Sprintf("%s %s=%q %t", user, c.Key, c.Value, c.Unset))
	}
	return nil
}

// start serves on a socket and returns how to connect, and how to stop.
func start(t *testing.T, s Server) (dial func() net.Conn, stop func() error) {
	t.Helper()
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	path, stop := unixsocket.Serve(t, s.Serve)
	return func() net.Conn { return unixsocket.Dial(t, path) }, stop
}

// talk sends text and returns all that comes back until the end.
func talk(t *testing.T, c net.Conn, text string) string {
	t.Helper()
	go func() {
		_, _ = io.WriteString(c, text)
		_ = c.(*net.UnixConn).CloseWrite()
	}()
	got, _ := io.ReadAll(c)
	return string(got)
}

func TestDialogues(t *testing.T) {
	many := strings.Builder{}
	for i := range maxTransactions + 1 {
		fmt.Fprintf(&many, "B%d\tu\n", i)
	}
	for _, tt := range []struct{ name, send, want string }{
		{"lookup", "H3\t2\t0\t\tauth\nLshared/a\tu\n", "Ob\001tc\n"},
		{"2.2's hello", "H2\t1\t0\tme\tauth\nLshared/user\n", "Ome\n"},
		{"2.4's hello", "H4\t0\t0\t\tauth\nLshared/user\tyou\n", "Oyou\n"},
		{"no hello", "Lshared/a\n", "Ob\001tc\n"},
		{"unknown version", "H9\t0\t0\t\tauth\nLshared/a\tu\n", ""},
		{"not found", "Lshared/none\tu\n", "N\n"},
		{"failure", "Lshared/fail\tu\nLshared/a\tu\n", "Fout of\001torder\nOb\001tc\n"},
		{"escaped key", "Lshared/x\001ty\tu\n", "Ofound\n"},
		{"iterate", "I0\t0\tp/\tu\n", "Op/0\tv\001n\nOp/1\tv\001n\nOp/2\tv\001n\n\n"},
		{"iterate with a limit", "I0\t2\tp/\tu\nLshared/none\n", "Op/0\tv\001n\nOp/1\tv\001n\n\nN\n"},
		{"iterate fails", "I0\t0\tshared/fail/\tu\n", "Fout of order\n"},
		{"iterate without path", "I0\n", "Fiterate: want flags, number of rows and path\n"},
		{"empty line", "\n\nLshared/none\n", "N\n"},
		{"unknown command", "Zx\ny\n\xff\nLshared/none\n", "N\n"},
		{"commit", "B1\tu\nS1\tk\tv\001n\nT1\t1\t2\nV1\tyes\nU1\told\nC1\n", "O1\n"},
		{"commit of 2.4", "B7\tu\t3600\nS7\tk\tv\nC7\n", "O7\n"},
		{"asynchronous commit", "B1\tu\nS1\tk\tv\nD1\n", "AO1\n"},
		{"failing commit", "B1\tu\nS1\tfail\tv\nC1\n", "F1\tdisk full\n"},
		{"rollback", "B1\tu\nS1\tk\tv\nR1\nC1\n", "F1\tno such transaction\n"},
		{"commit of nothing", "C5\n", "F5\tno such transaction\n"},
		{"id used twice", "B1\tu\nB1\tu\nC1\n", "F1\tits id was used twice\n"},
		{"increment", "B1\tu\nA1\tk\t5\nC1\n", "F1\tatomic increments are not supported\n"},
		{"set without value", "B1\tu\nS1\tk\nC1\n", "F1\ta change without key or value\n"},
		{"too many transactions", many.String() + "C64\nC0\n", "F64\tno such transaction\nO0\n"},
		{"half a line", "Lshared/a", ""},
		{"long line within bounds", "L" + strings.Repeat("x", 60_000) + "\n", "N\n"},
		{"a line too long", "Lshared/a\nL" + strings.Repeat("x", DefaultMaxLine), "Ob\001tc\n"},
		{"too much in a transaction", "B1\tu\n" + strings.Repeat("S1\tk\t"+strings.Repeat("v", 60_000)+"\n", 20) + "C1\n",
			"F1\tmore than 1048576 bytes in open transactions\n"},
		{"too many changes", "B1\tu\n" + strings.Repeat("S1\t\t\n", 20_000) + "C1\n",
			"F1\tmore than 1048576 bytes in open transactions\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dial, _ := start(t, Server{Handler: &fakeHandler{values: map[string]string{"shared/a": "b\tc", "shared/x\ty": "found"}}})
			if got := talk(t, dial(), tt.send); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

// All changes of a transaction arrive at once and in order; interleaved
// transactions, and those of other connections with the same id, are apart.
func TestTransactionsAreApart(t *testing.T) {
	h := &fakeHandler{}
	dial, _ := start(t, Server{Handler: h})
	a, b := dial(), dial()
	fmt.Fprint(a, "B1\talice\nS1\ta\t1\nB2\tanna\nS2\tc\t3\n")
	if got, want := talk(t, b, "B1\tbob\nS1\tb\t2\nC1\n"), "O1\n"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	if got, want := talk(t, a, "U1\td\nC2\nC1\n"), "O2\nO1\n"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	want := `bob b="2" false|anna c="3" false|alice a="1" false|alice d="" true`
	if got := strings.Join(h.commits, "|"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSlowPeerHarmsNobody(t *testing.T) {
	h := &fakeHandler{block: make(chan struct{}), values: map[string]string{"shared/a": "1"}}
	dial, _ := start(t, Server{Handler: h})
	slow := dial()
	fmt.Fprint(slow, "Lshared/block\tu\nLshared/a\tu\n")
	fmt.Fprint(dial(), "Lhalf a line")
	fmt.Fprint(dial(), "Lshared/panic\tu\n")
	if got := talk(t, dial(), "Lshared/a\tu\n"); got != "O1\n" {
		t.Fatalf("got %q beside a slow peer", got)
	}
	close(h.block)
	if got := talk(t, slow, ""); got != "N\nO1\n" {
		t.Errorf("the slow peer got %q", got)
	}
}

// A look-up that takes too long is a temporary failure.
func TestRequestTimeout(t *testing.T) {
	dial, _ := start(t, Server{Handler: &fakeHandler{}, RequestTimeout: 10 * time.Millisecond})
	if got, want := talk(t, dial(), "Lshared/block\tu\nLx\n"), "Fcontext deadline exceeded\nN\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTooManyConnections(t *testing.T) {
	dial, _ := start(t, Server{Handler: &fakeHandler{}, MaxConns: 1})
	first := dial()
	ask := func() string {
		fmt.Fprint(first, "Lx\n")
		line, _ := bufio.NewReader(first).ReadString('\n')
		return line
	}
	if got := ask(); got != "N\n" {
		t.Fatalf("got %q", got)
	}
	if got := talk(t, dial(), "Lx\n"); got != "" {
		t.Errorf("one connection too many got %q", got)
	}
	if got := ask(); got != "N\n" {
		t.Errorf("the first connection got %q afterwards", got)
	}
}

// A peer that never reads loses its connection, and its iteration ends.
func TestPeerThatDoesNotRead(t *testing.T) {
	ended := make(chan error, 1)
	dial, _ := start(t, Server{Handler: endless{ended}, WriteTimeout: 50 * time.Millisecond})
	fmt.Fprint(dial(), "I0\t0\tp/\tu\n")
	if err := <-ended; err == nil {
		t.Error("the iteration ended without an error")
	}
}

type endless struct{ ended chan error }

func (endless) Lookup(context.Context, string, string) (string, bool, error) { return "", false, nil }
func (endless) Commit(context.Context, string, []Change) error               { return nil }
func (e endless) Iterate(_ context.Context, path, _ string, yield func(key, value string) error) error {
	for {
		if err := yield(path+"x", strings.Repeat("v", 1000)); err != nil {
			e.ended <- err
			return err
		}
	}
}

// Stopping finishes the request in hand, and no more.
func TestDrain(t *testing.T) {
	h := &fakeHandler{begun: make(chan struct{}), block: make(chan struct{})}
	dial, stop := start(t, Server{Handler: h})
	busy, idle := dial(), dial()
	fmt.Fprint(busy, "Lx\nLshared/block\tu\n")
	if line, _ := bufio.NewReader(busy).ReadString('\n'); line != "N\n" {
		t.Fatalf("got %q", line)
	}
	fmt.Fprint(idle, "Lx\n")
	if line, _ := bufio.NewReader(idle).ReadString('\n'); line != "N\n" {
		t.Fatalf("got %q", line)
	}
	<-h.begun
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	if rest, err := io.ReadAll(idle); err != nil || len(rest) > 0 {
		t.Errorf("the idle connection got %q, %v", rest, err)
	}
	select {
	case err := <-stopped:
		t.Fatalf("stopped with a request in hand: %v", err)
	default:
	}
	close(h.block)
	if rest, _ := io.ReadAll(busy); string(rest) != "N\n" {
		t.Errorf("the busy connection got %q", rest)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestClient(t *testing.T) {
	h := &fakeHandler{values: map[string]string{"report": "a\tb\n"}}
	s := Server{Handler: h, Log: slog.New(slog.DiscardHandler)}
	path, _ := unixsocket.Serve(t, s.Serve)
	ctx := t.Context()
	c, err := Dial(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Commit(ctx, "u\tv", []Change{{Key: "k", Value: "1\n2"}, {Key: "old", Unset: true}}); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(h.commits, "|"), "u\tv k=\"1\\n2\" false|u\tv old=\"\" true"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := c.Commit(ctx, "u", []Change{{Key: "fail"}}); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("got error %v, want disk full", err)
	}
	if value, err := Ask(ctx, path, "report"); value != "a\tb\n" || err != nil {
		t.Errorf("Ask: got %q, %v", value, err)
	}
	for _, key := range []string{"nothing", "shared/fail"} {
		if value, err := Ask(ctx, path, key); err == nil {
			t.Errorf("Ask for %s: got %q, want an error", key, value)
		}
	}
}

// FuzzServer: whatever a peer sends, others are served, and nothing of it is
// committed that was not between a BEGIN and a COMMIT.
func FuzzServer(f *testing.F) {
	f.Add([]byte("H3\t2\t0\t\tauth\nLshared/a\tu\nI0\t0\tp/\tu\nB1\tu\nS1\tk\tv\nU1\tk\nC1\nD1\nR1\n"))
	f.Add([]byte("B1\n\xff\x00\x01\nS1\t\001\nA1\tk\t1\nC1\t\t\t\t\t\t"))
	f.Add([]byte("H9\t2\nLshared/a\tu\n"))
	f.Fuzz(func(t *testing.T, input []byte) {
		h := &fakeHandler{}
		s := (&Server{Handler: h, Log: slog.New(slog.DiscardHandler)}).withDefaults()
		client, server := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer server.Close() // as accept.Loop does
			s.serveConn(context.Background(), server)
		}()
		go func() {
			_, _ = client.Write(input)
			client.Close()
		}()
		_, _ = io.Copy(io.Discard, client)
		<-done
		if len(h.commits) > 0 && !strings.Contains(string(input), "C") && !strings.Contains(string(input), "D") {
			t.Fatalf("committed %q", h.commits)
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	s := (&Server{Handler: &fakeHandler{values: map[string]string{"shared/a": "1"}}, Log: slog.New(slog.DiscardHandler)}).withDefaults()
	client, server := net.Pipe()
	go s.serveConn(context.Background(), server)
	in := bufio.NewReader(client)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := io.WriteString(client, "Lshared/a\tu\n"); err != nil {
			b.Fatal(err)
		}
		if _, err := in.ReadSlice('\n'); err != nil {
			b.Fatal(err)
		}
	}
	client.Close()
}
