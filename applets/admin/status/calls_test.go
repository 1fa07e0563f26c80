package status

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/admin/host/hosttest"
	"chatmaild/applets/turn/credential"
	"chatmaild/applets/turn/relay"
)

type noEvents struct{}

func (noEvents) Allocated(int)        {}
func (noEvents) Released(int)         {}
func (noEvents) Relayed(bool, int)    {}
func (noEvents) Refused(relay.Reason) {}

// TestTURN has another server that is announced relay, and wants to hear of one that does
// not.
func TestTURN(t *testing.T) {
	const secret = "0123456789abcdef"
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, err := relay.New(relay.Options{
		Realm: "turn.example.org", Secret: credential.Secret(secret), Now: time.Now, FirstPort: 20000, LastPort: 20999,
		External: []netip.Addr{netip.MustParseAddr("192.0.2.7")},
		PerUser:  10, UserBandwidth: 1 << 20, MaxBandwidth: 1 << 20, Events: noEvents{},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ServePackets(ctx, conn)
	}()
	t.Cleanup(func() { stop(); <-done })
	for _, tt := range []struct {
		name, config, secret, detail string
		want                         level
	}{
		{"off", `turn = "off"`, "", "", ""},
		{"no secret", "", "", "no such file", trouble},
		{"short secret", "", "north", "16 characters", trouble},
		{"foreign", `turn_server = "` + conn.LocalAddr().String() + `"` + "\nturn_server_secret = \"/etc/secret\"", secret, "relays by 192.0.2.7", fine},
		{"another secret", `turn_server = "` + conn.LocalAddr().String() + `"` + "\nturn_server_secret = \"/etc/secret\"", "fedcba9876543210", "is announced: allocation", trouble},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := hosttest.New(t)
			e := newExaminer(m, underscore+tt.config)
			if tt.secret != "" {
				for _, name := range []string{"secret", "server-secret"} {
					m.Write("/var/lib/chatmaild/turn/"+name, tt.secret)
				}
			}
			callExaminer{e}.turn(t.Context())
			got := finding{}
			if len(e.findings) > 0 {
				got = e.findings[0]
			}
			if got.Level != tt.want || !strings.Contains(got.Detail, tt.detail) {
				t.Errorf("got %+v, want %q with %q", got, tt.want, tt.detail)
			}
		})
	}
}
