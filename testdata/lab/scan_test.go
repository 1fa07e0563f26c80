package lab

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// tlsVersions are the protocol versions that there are, by their names.
var tlsVersions = []struct {
	name    string
	version uint16
}{
	{"TLS 1.0", tls.VersionTLS10}, {"TLS 1.1", tls.VersionTLS11}, {"TLS 1.2", tls.VersionTLS12}, {"TLS 1.3", tls.VersionTLS13},
}

// starters bring a cleartext connection to where TLS begins.
var starters = map[string]func(net.Conn) error{
	"25":  startSMTP,
	"587": startSMTP,
	"143": startIMAP,
}

// scan tries every public port with every version and ALPN name, and every way
// to get around TLS.
func (p *plain) scan(t *testing.T) {
	for _, tt := range []struct {
		port, alpn string
		least      uint16
	}{
		{"25", "", tls.VersionTLS12},
		{"587", "", tls.VersionTLS13},
		{"143", "", tls.VersionTLS13},
		{"465", "", tls.VersionTLS13},
		{"993", "", tls.VersionTLS13},
		{"443", "", tls.VersionTLS12},
		{"443", "h2", tls.VersionTLS12},
		{"443", "http/1.1", tls.VersionTLS12},
		{"443", "imap", tls.VersionTLS13},
		{"443", "smtp", tls.VersionTLS13},
	} {
		for _, v := range tlsVersions {
			err := p.handshake(deadline(t, stepTimeout), tt.port, tt.alpn, v.version)
			if works, want := err == nil, v.version >= tt.least; works != want {
				t.Errorf("port %s with %s and ALPN %q: works %v (%v), want %v", tt.port, v.name, tt.alpn, works, err, want)
			}
		}
	}
	t.Run("greetings behind 443", p.multiplexed)
	t.Run("cleartext", p.cleartext)
}

// handshake connects with one version alone. Ciphers are those that a peer as
// old as the version has, so that it is the version that is refused.
func (p *plain) handshake(ctx context.Context, port, alpn string, version uint16) error {
	conn, err := p.outside.DialContext(ctx, "tcp", net.JoinHostPort(plainDomain, port))
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	if start := starters[port]; start != nil {
		if err := start(conn); err != nil {
			return err
		}
	}
	config := &tls.Config{ServerName: plainDomain, RootCAs: p.roots, MinVersion: version, MaxVersion: version}
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		config.CipherSuites = append(config.CipherSuites, suite.ID)
	}
	if alpn != "" {
		config.NextProtos = []string{alpn}
	}
	return tls.Client(conn, config).HandshakeContext(ctx)
}

// multiplexed hears who answers behind each ALPN name of port 443.
func (p *plain) multiplexed(t *testing.T) {
	for alpn, want := range map[string]string{"imap": "* OK ", "smtp": "220 " + plainDomain} {
		conn, err := p.outside.DialTLS(deadline(t, stepTimeout), net.JoinHostPort(plainDomain, "443"), alpn)
		if err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(conn).ReadString('\n')
		conn.Close()
		if !strings.HasPrefix(line, want) {
			t.Errorf("ALPN %s: got %q, %v; want %q", alpn, line, err, want)
		}
	}
}

// cleartext says what must not be said without TLS. Nobody may take it.
func (p *plain) cleartext(t *testing.T) {
	for _, tt := range []struct {
		port  string
		lines []string
		want  string // how the last reply begins
	}{
		{"25", []string{"EHLO x.test", "MAIL FROM:<a@x.test>"}, "530 "},
		{"25", []string{"HELO x.test", "MAIL FROM:<a@x.test>"}, "530 "},
		{"587", []string{"EHLO x.test", "AUTH PLAIN AGEAYg=="}, "5"},
		{"587", []string{"EHLO x.test", "MAIL FROM:<a@x.test>"}, "530 "},
		{"143", []string{"a LOGIN a@chat.test password1"}, "a NO [PRIVACYREQUIRED]"},
		{"143", []string{"a AUTHENTICATE PLAIN AGEAYg=="}, "a NO [PRIVACYREQUIRED]"},
	} {
		last, all := p.dialogue(t, tt.port, tt.lines)
		if !strings.HasPrefix(last, tt.want) {
			t.Errorf("port %s, %q: got %q, want %q", tt.port, tt.lines, last, tt.want)
		}
		if strings.Contains(all, "250-AUTH") || strings.Contains(all, "250 AUTH") || strings.Contains(all, "AUTH=PLAIN") {
			t.Errorf("port %s offers to log in without TLS:\n%s", tt.port, all)
		}
	}
	// Nor does anything but TLS get an answer where it begins at once.
	for _, port := range []string{"465", "993", "443"} {
		conn, err := p.outside.DialContext(deadline(t, stepTimeout), "tcp", net.JoinHostPort(plainDomain, port))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, "GET / HTTP/1.0\r\n\r\n")
		said, _ := io.ReadAll(io.LimitReader(conn, 4096))
		conn.Close()
		for _, word := range []string{"220 ", "* OK", "200 OK"} {
			if strings.Contains(string(said), word) {
				t.Errorf("port %s answers without TLS: %q", port, said)
			}
		}
	}
}

// dialogue says lines and returns the last line of the last reply, and all.
func (p *plain) dialogue(t *testing.T, port string, lines []string) (last, all string) {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	conn, err := p.outside.DialContext(ctx, "tcp", net.JoinHostPort(plainDomain, port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	r := bufio.NewReader(conn)
	greeting, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	all = greeting
	for _, line := range lines {
		fmt.Fprintf(conn, "%s\r\n", line)
		for {
			last, err = r.ReadString('\n')
			all += last
			if err != nil || len(last) < 4 || (last[3] != '-' && last[0] != '*') {
				break
			}
		}
	}
	return last, all
}

func startSMTP(conn net.Conn) error {
	r := bufio.NewReader(conn)
	for _, step := range []struct{ line, want string }{{"", "220"}, {"EHLO x.test", "250"}, {"STARTTLS", "220"}} {
		if step.line != "" {
			fmt.Fprintf(conn, "%s\r\n", step.line)
		}
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return err
			}
			if !strings.HasPrefix(line, step.want) {
				return fmt.Errorf("%s: %s", step.line, line)
			}
			if line[3] != '-' {
				break
			}
		}
	}
	return nil
}

func startIMAP(conn net.Conn) error {
	r := bufio.NewReader(conn)
	if _, err := r.ReadString('\n'); err != nil {
		return err
	}
	fmt.Fprint(conn, "a STARTTLS\r\n")
	line, err := r.ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "a OK") {
		err = fmt.Errorf("STARTTLS: %s", line)
	}
	return err
}

// web fetches the MTA-STS policy and the autoconfiguration as others do, over
// certificates that they can verify, and tries each port that the latter names.
func (p *plain) web(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	client := &http.Client{Transport: &http.Transport{
		DialContext: p.outside.DialContext, TLSClientConfig: &tls.Config{RootCAs: p.roots}, DisableKeepAlives: true,
	}}
	get := func(url string) (string, string) {
		t.Helper()
		resp, text, err := browse(ctx, client, http.MethodGet, url)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: got %s", url, resp.Status)
		}
		return text, resp.Header.Get("Content-Type")
	}
	// RFC 8461 §3.3: the host mta-sts, this path, text/plain, no redirect.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	policy, kind := get("https://mta-sts." + plainDomain + "/.well-known/mta-sts.txt")
	contains(t, "the MTA-STS policy", policy, "version: STSv1\n", "mode: enforce\n", "mx: "+plainDomain+"\n", "max_age: ")
	if !strings.HasPrefix(kind, "text/plain") {
		t.Errorf("the MTA-STS policy is %s, want text/plain", kind)
	}
	text, _ := get("https://" + plainDomain + "/.well-known/autoconfig/mail/config-v1.1.xml")
	var config struct {
		Provider struct {
			Servers []struct {
				Type   string `xml:"type,attr"`
				Host   string `xml:"hostname"`
				Port   string `xml:"port"`
				Socket string `xml:"socketType"`
			} `xml:",any"`
		} `xml:"emailProvider"`
	}
	if err := xml.Unmarshal([]byte(text), &config); err != nil {
		t.Fatal(err)
	}
	var tried int
	for _, s := range config.Provider.Servers {
		if s.Port == "" {
			continue // its name
		}
		tried++
		alpn := ""
		if s.Port == "443" {
			alpn = s.Type
		}
		if (s.Socket == "STARTTLS") != (starters[s.Port] != nil) {
			t.Errorf("autoconfig: port %s has socket type %s", s.Port, s.Socket)
		}
		if err := p.handshake(ctx, s.Port, alpn, tls.VersionTLS13); err != nil || s.Host != plainDomain {
			t.Errorf("autoconfig names %s port %s (%s): %v", s.Host, s.Port, s.Socket, err)
		}
	}
	if tried != 6 {
		t.Errorf("autoconfig names %d servers, want 6", tried)
	}
	// Without TLS there is only the way to it.
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+plainDomain+"/page", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got, want := resp.Header.Get("Location"), "https://"+plainDomain+"/page"; got != want {
		t.Errorf("http leads to %q, want %q", got, want)
	}
}

// mailOff turns mail off, after which no port takes any, and on again.
func (p *plain) mailOff(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	mailPorts := []string{"25", "143", "465", "587", "993"}
	p.run(t, "chatmaild run --disable-mail")
	refused := func() {
		t.Helper()
		for _, port := range mailPorts {
			if conn, err := p.outside.DialContext(ctx, "tcp", net.JoinHostPort(plainDomain, port)); err == nil {
				conn.Close()
				t.Errorf("mail is off, and port %s takes connections", port)
			}
		}
		for _, alpn := range []string{"imap", "smtp"} {
			if err := p.handshake(ctx, "443", alpn, tls.VersionTLS13); err == nil {
				t.Errorf("mail is off, and port 443 takes %s", alpn)
			}
		}
	}
	refused()
	if err := p.relay.Reboot(ctx); err != nil {
		t.Fatal(err)
	}
	refused()
	p.shown(t, "443", plainDomain) // the pages are still there
	p.run(t, "chatmaild run")
	for _, port := range append(mailPorts, "443") {
		if err := p.handshake(ctx, port, "", tls.VersionTLS13); err != nil {
			t.Errorf("mail is on, but port %s: %v", port, err)
		}
	}
}
