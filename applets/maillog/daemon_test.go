package maillog

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A machine has a daemon between a server and a journal.
type machine struct {
	t       *testing.T
	daemon  *daemon
	server  *net.UnixConn // where it logs
	journal *net.UnixConn
	said    *strings.Builder // by the daemon itself
	stop    func() error
}

func datagrams(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func start(t *testing.T) *machine {
	t.Helper()
	dir := t.TempDir()
	m := &machine{t: t, said: new(strings.Builder)}
	m.journal = datagrams(t, filepath.Join(dir, "journal"))
	m.daemon = newDaemon(filepath.Join(dir, "journal"), slog.New(slog.NewTextHandler(m.said, nil)))
	in := datagrams(t, filepath.Join(dir, "log"))
	var err error
	if m.server, err = net.DialUnix("unixgram", nil, &net.UnixAddr{Name: filepath.Join(dir, "log"), Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.daemon.serve(ctx, in) }()
	m.stop = func() error {
		cancel()
		return <-ended
	}
	t.Cleanup(cancel)
	return m
}

func (m *machine) log(line string) {
	m.t.Helper()
	if _, err := m.server.Write([]byte(line)); err != nil {
		m.t.Fatal(err)
	}
}

// journaled returns the next line that the journal gets.
func (m *machine) journaled() string {
	m.t.Helper()
	buf := make([]byte, 1<<16)
	if err := m.journal.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		m.t.Fatal(err)
	}
	n, err := m.journal.Read(buf)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(buf[:n])
}

func TestServe(t *testing.T) {
	m := start(t)
	alice := m.daemon.names.name("alice@relay.test")
	for _, test := range []struct{ line, want string }{
		{"<22>Nov 28 22:00:05 postfix/qmgr[5]: 4c1: from=<alice@relay.test>, size=2048", "<22>Nov 28 22:00:05 postfix/qmgr[5]: 4c1: from=<" + alice + ">, size=2048"},
		{"<22>Nov 28 22:00:05 postfix/smtpd[7]: 4c1: client=unknown, sasl_username=alice@relay.test\n", "<22>Nov 28 22:00:05 postfix/smtpd[7]: 4c1: client=unknown, sasl_username=" + alice},
		{"<alice@relay.test> without priority", "<" + alice + "> without priority"},
		{"<22>" + strings.Repeat("x", 9000), "<22>" + strings.Repeat("x", 9000)},
		{"<22>", "<22>"},
	} {
		m.log(test.line)
		if got := m.journaled(); got != test.want {
			t.Errorf("%.200s:\n got %.200s\nwant %.200s", test.line, got, test.want)
		}
	}
	if err := m.stop(); err != nil {
		t.Error(err)
	}
}

// TestBurst has a server log faster than the daemon wakes up: nothing is lost, and the
// order stays.
func TestBurst(t *testing.T) {
	m := start(t)
	const lines = 2000
	go func() {
		for n := range lines {
			if _, err := fmt.Fprint(m.server, "<22>", n); err != nil {
				return
			}
		}
	}()
	for n := range lines {
		if got, want := m.journaled(), fmt.Sprint("<22>", n); got != want {
			t.Fatalf("line %d: got %q, want %q", n, got, want)
		}
	}
}

// TestJournalAway continues without a journal, and says afterwards what it has missed.
func TestJournalAway(t *testing.T) {
	m := start(t)
	path := m.journal.LocalAddr().String()
	m.log("<22>before")
	m.journaled()
	m.journal.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for range 100 { // more than a socket holds
		m.log("<22>meanwhile")
	}
	m.journal = datagrams(t, path)
	m.log("<22>after")
	for got := ""; got != "<22>after"; got = m.journaled() {
	}
	if err := m.stop(); err != nil {
		t.Error(err)
	}
	if m.daemon.out.lost != 0 || !strings.Contains(m.said.String(), "lost=") {
		t.Errorf("%d lines are lost, and it says %q", m.daemon.out.lost, m.said)
	}
}

// TestSlowJournal loses lines, rather than have servers wait, when the journal takes none.
func TestSlowJournal(t *testing.T) {
	m := start(t)
	const lines = 2000 // more than the journal's socket and the daemon's hold together
	for n := range lines {
		m.log(fmt.Sprint("<22>", n))
	}
	got := 1
	if first := m.journaled(); first != "<22>0" { // there is room for another line now
		t.Errorf("got %s first", first)
	}
	m.log("<22>last")
	for m.journaled() != "<22>last" {
		got++
	}
	if err := m.stop(); err != nil {
		t.Error(err)
	}
	if want := fmt.Sprintf("lost=%d", lines-got); !strings.Contains(m.said.String(), want) {
		t.Errorf("%d of %d lines came, and it says %q, want %s", got, lines, m.said, want)
	}
}

func TestDay(t *testing.T) {
	now := time.Date(2026, 11, 28, 23, 59, 59, 0, time.UTC)
	n := names{now: func() time.Time { return now }}
	first := n.name("alice@relay.test")
	if got := string(n.append(nil, "<alice@relay.test>")); got != "<"+first+">" {
		t.Errorf("within the day: got %s, want <%s>", got, first)
	}
	now = now.Add(time.Second)
	second := n.name("alice@relay.test")
	now = now.Add(-time.Second)
	if third := n.name("alice@relay.test"); first == second || second == third || first == third {
		t.Errorf("got %s, %s the next day, and %s with the clock set back, want three", first, second, third)
	}
}

func FuzzLine(f *testing.F) {
	f.Add([]byte("<22>Nov 28 22:00:05 postfix/qmgr[5]: 4c1: from=<alice@relay.test>, size=2048"))
	f.Add([]byte("<999999>x"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, datagram []byte) {
		priority, text := split(datagram)
		if string(priority)+string(text) != string(datagram) || len(priority) > len("<191>") {
			t.Errorf("got %q and %q of %q", priority, text, datagram)
		}
		d := newDaemon(os.DevNull, slog.New(slog.NewTextHandler(io.Discard, nil)))
		d.line(datagram)
		if strings.Contains(string(d.made), "@") {
			t.Errorf("%q has an address", d.made)
		}
	})
}
