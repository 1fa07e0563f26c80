package lab

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"chatmaild/testdata/kit/pki"
	"chatmaild/testdata/lab/machine"
	"chatmaild/testdata/lab/network"
)

const (
	pushHost = "notify.test"
	maxToken = 4096
)

// A pushService stands for the notification service: HTTPS with a certificate
// of an authority of its own.
type pushService struct {
	station network.Station
	cert    tls.Certificate
	ca      []byte // PEM

	mu      sync.Mutex
	server  *http.Server // nil while it is down
	posts   map[string][]time.Time
	answers map[string]int // by token; 200 if not here
	protos  map[string]bool
}

func newPushService(t *testing.T, s network.Station) *pushService {
	t.Helper()
	p := &pushService{station: s, posts: map[string][]time.Time{}, answers: map[string]int{}, protos: map[string]bool{}}
	var err error
	if p.cert, err = pki.New(nil, pki.Request{Names: []string{pushHost}}); err != nil {
		t.Fatal(err)
	}
	if p.ca, _, err = pki.PEM(p.cert); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	return p
}

// trust makes a host trust the service.
func (p *pushService) trust(ctx context.Context, h *machine.Host) error {
	return h.TrustRoot(ctx, "lab-push", p.ca)
}

// start has the service answer, until stop.
func (p *pushService) start(t *testing.T) {
	t.Helper()
	l, err := p.station.Listen(443)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		Handler:   p,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{p.cert}, NextProtos: []string{"h2", "http/1.1"}},
	}
	p.mu.Lock()
	p.server = server
	p.mu.Unlock()
	go server.ServeTLS(l, "", "")
}

// stop has connections refused, and drops those that are.
func (p *pushService) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		p.server.Close()
		p.server = nil
	}
}

func (p *pushService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, err := io.ReadAll(io.LimitReader(r.Body, maxToken))
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/notify" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.posts[string(token)] = append(p.posts[string(token)], time.Now())
	p.protos[r.Proto] = true
	if status := p.answers[string(token)]; status != 0 {
		w.WriteHeader(status)
	}
}

// answer sets the status for a token.
func (p *pushService) answer(token string, status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[token] = status
}

// times are the moments at which a token was notified.
func (p *pushService) times(token string) []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]time.Time(nil), p.posts[token]...)
}
