package gateway

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatmaild/push"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// serve starts a notification service with TLS and HTTP/2, and returns a gateway to it.
func serve(t testing.TB, handler http.HandlerFunc) (*Gateway, *httptest.Server) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return trusting(server, server.URL+"/notify"), server
}

// trusting returns a gateway that knows the server's CA.
func trusting(server *httptest.Server, url string) *Gateway {
	transport := NewTransport()
	transport.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	transport.TLSClientConfig.NextProtos = nil
	return New(url, Options{UserAgent: "test", Now: func() time.Time { return noon }, Transport: transport})
}

func TestSend(t *testing.T) {
	for name, tc := range map[string]struct {
		status     int
		retryAfter string
		want       push.Outcome
		wantAfter  time.Duration
	}{
		"200":                {200, "", push.Delivered, 0},
		"204":                {204, "", push.Delivered, 0},
		"301":                {301, "", push.Failed, 0},
		"400":                {400, "", push.Failed, 0},
		"404":                {404, "", push.Failed, 0},
		"410":                {410, "", push.Gone, 0},
		"429":                {429, "", push.Failed, 0},
		"429 in seconds":     {429, "120", push.Failed, 2 * time.Minute},
		"500":                {500, "120", push.Failed, 0},
		"502":                {502, "", push.Unreached, 0},
		"503":                {503, "", push.Unreached, 0},
		"503 with a date":    {503, "Sun, 22 Nov 2026 12:01:00 GMT", push.Unreached, time.Minute},
		"503 with a past":    {503, "Sun, 22 Nov 2026 11:01:00 GMT", push.Unreached, 0},
		"503 with nonsense":  {503, "soon", push.Unreached, 0},
		"503 for a lifetime": {503, "2000000000", push.Unreached, maxRetryAfter},
		"504":                {504, "", push.Unreached, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var requests atomic.Int32
			g, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				body, _ := io.ReadAll(r.Body)
				if r.Method != "POST" || r.URL.Path != "/notify" || string(body) != "openpgp:secret" || r.ProtoMajor != 2 {
					t.Errorf("%s %s %s, body %q", r.Method, r.URL.Path, r.Proto, body)
				}
				w.Header().Set("Location", "/elsewhere")
				w.Header().Set("Retry-After", tc.retryAfter)
				w.WriteHeader(tc.status)
				fmt.Fprint(w, strings.Repeat("x", 2*maxBody))
			})
			r := g.Send(t.Context(), "openpgp:secret")
			if r.Outcome != tc.want || r.RetryAfter != tc.wantAfter {
				t.Errorf("got %+v, want outcome %v, after %v", r, tc.want, tc.wantAfter)
			}
			if n := requests.Load(); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
			if (r.Err == nil) != (r.Outcome == push.Delivered) || r.Err != nil && strings.Contains(r.Err.Error(), "secret") {
				t.Errorf("error %v", r.Err)
			}
		})
	}
}

func TestSendToNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	l.Close()
	closed := New(url, Options{Now: time.Now})
	if r := closed.Send(t.Context(), "secret"); r.Outcome != push.Unreached || strings.Contains(r.Err.Error(), "secret") {
		t.Errorf("to a closed port: %+v", r)
	}

	_, server := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("asked by a gateway that cannot trust it") })
	server.Config.ErrorLog = nil
	stranger := NewTransport()
	stranger.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	stranger.TLSClientConfig.RootCAs = x509.NewCertPool()
	g := New(server.URL, Options{Now: time.Now, Transport: stranger})
	if r := g.Send(t.Context(), "secret"); r.Outcome != push.Unreached || !strings.Contains(r.Err.Error(), "certificate") {
		t.Errorf("to a stranger: %+v", r)
	}

	broken, _ := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if r := broken.Send(t.Context(), "secret"); r.Outcome != push.Unreached {
		t.Errorf("to a service that hangs up: %+v", r)
	}
}

func TestSendToTheSlow(t *testing.T) {
	release := make(chan struct{})
	g, _ := serve(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	defer time.AfterFunc(10*time.Millisecond, cancel).Stop()
	if r := g.Send(ctx, "secret"); r.Outcome != push.Failed || r.Err == nil {
		t.Errorf("to a slow service: %+v", r)
	}
}

func TestManyShareFewConnections(t *testing.T) {
	const many = push.DefaultInFlight
	var conns, together atomic.Int32
	release := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if together.Add(1) == many {
			close(release)
		}
		<-release
	}))
	server.EnableHTTP2 = true
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateActive {
			conns.Add(1)
		}
	}
	server.StartTLS()
	defer server.Close()
	g := trusting(server, server.URL)
	var sent sync.WaitGroup
	for range many {
		sent.Go(func() {
			if r := g.Send(t.Context(), "token"); r.Outcome != push.Delivered {
				t.Errorf("%+v", r)
			}
		})
	}
	sent.Wait()
	if n := conns.Load(); n > maxConns {
		t.Errorf("%d connections for %d POSTs, want %d at most", n, many, maxConns)
	}
}

// TestAsk has a service that is there whatever it thinks of being asked, and none that
// is behind a proxy alone.
func TestAsk(t *testing.T) {
	for status, want := range map[int]push.Outcome{
		200: push.Delivered, 302: push.Delivered, 404: push.Delivered, 405: push.Delivered, 410: push.Delivered, 429: push.Delivered, 500: push.Delivered,
		502: push.Unreached, 503: push.Unreached, 504: push.Unreached,
	} {
		g, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if body, _ := io.ReadAll(r.Body); r.Method != "HEAD" || r.URL.Path != "/notify" || len(body) > 0 {
				t.Errorf("%s %s, body %q", r.Method, r.URL.Path, body)
			}
			w.WriteHeader(status)
		})
		if r := g.Ask(t.Context()); r.Outcome != want || (r.Err == nil) != (want == push.Delivered) {
			t.Errorf("%d: got %+v, want outcome %v", status, r, want)
		}
	}
	g, server := serve(t, nil)
	server.Close()
	if r := g.Ask(t.Context()); r.Outcome != push.Unreached || r.Err == nil {
		t.Errorf("nobody listens: got %+v", r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := g.Ask(ctx); r.Outcome != push.Unreached {
		t.Errorf("no time: got %+v", r)
	}
}
