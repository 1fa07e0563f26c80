package status

import (
	"log/slog"
	"net"
	"strings"
	"testing"

	"chatmaild/applets/admin/host/hosttest"
	"chatmaild/applets/iroh/relay"
)

type deaf struct{}

func (deaf) Connected(int)        {}
func (deaf) Left(int)             {}
func (deaf) Relayed(int)          {}
func (deaf) Refused(relay.Reason) {}

// TestIroh has another relay that is announced relay, and wants to hear of one that does
// not.
func TestIroh(t *testing.T) {
	alive, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := relay.New(relay.Options{Clients: 9, ClientBandwidth: 1 << 20, Bandwidth: 1 << 20, Events: deaf{}, Log: slog.New(slog.DiscardHandler)})
	go server.Serve(t.Context(), alive)
	dead, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	for _, tt := range []struct {
		name, config, detail string
		want                 level
	}{
		{"off", `iroh = "off"`, "", ""},
		{"self-signed", "", "", ""},
		{"another one", `iroh_relay = "http://` + alive.Addr().String() + `"`, "relays", fine},
		{"a dead one", `iroh_relay = "http://` + dead.Addr().String() + `"`, "is announced: ", trouble},
		{"another one, off", "iroh = \"off\"\niroh_relay = \"http://" + dead.Addr().String() + "\"", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newExaminer(hosttest.New(t), underscore+tt.config)
			callExaminer{e}.iroh(t.Context())
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
