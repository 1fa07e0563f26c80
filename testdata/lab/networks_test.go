package lab

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"chatmaild/applets/chat/imap"
	"chatmaild/testdata/kit/pki"
	"chatmaild/testdata/kit/smtp"
	"chatmaild/testdata/lab/core"
	"chatmaild/testdata/lab/network"
)

// Sites of other servers on the relay's machine: one that gets its certificate from an
// authority, and one that expects the PROXY protocol.
const (
	plainSite   = "plain.site.test"
	proxiedSite = "proxied.site.test"
)

// TestNetworks has real clients reach a relay in the ways that are there for odd networks,
// and talk to a usual one.
func TestNetworks(t *testing.T) {
	l, deb := newLab(t)
	one := startRelayIn(t, l, deb, "_one.test", "websocket = true", "extra_ports = [2053]",
		fmt.Sprintf(`other_sites = ["%s 127.0.0.1:9443 127.0.0.1:9080", "%s 127.0.0.1:9444 proxy-protocol"]`, plainSite, proxiedSite))
	two := startRelayIn(t, l, deb, "_two.test")
	n := &networks{lab: l, relay: one, bob: startProfile(t, l, "bob", two.SignUpQR())}
	n.outside = addStation(t, l, "outside")
	t.Run("other sites", n.sites)
	t.Run("WebSocket", n.websocket)
	t.Run("many by WebSocket", n.crowd)
	t.Run("extra ports", n.extraPorts)
	(&proof{lab: l, relay: one, usual: two}).content(t)
}

// networks is a relay with all of that, and a user of the usual one.
type networks struct {
	lab     *Lab
	relay   *Relay
	outside network.Station
	bob     *core.Profile
}

// sites has a server with a certificate of its own behind the relay's nginx.
func (n *networks) sites(t *testing.T) {
	ctx := deadline(t, installTimeout)
	authority := startAuthority(t, n.lab)
	for _, name := range []string{plainSite, proxiedSite} {
		if err := n.relay.TakeName(name); err != nil {
			t.Fatal(err)
		}
	}
	// Before its servers are there, status says so, and no more than that.
	said, err := n.relay.Script(ctx, "chatmaild status")
	if err != nil || !strings.Contains(said, "the server of "+plainSite+" does not answer") {
		t.Errorf("status: %v\n%s", err, said)
	}
	installWebServers(ctx, t, n.relay.Host)
	cert, key, err := pki.NewPEM(proxiedSite)
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string]string{
		"/srv/ca.pem":  string(authority.Root),
		"/srv/own.pem": string(cert) + string(key),
		"/etc/caddy/Caddyfile": `{
	http_port 9080
	https_port 9443
	default_bind 127.0.0.1
}
` + plainSite + ` {
	tls {
		issuer acme ` + authority.Directory() + ` {
			trusted_roots /srv/ca.pem
			disable_tlsalpn_challenge
		}
	}
	respond "plain {remote_host}"
}
`,
		"/etc/haproxy/haproxy.cfg": `defaults
    mode http
    timeout connect 5s
    timeout client 10s
    timeout server 10s
frontend own
    bind 127.0.0.1:9444 accept-proxy ssl crt /srv/own.pem
    http-request return status 200 content-type text/plain lf-string "proxied %[src]"
`,
	} {
		writeFile(t, n.relay, file, 0o644, content)
	}
	sh(t, n.relay, "systemctl restart caddy haproxy")
	browser := visitor(n.outside)
	get := func(url string) (status int, body, issuer string) {
		resp, body, err := browse(ctx, browser, http.MethodGet, url)
		if err != nil {
			return 0, err.Error(), ""
		}
		if resp.TLS != nil {
			issuer = resp.TLS.PeerCertificates[0].Issuer.CommonName
		}
		return resp.StatusCode, body, issuer
	}
	// Its authority has to reach it by port 80, through the relay's nginx.
	until(ctx, t, "the site's own certificate", func() bool {
		_, _, issuer := get("https://" + plainSite + "/")
		return strings.HasPrefix(issuer, "Pebble")
	})
	for _, tt := range []struct {
		url    string
		status int
		body   string
	}{
		{"https://" + plainSite + "/", 200, "plain 127.0.0.1"},
		{"https://" + plainSite + ":2053/", 200, "plain 127.0.0.1"},
		{"http://" + plainSite + "/", http.StatusPermanentRedirect, ""}, // Caddy's own
		{"https://" + proxiedSite + "/", 200, "proxied " + n.outside.IPv4.String()},
		{"http://" + proxiedSite + "/", http.StatusMovedPermanently, ""},
		{"https://" + n.relay.Domain + "/", 200, n.relay.Domain},
		{"http://" + n.relay.Domain + "/", http.StatusMovedPermanently, ""},
	} {
		if status, body, _ := get(tt.url); status != tt.status || !strings.Contains(body, tt.body) {
			t.Errorf("%s: got %d %.200q, want %d %q", tt.url, status, body, tt.status, tt.body)
		}
	}
	said, err = n.relay.Script(ctx, "chatmaild status")
	if err != nil || !strings.Contains(said, plainSite+", "+proxiedSite) {
		t.Errorf("status: %v\n%s", err, said)
	}
	alice := startProfile(t, n.lab, "site-alice", printed(t, n.relay))
	join(t, alice, n.bob).text(t)
}

// dialWebsocket opens a WebSocket as a stream of bytes.
func (n *networks) dialWebsocket(ctx context.Context, from network.Station, path string) (net.Conn, error) {
	client := &http.Client{Transport: &http.Transport{
		DialContext: from.DialContext, TLSClientConfig: network.Insecure(n.relay.Domain, "http/1.1"),
	}}
	c, _, err := websocket.Dial(ctx, "wss://"+n.relay.Domain+path, &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{"binary"}})
	if err != nil {
		return nil, err
	}
	return websocket.NetConn(context.WithoutCancel(ctx), c, websocket.MessageBinary), nil
}

// session opens IMAP in a WebSocket, until the step ends.
func (n *networks) session(ctx context.Context, t *testing.T) *imap.Client {
	t.Helper()
	conn, err := n.dialWebsocket(ctx, n.outside, "/imap")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	session, err := imap.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// websocket talks IMAP and SMTP in WebSockets, and has a real client do so.
func (n *networks) websocket(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	session := n.session(ctx, t)
	capabilities, err := session.Capabilities()
	if err != nil || strings.Contains(strings.Join(capabilities, " "), "LOGINDISABLED") {
		t.Errorf("capabilities: %q, %v", capabilities, err)
	}
	who := account{"websocket@" + n.relay.Domain, "password-of-websocket"}
	if err := session.Login(who.addr, who.password); err != nil {
		t.Fatal(err)
	}
	known, err := session.Select()
	if err != nil {
		t.Fatal(err)
	}
	if listed, err := n.relay.Script(ctx, "doveadm who -1"); err != nil || !strings.Contains(listed, n.outside.IPv4.String()) {
		t.Errorf("Dovecot does not know the address of the client: %v\n%s", err, listed)
	}
	sending, err := n.dialWebsocket(ctx, n.outside, "/smtp")
	if err != nil {
		t.Fatal(err)
	}
	mailer, err := smtp.New(ctx, sending)
	if err != nil {
		t.Fatal(err)
	}
	defer mailer.Close()
	if reply, err := mailer.Command("EHLO station.test"); err != nil || reply[:3] != "250" || strings.Contains(reply, "STARTTLS") {
		t.Errorf("EHLO: %s, %v", reply, err)
	}
	if reply, err := mailer.Login(who.addr, who.password); err != nil || reply[:3] != "235" {
		t.Fatalf("login: %s, %v", reply, err)
	}
	if reply, err := mailer.Send(who.addr, who.addr, sealed(t, who.addr)); err != nil || reply[:3] != "250" {
		t.Fatalf("sending: %s, %v", reply, err)
	}
	if now, err := session.Wait(known); err != nil || now != known+1 {
		t.Errorf("mail to itself: %d messages, %v, want %d", now, err, known+1)
	}

	// What is no WebSocket gets the page that it gets anywhere.
	browser := visitor(n.outside)
	page := func(path string) string {
		resp, body, err := browse(ctx, browser, http.MethodGet, "https://"+n.relay.Domain+path)
		if err != nil {
			t.Fatal(err)
		}
		return resp.Status + body
	}
	if got, want := page("/imap"), page("/no-such-page"); got != want {
		t.Errorf("a page at /imap: got %.300q, want %.300q", got, want)
	}

	// A client for which everything but port 443 is blocked. The core does not speak
	// WebSocket yet: a bridge on its machine does that for it.
	client := startClient(t, n.lab, "websocket-alice")
	block(t, client.Station, "tcp dport != 443")
	n.bridge(t, client.Station, "/imap", 10143)
	n.bridge(t, client.Station, "/smtp", 10587)
	alice, err := client.SignUp(ctx, "alice", login("alice1234", n.relay.Domain)+"&ih=127.0.0.1&ip=10143&is=plain&sh=127.0.0.1&sp=10587&ss=plain")
	if err != nil {
		t.Fatal(err)
	}
	join(t, alice, n.bob).text(t)
	if listed, err := n.relay.Script(ctx, "doveadm who -1"); err != nil || !strings.Contains(listed, client.IPv4.String()) && !strings.Contains(listed, client.IPv6.String()) {
		t.Errorf("Dovecot does not know the address of the real client: %v\n%s", err, listed)
	}
}

// crowd has as many clients by WebSocket as one network may have, and measures what each
// of them takes, with what it has said and heard, in the daemon and in nginx.
func (n *networks) crowd(t *testing.T) {
	const clients, most = 1200, 40 // KiB for each in the daemon
	ctx := deadline(t, installTimeout)
	daemon0, nginx0 := n.bridgeMemory(t)
	for range clients {
		if _, err := n.session(ctx, t).Capabilities(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.dialWebsocket(ctx, n.outside, "/imap"); err == nil {
		t.Error("the network has one client more than it may")
	}
	var each, front float64
	defer func() { t.Logf("%d clients take %.1f KiB each in the daemon, %.1f in nginx", clients, each, front) }()
	until(ctx, t, "the daemon to rest", func() bool {
		daemon, nginx := n.bridgeMemory(t)
		each, front = float64(daemon-daemon0)/clients, float64(nginx-nginx0)/clients
		return each <= most
	})
}

// bridgeMemory is what the websocket daemon and nginx take now, in KiB (PSS).
func (n *networks) bridgeMemory(t *testing.T) (daemon, nginx int) {
	t.Helper()
	said, err := n.relay.Script(deadline(t, stepTimeout), `sum() { for pid; do cat /proc/$pid/smaps_rollup; done | awk '/^Pss:/ { n += $2 } END { print n+0 }'; }
		sum $(systemctl show --property=MainPID --value chatmaild-websocket)
		sum $(cat /sys/fs/cgroup/system.slice/nginx.service/cgroup.procs)`)
	if _, scan := fmt.Sscan(said, &daemon, &nginx); err != nil || scan != nil {
		t.Fatalf("%v, %v: %q", err, scan, said)
	}
	return daemon, nginx
}

// bridge passes on what comes to a port of a station, on its loopback interface, by
// WebSocket.
func (n *networks) bridge(t *testing.T, on network.Station, path string, port int) {
	t.Helper()
	l, err := on.Listen(port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			local, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer local.Close()
				remote, err := n.dialWebsocket(t.Context(), on, path)
				if err != nil {
					return
				}
				defer remote.Close()
				go func() {
					defer remote.Close()
					_, _ = io.Copy(remote, local)
				}()
				_, _ = io.Copy(local, remote)
			}()
		}
	}()
}

// block drops what a station sends to others and an expression of nft's matches.
func block(t *testing.T, s network.Station, what string) {
	t.Helper()
	loadRules(t, s, fmt.Sprintf("table inet block {\nchain out {\ntype filter hook output priority filter; policy accept;\noif lo accept\n%s drop\n}\n}\n", what))
}

// extraPorts has a client whose network blocks all usual ports reach the relay through a
// machine in front, as "chatmaild proxy-config" sets it up.
func (n *networks) extraPorts(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	front := addStation(t, n.lab, "front")
	text := sh(t, n.relay, fmt.Sprintf("chatmaild proxy-config --target %v --target %v", n.relay.IPv4, n.relay.IPv6))
	(&proof{lab: n.lab, relay: n.relay}).forward(t, front, text)
	if err := front.TakeName(n.relay.Domain); err != nil {
		t.Fatal(err)
	}
	client := startClient(t, n.lab, "port-alice")
	block(t, client.Station, "tcp dport != 2053")
	alice, err := client.SignUp(ctx, "alice", printed(t, n.relay, "--port", "2053"))
	if err != nil {
		t.Fatal(err)
	}
	join(t, alice, n.bob).text(t)
	if handedOn(t, front) == 0 {
		t.Error("nothing went through the machine in front")
	}
}
