package lab

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"chatmaild/applets/iroh/frame"
	"chatmaild/testdata/lab/core"
	"chatmaild/testdata/lab/network"
)

// hopPort is where the core is told that the iroh relay is.
const hopPort = 3340

// TestIroh has two real clients' apps talk through the relay's own iroh relay, where
// they have no other way.
//
// The core connects only to servers whose certificates authorities of the web have
// signed, or to those of URLs with "http": so it talks to a machine that talks to the
// relay by TLS, and keeps what the core says.
func TestIroh(t *testing.T) {
	t.Parallel()
	l, deb := newLab(t)
	relay, root := startPlain(t, l, "apps.test", "apps.test", deb)
	h := startHop(t, l, relay, root)
	h.announce(t)

	k := talk{lab: l, relay: relay}
	k.alice = startProfile(t, l, "alice", login("alice1234", relay.Domain))
	k.bob = startProfile(t, l, "bob", login("bob123456", relay.Domain))
	for _, p := range []*core.Profile{k.alice, k.bob} {
		// No path by UDP: neither to each other nor to a server that says where one is.
		loadRules(t, p.Client.Station, "table inet no_path { chain out { type filter hook output priority 0; udp dport != 53 drop; }; }")
		rpc(t, p, nil, "set_config", "webxdc_realtime_enabled", "1")
	}
	k.secureJoin(t)
	for _, step := range []struct {
		name string
		do   func(*testing.T)
	}{
		{"asleep", h.asleep},
		{"what the core asks for", h.probes},
		{"data of an app", func(t *testing.T) { k.realtime(t) }},
		{"frames", h.frames},
		{"the daemon", h.daemon},
	} {
		if !t.Run(step.name, step.do) {
			break
		}
	}
}

// hop is the machine in between.
type hop struct {
	network.Station
	relay *Relay
	roots *x509.CertPool

	mu   sync.Mutex
	said []*bytes.Buffer // by clients, on a connection each
}

func startHop(t *testing.T, l *Lab, relay *Relay, root string) *hop {
	t.Helper()
	s := addStation(t, l, "hop")
	h := &hop{Station: s, relay: relay, roots: x509.NewCertPool()}
	if !h.roots.AppendCertsFromPEM([]byte(root)) {
		t.Fatal("the relay's certificate is none")
	}
	var listener net.Listener
	if err := s.Do(func() (err error) {
		listener, err = net.Listen("tcp", h.address())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var passing sync.WaitGroup
	t.Cleanup(func() {
		stop()
		listener.Close()
		passing.Wait()
	})
	passing.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			passing.Go(func() {
				if err := h.pass(ctx, conn); err != nil && ctx.Err() == nil {
					t.Log("a connection to the iroh relay:", err)
				}
			})
		}
	})
	return h
}

func (h *hop) address() string { return fmt.Sprintf("%v:%d", h.IPv4, hopPort) }

// lockedWriter keeps what a client says while the test looks at it.
type lockedWriter struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

// pass connects a client with the relay, which proves its name.
func (h *hop) pass(ctx context.Context, client net.Conn) error {
	defer client.Close()
	plain, err := h.DialContext(ctx, "tcp", h.relay.Domain+":443")
	if err != nil {
		return err
	}
	server := tls.Client(plain, &tls.Config{ServerName: h.relay.Domain, RootCAs: h.roots})
	defer server.Close()
	stop := context.AfterFunc(ctx, func() {
		client.Close()
		plain.Close()
	})
	defer stop()
	said := &bytes.Buffer{}
	h.mu.Lock()
	h.said = append(h.said, said)
	h.mu.Unlock()
	ended := make(chan error, 2)
	go func() {
		_, err := io.Copy(io.MultiWriter(lockedWriter{&h.mu, said}, server), client)
		ended <- err
	}()
	go func() {
		_, err := io.Copy(client, server)
		ended <- err
	}()
	return <-ended
}

// announce has the metadata daemon, and no other, believe in an iroh relay elsewhere.
func (h *hop) announce(t *testing.T) {
	t.Helper()
	sh(t, h.relay, fmt.Sprintf(`
		sed '/^iroh_relay/d' %[1]s >/etc/chatmail/elsewhere.toml
		echo 'iroh_relay = "http://%[2]s"' >>/etc/chatmail/elsewhere.toml
		mkdir -p /etc/systemd/system/chatmaild-metadata.service.d
		printf '[Service]\nEnvironment=CHATMAIL_CONFIG=/etc/chatmail/elsewhere.toml\n' >/etc/systemd/system/chatmaild-metadata.service.d/elsewhere.conf
		systemctl daemon-reload
		systemctl restart chatmaild-metadata.service`, configFile, h.address()))
}

// asleep wants nothing to run for what nobody needs.
func (h *hop) asleep(t *testing.T) {
	out, err := h.relay.Script(deadline(t, stepTimeout), "systemctl is-active chatmaild-iroh.service chatmaild-iroh.socket || true")
	if err != nil || strings.Join(strings.Fields(out), " ") != "inactive active" {
		t.Errorf("got %q, %v; want the socket alone", out, err)
	}
}

// probes asks what iroh asks when it looks at its network (iroh/src/net_report).
func (h *hop) probes(t *testing.T) {
	client := &http.Client{Transport: &http.Transport{
		DialContext:     h.DialContext,
		TLSClientConfig: &tls.Config{ServerName: h.relay.Domain, RootCAs: h.roots},
	}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	for _, tt := range []struct {
		url, challenge string
		status         int
		header, want   string
	}{
		{"https://" + h.relay.Domain + "/ping", "", 200, "Access-Control-Allow-Origin", "*"},
		{"http://" + h.relay.Domain + "/generate_204", "ts_" + h.relay.Domain, 204, "X-Tailscale-Response", "response ts_" + h.relay.Domain},
		{"http://" + h.relay.Domain + "/generate_204", "<b>", 204, "X-Tailscale-Response", ""},
		{"http://" + h.relay.Domain + "/generate_204", "", 204, "X-Tailscale-Response", ""},
		{"https://" + h.relay.Domain + "/relay", "", 426, "Upgrade", frame.Upgrade},
	} {
		request, err := http.NewRequestWithContext(deadline(t, stepTimeout), "GET", tt.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if tt.challenge != "" {
			request.Header.Set("X-Tailscale-Challenge", tt.challenge)
		}
		answer, err := client.Do(request)
		if err != nil {
			t.Errorf("%s: %v", tt.url, err)
			continue
		}
		answer.Body.Close()
		if got := answer.Header.Get(tt.header); answer.StatusCode != tt.status || got != tt.want {
			t.Errorf("%s: got %s, %s %q; want %d and %q", tt.url, answer.Status, tt.header, got, tt.status, tt.want)
		}
	}
}

// realtime has an app's data flow both ways.
func (k *talk) realtime(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	alices, bobs := k.app(t)
	ends := []struct {
		p   *core.Profile
		app uint32
	}{{k.alice, alices}, {k.bob, bobs}}
	for i, e := range ends {
		other := ends[1-i]
		from := other.p.Position()
		rpc(t, e.p, nil, "send_webxdc_realtime_advertisement", e.app)
		if _, err := other.p.Wait(ctx, from, "WebxdcRealtimeAdvertisementReceived", nil); err != nil {
			t.Fatal(err)
		}
	}
	for i, e := range ends {
		other := ends[1-i]
		for n, size := range []int{5, 1000, 100_000} {
			data := bytes.Repeat([]byte{byte(i), byte(n)}, size/2)
			numbers := make([]int, len(data))
			for at, b := range data {
				numbers[at] = int(b)
			}
			from := other.p.Position()
			// What an app sends before the two have met is lost: it sends again.
			until(ctx, t, fmt.Sprintf("%d bytes from %s", size, e.p.Name), func() bool {
				rpc(t, e.p, nil, "send_webxdc_realtime_data", e.app, numbers)
				soon, cancel := context.WithTimeout(ctx, time.Second)
				defer cancel()
				_, err := other.p.Wait(soon, from, "WebxdcRealtimeData", func(got core.Event) bool {
					return got.MsgID == other.app && bytes.Equal(got.Data, data)
				})
				return err == nil
			})
		}
	}
}

// frames holds what the core has said to our own reading of it.
func (h *hop) frames(t *testing.T) {
	h.mu.Lock()
	defer h.mu.Unlock()
	clients, packets := 0, 0
	for _, said := range h.said {
		head, rest, _ := bytes.Cut(said.Bytes(), []byte("\r\n\r\n"))
		if !bytes.HasPrefix(head, []byte("GET "+frame.Path+" ")) {
			continue
		}
		clients++
		first := 0
		for n := 0; len(rest) > 0; rest = rest[n:] {
			var f frame.Frame
			var err error
			if f, n, err = frame.Next(rest); err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				break // it is still being said
			}
			if first++; first == 1 {
				if _, err := frame.Proven(f); err != nil {
					t.Error(err)
				}
				t.Logf("a client begins with:\n%s\n%s", head, hex.Dump(rest[:n]))
				if dir := os.Getenv("IROH_FIXTURE"); dir != "" {
					if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("core-%s-%d", core.Version, clients)), said.Bytes()[:len(head)+4+n], 0o644); err != nil {
						t.Error(err)
					}
				}
			}
			if f.Type == frame.SendPacket {
				packets++
			}
		}
	}
	if clients < 2 || packets < 10 {
		t.Errorf("%d clients with %d packets", clients, packets)
	}
}

// daemon looks at what runs now.
func (h *hop) daemon(t *testing.T) {
	whole := &proof{lab: h.relay.lab, relay: h.relay}
	t.Run("processes", whole.processes)
	metrics := whole.script(t, "chatmaild metrics --print | grep ^chatmaild_iroh_")
	t.Log(metrics)
	for _, want := range []string{"chatmaild_iroh_clients 2", `chatmaild_iroh_refused_total{reason="malformed"} 0`, `chatmaild_iroh_refused_total{reason="proof"} 0`} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	if status := whole.script(t, "chatmaild status || true"); !strings.Contains(status, "iroh.socket") {
		t.Errorf("status does not know of it:\n%s", status)
	}
	t.Log(whole.script(t, "journalctl -u chatmaild-iroh --no-pager -o cat; grep Pss: /proc/$(systemctl show --property=MainPID --value chatmaild-iroh)/smaps_rollup"))
}
