package proxy

import (
	"net"
	"strings"
	"testing"
)

// sent is a connection that takes what is written.
type sent struct {
	net.Conn
	strings.Builder
}

func (s *sent) Write(b []byte) (int, error) { return s.Builder.Write(b) }

// TestManyReplies: a client that pipelines as many commands as fit has no more replies kept for
// it than its commands may be long, and gets all of them.
func TestManyReplies(t *testing.T) {
	const answer = "250-of a reply that is much longer than its command\r\n"
	conn := &sent{}
	p := peer{conn: conn, arm: func() error { return nil }}
	commands := maxCommand / len("x\r\n")
	p.in = []byte(strings.Repeat("x\r\n", commands))
	for range commands {
		if _, err := p.line(); err != nil {
			t.Fatal(err)
		}
		p.say(answer)
		if len(p.out) > maxCommand+len(answer) {
			t.Fatalf("%d bytes are kept", len(p.out))
		}
	}
	if err := p.flush(); err != nil || conn.String() != strings.Repeat(answer, commands) {
		t.Errorf("%d bytes have come, %v; want %d", conn.Len(), err, commands*len(answer))
	}
}
