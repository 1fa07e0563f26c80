package proxyheader

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// connection comes from an address; its peer has said all that it will ever say.
type connection struct {
	net.Conn
	from string
	said io.Reader
}

func (c *connection) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(c.from), 1234))
}

func (c *connection) Read(b []byte) (int, error)      { return c.said.Read(b[:min(len(b), 7)]) }
func (c *connection) SetReadDeadline(time.Time) error { return nil }

func TestAccept(t *testing.T) {
	const header = "PROXY TCP4 192.0.2.1 127.0.0.1 1234 443\r\n"
	for _, test := range []struct {
		from, said string
		client     string // "": an error
		rest       string
	}{
		{"127.0.0.1", header, "192.0.2.1", ""},
		{"::1", header + "EHLO phone\r\n", "192.0.2.1", "EHLO phone\r\n"},
		{"::ffff:127.0.0.1", header + "\x16\x03\x01", "192.0.2.1", "\x16\x03\x01"},
		{"192.0.2.9", header, "", header},
		{"127.0.0.1", "EHLO phone\r\n" + header, "", ""},
		{"127.0.0.1", header[:20], "", ""},
		{"127.0.0.1", "", "", ""},
	} {
		conn, client, err := Accept(&connection{from: test.from, said: strings.NewReader(test.said)})
		if (err == nil) != (test.client != "") || err == nil && client.String() != test.client {
			t.Errorf("%s, %q: got %v, %v; want %q", test.from, test.said, client, err, test.client)
		}
		if err != nil {
			continue
		}
		if rest, err := io.ReadAll(conn); string(rest) != test.rest || err != nil {
			t.Errorf("%s, %q: %q, %v is behind it, want %q", test.from, test.said, rest, err, test.rest)
		}
	}
	if got := Address(&connection{from: "fe80::1%eth0"}); got != netip.MustParseAddr("fe80::1") {
		t.Errorf("got %v", got)
	}
}
