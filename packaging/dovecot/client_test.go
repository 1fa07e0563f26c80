package dovecot_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// idleTimeout is more than a session needs to get into IDLE.
const idleTimeout = 20 * time.Second

type client struct {
	user   string
	conn   net.Conn
	lines  *bufio.Reader
	exists int // messages, as last told
}

// idle logs in and waits in IDLE.
func (d *instance) idle(t *testing.T, user string) *client {
	t.Helper()
	c := &client{user: user}
	await(t, "Dovecot's port", func() bool {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", d.port))
		if err == nil {
			c.conn, c.lines = conn, bufio.NewReader(conn)
		}
		return err == nil
	})
	t.Cleanup(func() { c.conn.Close() })
	fmt.Fprintf(c.conn, "a LOGIN %s x\r\nb SELECT INBOX\r\nc IDLE\r\n", user)
	if !c.reads(t, "+ idling", idleTimeout) {
		t.Fatal("the session does not idle")
	}
	return c
}

// hears reports whether the client is notified of new mail. Without a report after 5 s
// there is none: the slowest way there is, another look, takes two.
func (c *client) hears(t *testing.T) bool {
	t.Helper()
	return c.reads(t, "EXISTS", 5*time.Second)
}

func (c *client) reads(t *testing.T, want string, within time.Duration) bool {
	t.Helper()
	if err := c.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	for {
		line, err := c.lines.ReadString('\n')
		if err != nil {
			return false
		}
		if n, told := strings.CutSuffix(strings.TrimSpace(line), " EXISTS"); told {
			fmt.Sscanf(n, "* %d", &c.exists)
		}
		if strings.Contains(line, want) {
			return true
		}
	}
}
