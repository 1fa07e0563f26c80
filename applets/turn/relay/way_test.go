package relay

import (
	"net"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"chatmaild/applets/service/packetinfo"
	"chatmaild/testdata/kit/turnwire"
)

// TestWayBack has clients ask an address of the machine that is not the one from which the
// kernel would answer. They are connected to it: nothing from elsewhere gets through.
func TestWayBack(t *testing.T) {
	for network, listen := range map[string]string{"udp4": "0.0.0.0:0", "udp": "[::]:0"} {
		t.Run(listen, func(t *testing.T) {
			conn, err := net.ListenPacket(network, listen)
			if err != nil {
				t.Fatal(err)
			}
			// Before anything comes in, as systemd does.
			if err := packetinfo.Enable(conn.(*net.UDPConn)); err != nil {
				t.Fatal(err)
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			address, _, _ := startOn(t, conn, l, nil)
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				t.Fatal(err)
			}
			address = net.JoinHostPort("127.0.0.2", port)
			a, b := newTalker(t, address), newTalker(t, address)
			there, here := b.relayed(1), a.relayed(1)
			a.bind(there)
			// What it has no channel for, the library sends.
			if got, _ := b.say(line{turnwire.CreatePermission, []stun.Setter{peer(here)}, "", success}); got != success {
				t.Fatalf("a permission: got %d", got)
			}
			a.send([]byte("hello"))
			if _, message := b.receive(5 * time.Second); message == nil || message.Type.Method != stun.MethodData {
				t.Errorf("got %v, want an indication of data", message)
			}
			b.bind(here)
			a.send([]byte("again"))
			if data, _ := b.receive(5 * time.Second); string(data) != "again" {
				t.Errorf("by a channel: got %q", data)
			}
		})
	}
}

// TestNoWayBack is silent about what says nothing.
func TestNoWayBack(t *testing.T) {
	for _, control := range [][]byte{nil, make([]byte, 3), make([]byte, 40)} {
		if way := wayBack(control); way != nil {
			t.Errorf("%x: got %x", control, way)
		}
	}
}
