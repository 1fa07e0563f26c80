package mxdeliv

import (
	"context"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"chatmaild/mailfilter"
)

func TestSMTPReply(t *testing.T) {
	for _, test := range []struct {
		status     int
		body, want string
	}{
		{200, "250 OK", "250 OK"},
		{200, "OK", ""},
		{400, "523 Encryption Needed: Invalid Unencrypted Mail", "523 Encryption Needed: Invalid Unencrypted Mail"},
		{400, "554 5.7.1 No valid\r\n DKIM signature", "554 5.7.1 No valid DKIM signature"},
		{400, "250 OK", ""},
		{200, "550 no", ""},
		{503, "451 4.3.2 later", "451 4.3.2 later"},
		{404, "<html>404 Not Found</html>", ""},
		{403, "Forbidden", ""},
		{400, "550-first", ""},
		{400, "999 x", ""},
		{400, "", ""},
		{400, "550 \x00\u00fc", "550 ??"},
	} {
		if got := smtpReply(test.status, test.body); got != test.want {
			t.Errorf("%d %q: got %q, want %q", test.status, test.body, got, test.want)
		}
	}
}

// FuzzSMTPReply wants what a host writes to be one line of an SMTP reply, or nothing.
func FuzzSMTPReply(f *testing.F) {
	f.Add(400, "550 5.1.1 no such user")
	f.Add(200, "250 OK\r\nRCPT TO:<x>")
	f.Fuzz(func(t *testing.T, status int, body string) {
		got := smtpReply(status, body)
		if got == "" {
			return
		}
		if len(got) < 4 || len(got) > 500 || got[3] != ' ' || got[0] < '2' || got[0] > '5' || (got[0] == '2') != (status == 200) {
			t.Errorf("got %q", got)
		}
		for i := range len(got) {
			if got[i] < ' ' || got[i] > '~' {
				t.Errorf("got %q", got)
			}
		}
	})
}

// TestClosedWhileIdle has a host close its connections between two messages.
func TestClosedWhileIdle(t *testing.T) {
	taken := 0
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if text, err := io.ReadAll(r.Body); err == nil && string(text) == "hello\r\n" && r.Header.Get("X-MAIL-TO") == "b@far.test" {
			taken++
		}
		_, _ = io.WriteString(w, "250 OK")
	}))
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	dialled := 0
	c := NewClient(func(ctx context.Context, _ string) (net.Conn, error) {
		dialled++
		return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
	}, roots)
	m := Message{
		Envelope: mailfilter.Envelope{Sender: "a@us.test", Recipients: []string{"b@far.test"}}, Size: 7,
		Open: func() io.Reader { return strings.NewReader("hello\r\n") },
	}
	for i, close := range []bool{false, false, true} {
		if close {
			server.CloseClientConnections()
		}
		if a, err := c.Deliver(t.Context(), "example.com", false, m); err != nil || a.Status != 200 || a.Reply != "250 OK" {
			t.Fatalf("message %d: got %+v, %v", i+1, a, err)
		}
	}
	if taken != 3 || dialled != 2 {
		t.Errorf("%d messages over %d connections, want 3 over 2", taken, dialled)
	}
	if _, err := c.Deliver(t.Context(), "other.test", false, m); err == nil {
		t.Error("a certificate for another name was taken")
	}
	if _, err := c.Deliver(t.Context(), "other.test", true, m); err != nil {
		t.Errorf("a relay that makes its own certificate: %v", err)
	}
}

// TestLarge has the sender of a large message not send it to a host that does not want it.
func TestLarge(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	c := NewClient(func(ctx context.Context, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
	}, roots)
	const size = 20 << 20
	read := new(counting)
	a, err := c.Deliver(t.Context(), "example.com", false, Message{
		Envelope: mailfilter.Envelope{Recipients: []string{"b@far.test"}}, Size: size,
		Open: func() io.Reader { return io.TeeReader(io.LimitReader(zeros{}, size), read) },
	})
	if err != nil || a.Status != http.StatusNotFound || a.Reply != "" || read.n > 0 {
		t.Errorf("got %+v, %v, after %d bytes", a, err, read.n)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

type counting struct{ n int }

func (c *counting) Write(b []byte) (int, error) { c.n += len(b); return len(b), nil }
