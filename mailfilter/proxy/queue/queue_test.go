package queue

import (
	"bufio"
	"bytes"
	"net"
	"strings"
	"testing"
	"time"
)

// TestIdleEnds: the bounds of reuse.
func TestIdleEnds(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name       string
		used, born time.Duration // ago
		want       bool
	}{
		{"fresh", 0, 0, true},
		{"idle for long", maxIdleTime, maxIdleTime, false},
		{"busy for long", 0, maxAge, false},
	} {
		near, far := net.Pipe()
		go func() { _, _ = far.Read(make([]byte, 10)); far.Close() }()
		q := &Pool{idle: []*link{{conn: near, used: now.Add(-tt.used), born: now.Add(-tt.born)}}}
		if got := q.take(now) != nil; got != tt.want {
			t.Errorf("%s: taken: %v, want %v", tt.name, got, tt.want)
		}
		if len(q.idle) != 0 {
			t.Errorf("%s: still in the pool", tt.name)
		}
	}
}

// FuzzReply reads replies of the queue: none is longer than allowed, and what
// counts as one can be handed on.
func FuzzReply(f *testing.F) {
	for _, seed := range []string{"250 Ok\r\n", "250\r\n", "250-a\r\n250 b\r\n", "2x0 a\r\n", "250 a\n", "999 a\r\n", "250+a\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ReadReply(bufio.NewReaderSize(bytes.NewReader(data), 1024))
		if err != nil {
			return
		}
		if len(r) > maxReply || !bytes.HasPrefix(data, []byte(r)) || !strings.HasSuffix(string(r), "\r\n") || r.class() < '2' || r.class() > '5' {
			t.Fatalf("took %q for a reply", r)
		}
	})
}
