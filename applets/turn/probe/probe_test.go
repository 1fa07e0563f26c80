package probe

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/turn/v5"

	"chatmaild/applets/turn/quiet"
)

func TestParse(t *testing.T) {
	got, err := Parse("turn.example.org:3478:1758650868:8Dqkyyu11MVESBqjbIylmB06rv8=")
	if want := (Server{"turn.example.org", 3478, "1758650868", "8Dqkyyu11MVESBqjbIylmB06rv8="}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, text := range []string{"", "turn.example.org", "turn.example.org:3478", "a:0:1:p", "a:65536:1:p", "a:x:1:p", ":3478:1:p", "a:3478::p", "a:3478:1:"} {
		if got, err := Parse(text); err == nil {
			t.Errorf("%q: got %+v", text, got)
		}
	}
}

// foreign is a server of the library's own, with one user, that relays to whom permit
// lets it. relayed is the address that it announces, bound the one that it has instead, if
// that is not the usual one.
func foreign(t *testing.T, relayed, bound string, permit func(peer net.IP) bool) Server {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, err := turn.NewServer(turn.ServerConfig{
		Realm: "example.org", LoggerFactory: quiet.Logger{},
		AuthHandler: func(a *turn.RequestAttributes) (string, []byte, bool) {
			return a.Username, turn.GenerateAuthKey(a.Username, a.Realm, "right"), a.Username == "user"
		},
		PacketConnConfigs: []turn.PacketConnConfig{{
			PacketConn: conn,
			RelayAddressGenerator: &turn.RelayAddressGeneratorStatic{
				RelayAddress: net.ParseIP(relayed), Address: cmp.Or(bound, "127.0.0.1"),
			},
			PermissionHandler: func(_ net.Addr, peer net.IP) bool { return permit(peer) },
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	port := conn.LocalAddr().(*net.UDPAddr).Port
	return Server{"127.0.0.1", port, "user", "right"}
}

func anybody(net.IP) bool { return true }

func TestRun(t *testing.T) {
	got, err := Run(t.Context(), foreign(t, "127.0.0.1", "", anybody), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Relayed.Addr() != netip.MustParseAddr("127.0.0.1") || got.Took <= 0 || !got.Outside {
		t.Errorf("got %+v", got)
	}
}

// TestOwnNetwork wants no error where a server lets nobody reach this machine.
func TestOwnNetwork(t *testing.T) {
	const relayed = "127.0.0.2"
	server := foreign(t, relayed, relayed, func(peer net.IP) bool { return peer.String() == relayed })
	if got, err := Run(t.Context(), server, nil); err != nil || got.Outside {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestFaults wants an error of the right step.
func TestFaults(t *testing.T) {
	dead, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer dead.Close()
	wrong := foreign(t, "127.0.0.1", "", anybody)
	wrong.Password = "wrong"
	elsewhere := foreign(t, "192.0.2.1", "", anybody)
	for _, tt := range []struct {
		name, want string
		server     Server
	}{
		{"nobody answers", "allocation: ", Server{"127.0.0.1", dead.LocalAddr().(*net.UDPAddr).Port, "user", "right"}},
		{"another password", "allocation: ", wrong},
		{"no permission", "permission: ", foreign(t, "127.0.0.1", "", func(net.IP) bool { return false })},
		{"a relayed address that is not the server's", "data between two allocations: ", elsewhere},
		{"no such host", "no such host", Server{"turn.invalid", 3478, "user", "right"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			resolver := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
				return nil, errors.New("no such host")
			}}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if _, err := Run(ctx, tt.server, resolver); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// FuzzParse holds that what is read is what was written.
func FuzzParse(f *testing.F) {
	f.Add("turn.example.org:3478:1758650868:8Dqkyyu11MVESBqjbIylmB06rv8=")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err == nil && (s.Port < 1 || s.Port > 65535 || s.Host == "" || !strings.HasSuffix(text, ":"+s.Name+":"+s.Password)) {
			t.Errorf("%q: %+v", text, s)
		}
	})
}
