package lab

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"chatmaild/testdata/lab/program"
)

// maxPage bounds what is read of a page.
const maxPage = 1 << 20

// web is the proof of the pages and of /new, as nginx serves them.
func (p *proof) web(t *testing.T) {
	eachStep(t, p, []step[*proof]{
		{"pages", (*proof).pages},
		{"protocols", (*proof).protocols},
		{"a profile", (*proof).newProfile},
		{"200 at once", (*proof).manyNew},
		{"nocreate", (*proof).nocreate},
		{"logs", (*proof).webLogs},
	})
}

// browser is an HTTP client in the lab that follows no redirect.
func (p *proof) browser(t *testing.T) *http.Client {
	transport := &http.Transport{
		DialContext:         p.outside.DialContext,
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true},
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 256,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// browse returns the answer and its body.
func browse(ctx context.Context, c *http.Client, method, url string) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, "", err
	}
	return do(c, req)
}

// do sends a request, and returns the answer and its body.
func do(c *http.Client, req *http.Request) (*http.Response, string, error) {
	resp, err := c.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage))
	return resp, string(body), err
}

func (p *proof) pages(t *testing.T) {
	browser := p.browser(t)
	ctx := deadline(t, partTimeout)
	domain := p.relay.Domain
	for _, tt := range []struct {
		url      string
		status   int
		kind     string // Content-Type
		location string
		contains string
	}{
		{"https://" + domain + "/", 200, "text/html", "", domain},
		{"https://" + domain + "/info", 200, "text/html", "", "<h1"},
		{"https://" + domain + "/info.html", 200, "text/html", "", "<h1"},
		{"https://" + domain + "/privacy.html", 200, "text/html", "", "<h1"},
		{"https://" + domain + "/robots.txt", 200, "text/plain", "", "User-agent"},
		{"https://" + domain + "/.well-known/autoconfig/mail/config-v1.1.xml", 200, "text/xml", "", "<emailProvider id=\"" + domain + "\""},
		{"https://mta-sts." + domain + "/.well-known/mta-sts.txt", 200, "text/plain", "", "version: STSv1"},
		{"https://" + domain + "/no-such-page", 404, "text/html", "", "<html"},
		{"https://" + domain + "/new.svg", 200, "image/svg+xml", "", "<svg"},
		{"https://" + domain + "/new", 302, "", "dclogin:", ""},
		{"https://" + domain + "/cgi-bin/newemail.py", 302, "", "dclogin:", ""},
		{"https://www." + domain + "/info?a=b", 301, "", "https://" + domain + "/info?a=b", ""},
		{"http://" + domain + "/info?a=b", 301, "", "https://" + domain + "/info?a=b", ""},
		{"http://www." + domain + "/", 301, "", "https://" + domain + "/", ""},
	} {
		resp, body, err := browse(ctx, browser, http.MethodGet, tt.url)
		if err != nil {
			t.Errorf("%s: %v", tt.url, err)
			continue
		}
		if resp.StatusCode != tt.status || !strings.HasPrefix(resp.Header.Get("Location"), tt.location) ||
			tt.kind != "" && !strings.HasPrefix(resp.Header.Get("Content-Type"), tt.kind) || !strings.Contains(body, tt.contains) {
			t.Errorf("%s: %s, %v\n%s", tt.url, resp.Status, resp.Header, program.Tail(body, 20))
		}
		if strings.HasPrefix(tt.url, "https://"+domain) {
			secured(t, tt.url, resp.Header)
		}
	}
}

// secured checks the headers that every answer of the relay's site has.
func secured(t *testing.T, url string, h http.Header) {
	t.Helper()
	for name, want := range map[string]string{
		"Strict-Transport-Security":    "max-age=",
		"X-Content-Type-Options":       "nosniff",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Content-Security-Policy":      "default-src 'none'",
	} {
		if got := h.Values(name); len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%s: %s is %q, want %s", url, name, got, want)
		}
	}
	if server := h.Get("Server"); server != "nginx" {
		t.Errorf("%s: Server is %q", url, server)
	}
}

// protocols asks port 443 for each protocol that it has.
func (p *proof) protocols(t *testing.T) {
	ctx := deadline(t, partTimeout)
	for _, tt := range []struct{ offer, greeting string }{
		{"h2", ""}, {"http/1.1", ""}, {"imap", "* OK"}, {"smtp", "220 "},
	} {
		conn, err := p.outside.DialTLS(ctx, net.JoinHostPort(p.relay.Domain, "443"), tt.offer)
		if err != nil {
			t.Errorf("%s: %v", tt.offer, err)
			continue
		}
		if tt.greeting == "" {
			if got := conn.ConnectionState().NegotiatedProtocol; got != tt.offer {
				t.Errorf("%s: negotiated %q", tt.offer, got)
			}
		} else {
			greeting := make([]byte, len(tt.greeting))
			if _, err := io.ReadFull(conn, greeting); err != nil || string(greeting) != tt.greeting {
				t.Errorf("%s: greeting %q, %v", tt.offer, greeting, err)
			}
		}
		conn.Close()
	}
}

// credentials are the answer to POST /new.
type credentials struct {
	Email, Password, Reason string
	LoginURL                string `json:"dclogin_url"`
}

func postNew(ctx context.Context, c *http.Client, url string) (*http.Response, credentials, error) {
	var got credentials
	resp, body, err := browse(ctx, c, http.MethodPost, url)
	if err == nil {
		err = json.Unmarshal([]byte(body), &got)
	}
	return resp, got, err
}

// newProfile logs the real client in with what /new gave, with what the operator's
// terminal shows, and with what a camera sees.
func (p *proof) newProfile(t *testing.T) {
	ctx := deadline(t, partTimeout)
	browser := p.browser(t)
	links := map[string]string{
		"chatmaild qr":       lastLine(p.script(t, "chatmaild qr")),
		"chatmaild qr --png": p.scanned(t),
	}
	for _, path := range []string{"/new", "/cgi-bin/newemail.py"} {
		resp, got, err := postNew(ctx, browser, "https://"+p.relay.Domain+path)
		if err != nil || resp.StatusCode != 200 || !strings.HasPrefix(got.LoginURL, "dclogin:"+got.Email+"?") {
			t.Fatalf("POST %s: %+v, %v", path, got, err)
		}
		links["POST "+path] = got.LoginURL
	}
	client := startClient(t, p.lab, "scanner")
	for source, link := range links {
		profile, err := client.SignUp(ctx, "scanner", link)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if !strings.HasPrefix(link, "dclogin:"+profile.Addr+"?") {
			t.Errorf("%s: the profile is another one than the link's", source)
		}
	}
}

// scanned is what zbar, another's decoder, reads from the picture of a QR code.
func (p *proof) scanned(t *testing.T) string {
	t.Helper()
	picture := sh(t, p.relay, "chatmaild qr --png /tmp/qr.png && cat /tmp/qr.png")
	name := filepath.Join(t.TempDir(), "qr.png")
	if err := os.WriteFile(name, []byte(picture), 0o644); err != nil {
		t.Fatal(err)
	}
	link, err := program.Run(deadline(t, partTimeout), "zbarimg", "--quiet", "--raw", "--oneshot", name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(link)
}

func lastLine(text string) string {
	return text[strings.LastIndexByte(text, '\n')+1:]
}

func (p *proof) manyNew(t *testing.T) {
	const many = 200
	ctx := deadline(t, partTimeout)
	browser := p.browser(t)
	var wait sync.WaitGroup
	answers, errs := make([]credentials, many), make([]error, many)
	for i := range many {
		wait.Go(func() { _, answers[i], errs[i] = postNew(ctx, browser, "https://"+p.relay.Domain+"/new") })
	}
	wait.Wait()
	seen := map[string]bool{}
	for i, a := range answers {
		if errs[i] != nil || a.Email == "" || a.Password == "" {
			t.Errorf("POST /new: %q, %v", a.Reason, errs[i])
			continue
		}
		if seen[a.Email] || seen[a.Password] {
			t.Error("POST /new gave the same address or password twice")
		}
		seen[a.Email], seen[a.Password] = true, true
	}
}

// nocreate has new accounts refused, with a reason, and allowed again.
func (p *proof) nocreate(t *testing.T) {
	ctx := deadline(t, partTimeout)
	browser := p.browser(t)
	const file = "/etc/chatmail-nocreate"
	p.script(t, "touch "+file)
	until(ctx, t, "/new to refuse", func() bool {
		resp, got, err := postNew(ctx, browser, "https://"+p.relay.Domain+"/new")
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode >= 400 && got.Reason != "" && got.Email == ""
	})
	p.script(t, "rm "+file)
	until(ctx, t, "/new to give again", func() bool {
		resp, got, err := postNew(ctx, browser, "https://"+p.relay.Domain+"/new")
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode == 200 && got.Email != ""
	})
}

// webLogs looks for the browser's address wherever nginx and the web daemon write.
func (p *proof) webLogs(t *testing.T) {
	for _, addr := range []string{p.outside.IPv4.String(), p.outside.IPv6.String()} {
		if found := p.script(t, `{ cat /var/log/nginx/* 2>/dev/null; journalctl --no-pager --unit=nginx --unit=chatmaild-maillog --unit=chatmaild-web --output=cat; journalctl --no-pager --identifier=nginx --output=cat; } | grep -wF -e '%s' || true`, addr); found != "" {
			t.Errorf("the logs tell who looked at the pages:\n%s", found)
		}
	}
}
