package selftest

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"testing"

	"chatmaild/applets/iroh/relay"
)

// deaf is not interested in what an iroh relay says.
type deaf struct{}

func (deaf) Connected(int)        {}
func (deaf) Left(int)             {}
func (deaf) Relayed(int)          {}
func (deaf) Refused(relay.Reason) {}

// newIrohRelay returns the socket behind which there is one.
func newIrohRelay(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "iroh.socket")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := relay.New(relay.Options{
		Clients: 10, ClientBandwidth: 1 << 20, Bandwidth: 1 << 20, Events: deaf{}, Log: slog.New(slog.DiscardHandler),
	})
	go server.Serve(t.Context(), l)
	return path
}

// irohEntry is what METADATA says of it.
func (f *fake) irohEntry() string {
	if f.is("announces no iroh relay") {
		return fmt.Sprintf(`* METADATA "" (%sirohrelay NIL)`, vendor)
	}
	return fmt.Sprintf(`* METADATA "" (%sirohrelay "https://%s")`, vendor, f.domain)
}

// apps passes a client on to the iroh relay.
func (f *fake) apps(req *http.Request, from io.Reader, to net.Conn) {
	relay, err := net.Dial("unix", f.iroh)
	if err != nil {
		return
	}
	defer relay.Close()
	if req.Write(relay) != nil {
		return
	}
	go func() {
		io.Copy(relay, from)
		relay.Close()
	}()
	io.Copy(to, relay)
}
