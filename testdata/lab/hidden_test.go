package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"chatmaild/testdata/lab/network"
)

const hiddenDomain = "_hid.test"

// hiddenPorts are all that a hidden relay has open: those of any mail provider, and SSH,
// which is the machine's.
var hiddenPorts = []int{22, 25, 80, 143, 443, 465, 587, 993}

// A hidden is a relay with hidden = true, a usual one, and a stranger who looks at it.
type hidden struct {
	lab     *Lab
	relay   *Relay
	usual   *Relay
	outside network.Station
	token   string // of an invite

	mu   sync.Mutex
	said strings.Builder // all that the stranger has heard
}

// TestHidden is the proof that a hidden relay works for those who have its QR code, and that
// a stranger sees what "A HIDDEN RELAY" in chatmaild-operating(7) says, and no more.
func TestHidden(t *testing.T) {
	h := &hidden{}
	var deb string
	h.lab, deb = newLab(t)
	h.usual = startRelayIn(t, h.lab, deb, "_usual.test")
	h.relay = startRelayIn(t, h.lab, deb, hiddenDomain, "hidden = true", `registration = "invite"`)
	h.outside = addStation(t, h.lab, "outside")
	for _, step := range []struct {
		name string
		do   func(*hidden, *testing.T)
	}{
		{"sign-up", (*hidden).signUp},
		{"ports", (*hidden).ports},
		{"greetings", (*hidden).greetings},
		{"logins", (*hidden).logins},
		{"mail", (*hidden).mail},
		{"web", (*hidden).web},
		{"certificates", (*hidden).certificates},
		{"first packets", (*hidden).firstPackets},
		{"commands", (*hidden).commands},
	} {
		t.Run(step.name, func(t *testing.T) { step.do(h, t) })
	}
	t.Logf("what a stranger heard:\n%s", &h.said)
	for _, word := range []string{"chatmail", "delta", "encrypt", "relay", "profile", "iroh", "invite"} {
		if strings.Contains(strings.ToLower(h.said.String()), word) {
			t.Errorf("a stranger hears %q", word)
		}
	}
}

// heard notes what the stranger was told.
func (h *hidden) heard(what, said string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	fmt.Fprintf(&h.said, "%s: %s\n", what, strings.TrimSpace(said))
}

// signUp has two people come by what qr and invite print, and talk with one elsewhere.
func (h *hidden) signUp(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	out, err := h.relay.Run(ctx, "chatmaild", "invite", "create", "--uses", "20", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var invite struct{ Token, URL string }
	if err := json.Unmarshal([]byte(out), &invite); err != nil {
		t.Fatal(err)
	}
	h.token = invite.Token
	bob := startProfile(t, h.lab, "bob", h.usual.SignUpQR())
	alice := startProfile(t, h.lab, "alice", printed(t, h.relay, "--invite", h.token))
	join(t, alice, bob).converse(t)
	carol := startProfile(t, h.lab, "carol", invite.URL)
	join(t, bob, carol).text(t)
	// Another relay would take mail by HTTPS, and so would not take this one for any server.
	routes, err := h.relay.Run(ctx, "chatmaild", "queue", "routes")
	if err != nil || !strings.Contains(routes, h.usual.Domain+": SMTP since ") || strings.Contains(routes, "HTTPS") {
		t.Errorf("queue routes: %v\n%s", err, routes)
	}
}

// ports tries every one of TCP, by both protocols, and that of TURN by UDP.
func (h *hidden) ports(t *testing.T) {
	ctx := deadline(t, installTimeout)
	for _, address := range []string{h.relay.IPv4.String(), h.relay.IPv6.String()} {
		var open []int
		var wait sync.WaitGroup
		next := make(chan int)
		for range 32 {
			wait.Go(func() {
				for port := range next {
					conn, err := h.outside.DialContext(ctx, "tcp", net.JoinHostPort(address, fmt.Sprint(port)))
					if err != nil {
						continue
					}
					conn.Close()
					h.mu.Lock()
					open = append(open, port)
					h.mu.Unlock()
				}
			})
		}
		for port := 1; port <= 65535; port++ {
			next <- port
		}
		close(next)
		wait.Wait()
		slices.Sort(open)
		if !slices.Equal(open, hiddenPorts) {
			t.Errorf("%s has the ports %v open, want %v", address, open, hiddenPorts)
		}
	}
	conn, err := h.outside.DialContext(ctx, "udp", net.JoinHostPort(hiddenDomain, "3478"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	binding := append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, "twelve bytes"...) // RFC 8489 §5
	if _, err := conn.Write(binding); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 512)); err == nil {
		t.Errorf("a TURN server answers with %d bytes", n)
	}
}

// imap says lines to a port, and returns all replies.
func (h *hidden) imap(t *testing.T, port string, lines ...string) string {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	address := net.JoinHostPort(hiddenDomain, port)
	dial := func() (net.Conn, error) { return h.outside.DialContext(ctx, "tcp", address) }
	if slices.Contains(tlsPorts, port) {
		dial = func() (net.Conn, error) { return h.outside.DialTLS(ctx, address) }
	}
	conn, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if until, ok := ctx.Deadline(); ok {
		conn.SetDeadline(until)
	}
	// The last line has the server close.
	fmt.Fprint(conn, strings.Join(lines, "\r\n")+"\r\n")
	said, err := io.ReadAll(io.LimitReader(conn, 64<<10))
	if err != nil && len(said) == 0 {
		t.Fatal(err)
	}
	h.heard("port "+port, string(said))
	return string(said)
}

// smtp is imap for a port of SMTP, which wants each line to wait for the reply to the one
// before (RFC 5321 §4.3.1).
func (h *hidden) smtp(t *testing.T, port string, lines ...string) string {
	t.Helper()
	c, err := h.outside.SMTP(deadline(t, stepTimeout), hiddenDomain, port)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	said := []string{c.Greeting}
	for _, line := range lines {
		reply, err := c.Command("%s", line)
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, reply)
	}
	all := strings.Join(said, "\n")
	h.heard("port "+port, all)
	return all
}

// greetings are those of any Postfix and Dovecot.
func (h *hidden) greetings(t *testing.T) {
	for _, port := range []string{"25", "465", "587"} {
		said := h.smtp(t, port, "EHLO stranger.test", "HELP", "VRFY abcdefghi", "QUIT")
		if want := hiddenDomain + " ESMTP Postfix\n"; !strings.HasPrefix(said, want) {
			t.Errorf("port %s: got %q, want it to begin with %q", port, said, want)
		}
	}
	for _, port := range []string{"143", "993"} {
		said := h.imap(t, port, "a CAPABILITY", `b ID ("name" "scanner")`, "c LOGOUT")
		if want := "* OK [CAPABILITY IMAP4rev1 "; !strings.HasPrefix(said, want) || strings.Contains(said, "XDELTAPUSH") {
			t.Errorf("port %s: got %q, want it to begin with %q", port, said, want)
		}
	}
}

// logins of strangers fail as anywhere.
func (h *hidden) logins(t *testing.T) {
	said := h.imap(t, "993", "a LOGIN abcdefghi@"+hiddenDomain+" password1234567890", "b LOGOUT")
	contains(t, "IMAP", said, "a NO [AUTHENTICATIONFAILED] Authentication failed.")
	said = h.smtp(t, "465", "EHLO stranger.test", "AUTH PLAIN AGFiY2RlZmdoaUBfaGlkLnRlc3QAcGFzc3dvcmQxMjM0NTY3ODkw")
	contains(t, "SMTP", said, "535 5.7.8 Error: authentication failed")
}

// mail in the clear is refused, and nobody is told why.
func (h *hidden) mail(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	c, err := h.outside.SMTP(ctx, hiddenDomain, "25")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, step := range []func() error{
		func() error { _, err := c.Command("EHLO stranger.test"); return err },
		func() error { return c.StartTLS(ctx, network.Insecure(hiddenDomain)) },
		func() error { _, err := c.Command("EHLO stranger.test"); return err },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	reply, err := c.Send("stranger@stranger.test", "abcdefghi@"+hiddenDomain,
		"From: <stranger@stranger.test>\r\nTo: <abcdefghi@"+hiddenDomain+">\r\nSubject: hello\r\n\r\nhello\r\n")
	h.heard("cleartext", fmt.Sprint(reply, err))
	contains(t, "the reply to cleartext", fmt.Sprint(reply, err), "554 5.7.1 Message refused")
}

// hiddenPaths are what other relays answer, and nobody else.
var hiddenPaths = []string{
	"/new", "/new?t=WRONG", "/new.svg", "/cgi-bin/newemail.py", "/mxdeliv", "/relay", "/ping", "/generate_204",
	"/metrics", "/info", "/info.html", "/privacy", "/main.css", "/logo.svg", "/qr.png", "/robots.txt", "/404.html", "/imap", "/smtp",
	"/.well-known/", "/.well-known/acme-challenge/x", "/autodiscover/autodiscover.xml",
}

// web wants the page that Debian's nginx comes with, what mail providers have beside, and
// one answer for everything else.
func (h *hidden) web(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	page, err := h.relay.ReadFile(ctx, "/usr/share/nginx/html/index.html")
	if err != nil {
		t.Fatal(err)
	}
	if said := h.ask(ctx, t, http.MethodGet, "https", "/"); !strings.HasSuffix(said, "\n\n"+page) {
		t.Errorf("the first page: got %s", said)
	}
	contains(t, "autoconfig", h.ask(ctx, t, http.MethodGet, "https", "/.well-known/autoconfig/mail/config-v1.1.xml"),
		"<displayName>_hid.test</displayName>", "<port>993</port>")
	contains(t, "the MTA-STS policy", h.ask(ctx, t, http.MethodGet, "https", "/.well-known/mta-sts.txt"), "version: STSv1")
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodOptions} {
		want := h.ask(ctx, t, method, "https", "/nobody-has-this")
		for _, path := range hiddenPaths {
			if got := h.ask(ctx, t, method, "https", path); got != want {
				t.Errorf("%s %s: got\n%s\nwant, as for any page that is not there,\n%s", method, path, got, want)
			}
		}
	}
	// Who has an invite gets in.
	if said := h.ask(ctx, t, http.MethodPost, "https", "/new?t="+h.token); !strings.Contains(said, `"email":`) {
		t.Errorf("with an invite: got %s", said)
	}
	if said := h.ask(ctx, t, http.MethodGet, "http", "/generate_204"); !strings.HasPrefix(said, "301 ") {
		t.Errorf("port 80: got %s", said)
	}
}

// ask returns the status, the header and the body of an answer, with the date left out.
func (h *hidden) ask(ctx context.Context, t *testing.T, method, scheme, path string) string {
	t.Helper()
	client := &http.Client{
		Transport:     &http.Transport{DialContext: h.outside.DialContext, TLSClientConfig: network.Insecure(hiddenDomain), DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, method, scheme+"://"+hiddenDomain+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	resp.Header.Del("Date")
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", resp.Status)
	for _, name := range slices.Sorted(maps.Keys(resp.Header)) {
		fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(resp.Header[name], ", "))
	}
	fmt.Fprintf(&b, "\n%s", body)
	if !strings.Contains(path, h.token) {
		h.heard(method+" "+scheme+" as a page", b.String())
	}
	return b.String()
}

// certificates name the domain, and port 443 selects nothing by ALPN.
func (h *hidden) certificates(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	for _, port := range tlsPorts {
		for _, alpn := range []string{"imap", "smtp", "http/1.1"} {
			conn, err := h.outside.DialTLS(ctx, net.JoinHostPort(hiddenDomain, port), alpn)
			if err != nil {
				h.heard("port "+port+" with ALPN "+alpn, err.Error())
				// A server refuses what is not its own (RFC 7301 §3.2).
				if own := map[string]string{"443": "http/1.1", "465": "smtp", "993": "imap"}[port]; alpn == own {
					t.Errorf("port %s with ALPN %s: %v", port, alpn, err)
				}
				continue
			}
			state := conn.ConnectionState()
			conn.Close()
			if port == "443" && alpn != "http/1.1" && state.NegotiatedProtocol != "" {
				t.Errorf("port 443 takes %s", alpn)
			}
			cert := state.PeerCertificates[0]
			h.heard("port "+port+" with ALPN "+alpn, fmt.Sprint(cert.Subject, cert.Issuer, cert.DNSNames, state.NegotiatedProtocol))
			if want := []string{hiddenDomain, "www." + hiddenDomain, "mta-sts." + hiddenDomain}; !slices.Equal(cert.DNSNames, want) {
				t.Errorf("port %s: a certificate for %v, want %v", port, cert.DNSNames, want)
			}
		}
	}
}

// commands holds that none of them finds fault with the relay, nor it with itself.
func (h *hidden) commands(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	for _, c := range []struct{ command, says string }{
		{"run", "nothing to do"},
		{"dns", hiddenDomain + " needs no DNS records"},
		{"status", ""},
	} {
		if said, err := h.relay.Run(ctx, "chatmaild", c.command); err != nil || !strings.Contains(said, c.says) {
			t.Errorf("%s: %v\n%s", c.command, err, said)
		}
	}
	res, err := h.usual.Exec(ctx, nil, "chatmaild", "test", "--hidden", "--invite", h.token, hiddenDomain)
	if err != nil || res.Code != 0 {
		t.Errorf("test: %v, exit status %d\n%s%s", err, res.Code, res.Stdout, res.Stderr)
	}
}
