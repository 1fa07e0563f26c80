package maillog

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"chatmaild/applets/maillog/control"
)

// asked starts the socket at which a daemon is asked.
func (m *machine) asked() string {
	m.t.Helper()
	path := filepath.Join(m.t.TempDir(), "control")
	l, err := net.Listen("unix", path)
	if err != nil {
		m.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.daemon.inquiries(ctx, l) }()
	m.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			m.t.Error(err)
		}
	})
	return path
}

// screen is a terminal that watches.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// count says how many watch.
func (w *watched) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.watchers)
}

func TestWatch(t *testing.T) {
	m := start(t)
	path := m.asked()
	const line = "Nov 28 22:00:05 postfix/qmgr[5]: 4c1: from=<alice@relay.test>, size=2048"
	var shown screen
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- control.Watch(ctx, path, time.Hour, &shown) }()
	for !strings.Contains(shown.String(), line+"\n") {
		m.log("<22>" + line)
		if got := m.journaled(); strings.Contains(got, "alice") {
			t.Fatalf("the journal got %s", got)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	// It ends automatically, and leaves nobody behind.
	if err := control.Watch(t.Context(), path, time.Second, io.Discard); err != nil {
		t.Error(err)
	}
	for m.daemon.watched.count() > 0 {
		m.log("<22>x") // the first has been told to go
		m.journaled()
	}
}

func TestName(t *testing.T) {
	m := start(t)
	path := m.asked()
	got, err := control.Name(t.Context(), path, "Alice@Relay.test")
	if want := m.daemon.names.name("alice@relay.test"); err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	if _, err := control.Name(t.Context(), path, "a\nwatch 1"); err == nil {
		t.Error("got no error for a name with a line's end")
	}
	if _, err := control.Name(t.Context(), filepath.Join(t.TempDir(), "none"), "x"); err == nil {
		t.Error("got no error without a daemon")
	}
}

func TestRefused(t *testing.T) {
	m := start(t)
	path := m.asked()
	for request, want := range map[string]string{
		"watch 0":                               "error watch 0: want between 1 and 86400 seconds\n",
		"watch 86401":                           "error watch 86401: want between 1 and 86400 seconds\n",
		"watch":                                 "error watch : want between 1 and 86400 seconds\n",
		"stop":                                  "error unknown request \"stop\"\n",
		strings.Repeat("x", control.MaxRequest): "error the request is not terminated\n",
	} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "%s\n", request)
		if got, err := io.ReadAll(conn); err != nil && len(got) == 0 || string(got) != want {
			t.Errorf("%.20s: got %q, %v, want %q", request, got, err, want)
		}
		conn.Close()
	}
	for range maxWatchers {
		if _, err := m.daemon.watched.add(); err != nil {
			t.Fatal(err)
		}
	}
	if err := control.Watch(t.Context(), path, time.Second, io.Discard); err == nil || err.Error() != errWatchers.Error() {
		t.Errorf("got %v, want %v", err, errWatchers)
	}
}
