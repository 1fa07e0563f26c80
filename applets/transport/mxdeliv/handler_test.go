package mxdeliv

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"chatmaild/mailfilter"
	"chatmaild/mailfilter/dkim"
)

// filter answers with a reply, and keeps what it got.
type filter struct {
	reply   string
	env     mailfilter.Envelope
	message string
	entered chan struct{} // if set, gets a value for each message before that is read
}

func (f *filter) Deliver(_ context.Context, env mailfilter.Envelope, message io.Reader) string {
	f.env = env
	if f.entered != nil {
		f.entered <- struct{}{}
	}
	text, err := io.ReadAll(message)
	if err != nil {
		return "451 4.4.2 " + err.Error()
	}
	f.message = string(text)
	return f.reply
}

func serve(t *testing.T, o Options) *httptest.Server {
	t.Helper()
	o.Name, o.MaxAtOnce = "our.test", 1
	o.Now = func() time.Time { return time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC) }
	server := httptest.NewServer(New(o))
	t.Cleanup(server.Close)
	return server
}

func post(t *testing.T, url, body string, header http.Header) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+Path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestHandler(t *testing.T) {
	const (
		four = "Received: from [192.0.2.1] (unknown [192.0.2.1])\r\n\tby our.test with HTTPS;\r\n\tSun, 29 Nov 2026 12:00:00 +0000\r\n"
		six  = "Received: from [IPv6:2001:db8::1] (unknown [IPv6:2001:db8::1])\r\n\tby our.test with HTTPS;\r\n\tSun, 29 Nov 2026 12:00:00 +0000\r\n"
	)
	for _, test := range []struct {
		name   string
		client string
		from   []string
		reply  string
		status int
		answer string
		sender string
		trace  string
	}{
		{"queued", "192.0.2.1", []string{"a@far.test"}, "250 2.0.0 Ok: queued as X", 200, "250 2.0.0 Ok: queued as X", "a@far.test", four},
		{"IPv6", "2001:db8::1", []string{"a@far.test"}, "250 Ok", 200, "250 Ok", "a@far.test", six},
		{"IPv4 in IPv6", "::ffff:192.0.2.1", []string{"a@far.test"}, "250 Ok", 200, "250 Ok", "a@far.test", four},
		{"null sender", "192.0.2.1", nil, "250 Ok", 200, "250 Ok", "", four},
		{"refused", "192.0.2.1", []string{"a@far.test"}, "523 Encryption Needed", 400, "523 Encryption Needed", "a@far.test", four},
		{"too large", "192.0.2.1", []string{"a@far.test"}, "552 5.3.4 Message too large", 413, "552 5.3.4 Message too large", "a@far.test", four},
		{"later", "192.0.2.1", []string{"a@far.test"}, "451 4.4.0 later", 503, "451 4.4.0 later", "a@far.test", four},
		{"shutting down", "192.0.2.1", []string{"a@far.test"}, "421 4.3.2 Shutting down", 503, "421 4.3.2 Shutting down", "a@far.test", four},
		{"nobody says who it is", "", nil, "250 Ok", 503, "451 4.3.5 The web server does not say who the client is", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := &filter{reply: test.reply}
			var counted []int
			server := serve(t, Options{Filter: f, Answered: func(status int) { counted = append(counted, status) }})
			header := http.Header{"X-Mail-To": {"b@our.test", "c@our.test"}, "X-Mail-From": test.from}
			if test.client != "" {
				header.Set("X-Real-Ip", test.client)
			}
			const body = "From: <a@far.test>\r\n\r\nhello\r\n"
			status, answer := post(t, server.URL, body, header)
			if status != test.status || answer != test.answer || len(counted) != 1 || counted[0] != status {
				t.Errorf("got %d %q, counted %v; want %d %q", status, answer, counted, test.status, test.answer)
			}
			if test.trace == "" {
				return
			}
			if f.message != test.trace+body || f.env.Sender != test.sender || strings.Join(f.env.Recipients, " ") != "b@our.test c@our.test" {
				t.Errorf("the filter got %+v %q", f.env, f.message)
			}
		})
	}
}

// open has every mailbox accept cleartext.
type open struct{}

func (open) EnforcesEncryption(string) (bool, error) { return false, nil }

// TestTrace wants the policy for mail from outside to find in the trace the address that
// the client has, which proves an author with that literal and no other.
func TestTrace(t *testing.T) {
	policy := mailfilter.NewIncoming(mailfilter.IncomingOptions{
		Mailboxes: open{}, Domains: []string{"our.test"}, DKIM: dkim.New(dkim.Options{Now: time.Now}),
	})
	for _, test := range []struct {
		client, author string
		proven         bool
	}{
		{"192.0.2.1", "[192.0.2.1]", true},
		{"192.0.2.2", "[192.0.2.1]", false},
		{"2001:db8::1", "[IPv6:2001:db8::1]", true},
		{"2001:db8::2", "[IPv6:2001:db8::1]", false},
	} {
		trace := (&handler{Options: Options{Name: "our.test"}}).trace(netip.MustParseAddr(test.client), time.Unix(0, 0))
		forged := strings.ReplaceAll(trace, test.client, strings.Trim(test.author, "[]"))
		text := trace + forged + "From: <x@" + test.author + ">\r\n\r\n"
		h, err := mailfilter.ReadHeader(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			t.Fatal(err)
		}
		check, err := policy.Check(mailfilter.Envelope{Sender: "x@" + test.author, Recipients: []string{"bob@our.test"}}, h)
		if err != nil {
			t.Fatal(err)
		}
		if err := check.Body(strings.NewReader("")); (err == nil) != test.proven {
			t.Errorf("%s, who says to be %s: got %v", test.client, test.author, err)
		}
	}
}

func TestMethod(t *testing.T) {
	server := serve(t, Options{Filter: &filter{reply: "250 Ok"}})
	resp, err := http.Get(server.URL + Path)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != http.MethodPost {
		t.Errorf("got %s, %v", resp.Status, resp.Header)
	}
}

// TestPlaces has one message come slowly, and another meanwhile.
func TestPlaces(t *testing.T) {
	f := &filter{reply: "250 Ok", entered: make(chan struct{}, 1)}
	server := serve(t, Options{Filter: f})
	header := http.Header{"X-Mail-To": {"b@our.test"}, "X-Real-Ip": {"192.0.2.1"}}
	body, slow := io.Pipe()
	answered := make(chan int, 1)
	go func() {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+Path, body)
		if err != nil {
			answered <- 0
			return
		}
		r.Header = header
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			answered <- 0
			return
		}
		resp.Body.Close()
		answered <- resp.StatusCode
	}()
	<-f.entered
	if status, _ := post(t, server.URL, "x\r\n", header); status != http.StatusServiceUnavailable {
		t.Errorf("while another message comes: got %d", status)
	}
	slow.Close()
	if status := <-answered; status != http.StatusOK {
		t.Errorf("the slow message: got %d", status)
	}
	if status, _ := post(t, server.URL, "x\r\n", header); status != http.StatusOK {
		t.Errorf("afterwards: got %d", status)
	}
}

// TestNginx holds nginx's configuration against what is answered here.
func TestNginx(t *testing.T) {
	text, err := os.ReadFile("../../../packaging/nginx/nginx.conf.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	_, location, found := strings.Cut(string(text), "location = "+Path+" {")
	location, _, closed := strings.Cut(location, "\n        }\n")
	if !found || !closed {
		t.Fatalf("nginx has no location %s", Path)
	}
	for _, want := range []string{
		"proxy_set_header " + clientField + " {{$client}};", "proxy_request_buffering off;",
		"client_max_body_size {{.ClientMessageSize}};", "limit_req_status 503;", "limit_conn_status 503;",
	} {
		if !strings.Contains(location, want) {
			t.Errorf("nginx: %s lacks %q", Path, want)
		}
	}
}
