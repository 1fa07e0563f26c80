package selftest

import (
	"fmt"
	"net"
	"testing"

	"github.com/pion/turn/v5"
)

// newTurnServer announces a TURN server, unless it is dead one that answers.
func newTurnServer(t *testing.T, dead bool) string {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := conn.LocalAddr().(*net.UDPAddr).Port
	if dead {
		t.Cleanup(func() { conn.Close() })
	} else {
		server, err := turn.NewServer(turn.ServerConfig{
			AuthHandler: func(a *turn.RequestAttributes) (string, []byte, bool) {
				return a.Username, turn.GenerateAuthKey(a.Username, a.Realm, "password"), true
			},
			PacketConnConfigs: []turn.PacketConnConfig{{
				PacketConn: conn, RelayAddressGenerator: &turn.RelayAddressGeneratorNone{Address: "127.0.0.1"},
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { server.Close() })
	}
	return fmt.Sprintf("127.0.0.1:%d:1758650868:password", port)
}
