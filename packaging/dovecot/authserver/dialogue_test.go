package authserver

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// A dialogue is what a real client and we have said on one connection: lines that
// begin with "C " and "S ", with \001 as ^A. TestDovecot writes them with -record.

// TestDialogues says again what the real clients have said, and wants our answers
// to be the same but for their order.
func TestDialogues(t *testing.T) {
	paths, err := filepath.Glob("testdata/dialogue/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no dialogues: %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			bubble(t, func(t *testing.T, r *relay) {
				r.accounts.names = []string{alice}
				name := strings.Split(filepath.Base(path), "-")[1]
				p := r.connect(t, map[string]func(context.Context, net.Listener) error{
					"login": r.ServeLogin, "sasl": r.ServeSASL, "master": r.ServeMaster, "userdb": r.ServeUserdb,
				}[name])
				var want, got []string
				for line := range strings.Lines(string(text)) {
					line = strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "^A", "\x01")
					if said, ok := strings.CutPrefix(line, "C "); ok {
						synctest.Wait() // as it was: answers come before the next question
						p.send(said)
					} else if said, ok := strings.CutPrefix(line, "S "); ok {
						want = append(want, said)
						got = append(got, anonymous(<-p.lines))
					}
				}
				slices.Sort(want)
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Errorf("got  %q\nwant %q", got, want)
				}
			})
		})
	}
}

// anonymous replaces what differs each time: the server's process, the number of a
// connection, and its cookie.
func anonymous(line string) string {
	for _, word := range []string{"SPID", "CUID", "COOKIE"} {
		if strings.HasPrefix(line, word+"\t") {
			return word + "\t…"
		}
	}
	return line
}

// recording notes what is said on a listener's connections, if -record is given.
type recording struct {
	net.Listener
	name string
}

var recorded atomic.Int64

func (l *recording) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil || *record == "" {
		return c, err
	}
	path := filepath.Join(*record, fmt.Sprintf("%s-%d.txt", l.name, recorded.Add(1)))
	return &recorder{Conn: c, path: path}, nil
}

// recorder notes whole lines: the peers of ours send no others.
type recorder struct {
	net.Conn
	path string
	mu   sync.Mutex
	text bytes.Buffer
}

func (c *recorder) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.note("C ", b[:n])
	return n, err
}

func (c *recorder) Write(b []byte) (int, error) {
	c.note("S ", b)
	return c.Conn.Write(b)
}

func (c *recorder) note(who string, b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		if who == "S " {
			line = anonymous(line)
		}
		fmt.Fprintf(&c.text, "%s%s\n", who, strings.ReplaceAll(line, "\x01", "^A"))
	}
	_ = os.WriteFile(c.path, c.text.Bytes(), 0o644)
}
