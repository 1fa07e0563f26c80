package lab

import (
	"bufio"
	"context"
	"crypto/tls"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"chatmaild/testdata/kit/pki"
	"chatmaild/testdata/lab/debian"
	"chatmaild/testdata/lab/machine"
	"chatmaild/testdata/lab/network"
)

// ownSite is a web site that the machine in front of the relay has for itself. It says
// who its client is.
const ownSite = "own.test"

// A webFront is a web server in front of the relay, which has sites of its own, too.
type webFront struct {
	name      string
	files     func(text string) map[string]string // what is written, given what proxy-config prints
	start     string                              // lines of sh that check it and start it
	unit      string
	passesTLS bool   // port 443 is for all protocols, and mail comes with the client's address
	without   string // checks of "chatmaild test" for what is not to be had by it, as its text says
}

var webFronts = []webFront{
	{
		name: "nginx", unit: "nginx", passesTLS: true,
		files: func(text string) map[string]string {
			files := map[string]string{"/etc/nginx/conf.d/own.conf": `server {
    listen 127.0.0.1:8443 ssl proxy_protocol;
    server_name ` + ownSite + `;
    set_real_ip_from 127.0.0.1;
    real_ip_header proxy_protocol;
    ssl_certificate /srv/own.pem;
    ssl_certificate_key /srv/own.pem;
    default_type text/plain;
    return 200 "own $remote_addr";
}
`}
			for part := range strings.SplitSeq(text, "# File: ") {
				if name, content, ok := strings.Cut(part, "\n"); ok && strings.HasPrefix(name, "/") {
					files[name] = content
				}
			}
			return files
		},
		start: "mv /etc/nginx/nginx.conf.debian /etc/nginx/nginx.conf && nginx -t && systemctl restart nginx",
	},
	{
		name: "haproxy", unit: "haproxy", passesTLS: true, without: "turn", // it forwards no UDP
		files: func(text string) map[string]string {
			return map[string]string{"/etc/haproxy/chatmail.cfg": text + `
frontend own
    mode http
    timeout client 10s
    bind 127.0.0.1:8443 accept-proxy ssl crt /srv/own.pem
    http-request return status 200 content-type text/plain lf-string "own %[src]"
`}
		},
		start: "cat /etc/haproxy/chatmail.cfg >>/etc/haproxy/haproxy.cfg && haproxy -c -f /etc/haproxy/haproxy.cfg && systemctl restart haproxy",
	},
	{
		name: "caddy", unit: "caddy", without: "alpn-imap,alpn-smtp", // it ends TLS itself
		files: func(text string) map[string]string {
			return map[string]string{"/etc/caddy/Caddyfile": text + ownSite + " {\n\ttls internal\n\trespond \"own {remote_host}\"\n}\n"}
		},
		start: "caddy validate --adapter caddyfile --config /etc/caddy/Caddyfile && systemctl restart caddy",
	},
}

// webFronts puts Debian's web servers in front of the relay, one after the other, as
// "chatmaild proxy-config --web" says. The relay trusts the machine already, and has its
// name.
func (p *proof) webFronts(t *testing.T, entry *machine.Host) {
	ctx := deadline(t, installTimeout)
	cert, key, err := pki.NewPEM(ownSite)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, entry, "/srv/own.pem", 0o644, string(cert)+string(key))
	publish(t, p.lab, ownSite, "A", entry.IPv4.String())
	installWebServers(ctx, t, entry)
	for _, front := range webFronts {
		t.Run(front.name, func(t *testing.T) { p.webFront(t, entry, front) })
	}
}

// installWebServers installs what the lab's root has not, and starts none of it.
func installWebServers(ctx context.Context, t *testing.T, h *machine.Host) {
	t.Helper()
	installPackages(ctx, t, h, debian.WebServers)
}

// installPackages is InstallPackages.
func installPackages(ctx context.Context, t *testing.T, h *machine.Host, get PackageSet) {
	t.Helper()
	if err := InstallPackages(ctx, t.Output(), h, get); err != nil {
		t.Fatal(err)
	}
}

func (p *proof) webFront(t *testing.T, entry *machine.Host, front webFront) {
	ctx := deadline(t, stepTimeout)
	text := p.script(t, "chatmaild proxy-config --web %s --target %v", front.name, p.relay.IPv4)
	for name, content := range front.files(text + "\n") {
		writeFile(t, entry, name, 0o644, content)
	}
	sh(t, entry, "systemctl stop nginx haproxy caddy; "+front.start)
	if !front.passesTLS {
		text := p.script(t, "chatmaild proxy-config --without-web --target %v --target %v", p.relay.IPv4, p.relay.IPv6)
		p.forward(t, entry.Station, text)
	}

	browser := visitor(p.outside)
	fetch := p.fetch(ctx, t)
	// Caddy is up before it has issued its own certificate.
	until(ctx, t, "the certificate of the machine's own site", func() bool {
		resp, err := browser.Get("https://" + ownSite + "/")
		if err != nil {
			return false
		}
		return resp.Body.Close() == nil
	})
	// Its own site is what it was, and the relay's is beside it.
	if status, body := fetch(http.NewRequest("GET", "https://"+ownSite+"/", nil)); status != 200 || body != "own "+p.outside.IPv4.String() {
		t.Errorf("the machine's own site: got %d %q", status, body)
	}
	if status, body := fetch(http.NewRequest("GET", "https://"+p.relay.Domain+"/", nil)); status != 200 || !strings.Contains(body, p.relay.Domain) {
		t.Errorf("the relay's page: got %d %.200q", status, body)
	}
	if status, _ := fetch(http.NewRequest("GET", "http://"+p.relay.Domain+"/", nil)); status != http.StatusMovedPermanently {
		t.Errorf("port 80: got %d, want 301", status)
	}
	p.literalAuthors(t, fetch)

	if front.passesTLS {
		p.alpn(t, entry.IPv4)
		s := p.imap(t, p.sender)
		if who := p.script(t, "doveadm who -1"); !strings.Contains(who, p.outside.IPv4.String()) {
			t.Errorf("Dovecot does not know the address of a client:\n%s", who)
		}
		s.Close()
	}
	alice := startProfile(t, p.lab, front.name+"-alice", printed(t, p.relay))
	far := p.relay
	if p.usual != nil {
		far = p.usual
	}
	bob := startProfile(t, p.lab, front.name+"-bob", far.SignUpQR())
	join(t, alice, bob).text(t)
	if p.usual == nil {
		return
	}
	p.content(t, "--skip", front.without)
}

// visitor is the browser of a machine out there.
func visitor(from network.Station) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: from.DialContext, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// fetch returns a function that sends a request from outside, and returns status and body.
func (p *proof) fetch(ctx context.Context, t *testing.T) func(*http.Request, error) (int, string) {
	return func(r *http.Request, err error) (int, string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		resp, body, err := do(visitor(p.outside), r.WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, body
	}
}

// literalAuthors posts mail of relays that have an address and no name: it is taken from
// that address, which the relay has to know for that, and from no other.
func (p *proof) literalAuthors(t *testing.T, fetch func(*http.Request, error) (int, string)) {
	t.Helper()
	for _, test := range []struct {
		author, forwarded string
		status            int
	}{
		{"carol@[" + p.outside.IPv4.String() + "]", "", 200},
		{"carol@[192.0.2.1]", "", 400},
		{"carol@[192.0.2.1]", "192.0.2.1", 400},
	} {
		r, err := http.NewRequest("POST", "https://"+p.relay.Domain+"/mxdeliv", strings.NewReader(encryptedFrom(t, test.author)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"X-Mail-From": {test.author}, "X-Mail-To": {p.sender.addr}}
		if test.forwarded != "" {
			r.Header.Set("X-Forwarded-For", test.forwarded)
		}
		if status, body := fetch(r, nil); status != test.status {
			t.Errorf("mail of %s, forwarded for %q: got %d %s, want %d", test.author, test.forwarded, status, body, test.status)
		}
	}
}

// alpn finds IMAP and SMTP on port 443 of an address that stands for the relay.
func (p *proof) alpn(t *testing.T, at netip.Addr) {
	t.Helper()
	ctx := deadline(t, partTimeout)
	for protocol, want := range map[string]string{"imap": "* OK ", "smtp": "220 "} {
		conn, err := p.outside.DialContext(ctx, "tcp", netip.AddrPortFrom(at, 443).String())
		if err != nil {
			t.Fatal(err)
		}
		secure := tls.Client(conn, network.Insecure(p.relay.Domain, protocol))
		err = secure.HandshakeContext(ctx)
		line := ""
		if err == nil {
			line, err = bufio.NewReader(secure).ReadString('\n')
		}
		conn.Close()
		if err != nil || !strings.HasPrefix(line, want) {
			t.Errorf("port 443 as %s: got %q, %v", protocol, line, err)
		}
	}
}
