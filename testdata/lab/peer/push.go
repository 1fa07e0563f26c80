package peer

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"chatmaild/testdata/kit/pki"
	"chatmaild/testdata/lab/network"
)

const (
	// PushHost is the service's name in the lab.
	PushHost = "notify.test"
	// PushURL is what notify_url has to be.
	PushURL = "https://" + PushHost + "/notify"
	// MaxToken is how much of a token it reads, in bytes.
	MaxToken = 4096
)

// A PushService stands for the notification service: HTTPS with a certificate
// of an authority of its own.
type PushService struct {
	network.Station
	// Root is the PEM certificate behind its HTTPS.
	Root []byte

	cert tls.Certificate

	mu      sync.Mutex
	server  *http.Server // nil while it is down
	posts   map[string][]time.Time
	answers map[string]int // by token; 200 if not here
	protos  map[string]bool
}

// AddPushService adds a station for the service, at notify.test. It does not answer yet.
func AddPushService(ctx context.Context, n *network.Network) (*PushService, error) {
	s, err := n.AddStation(ctx, "notify")
	if err != nil {
		return nil, err
	}
	p := &PushService{Station: s, posts: map[string][]time.Time{}, answers: map[string]int{}, protos: map[string]bool{}}
	if p.cert, err = pki.New(nil, pki.Request{Names: []string{PushHost}}); err != nil {
		return nil, err
	}
	if p.Root, _, err = pki.PEM(p.cert); err != nil {
		return nil, err
	}
	return p, n.Zone.Set(PushHost, "A", s.IPv4.String())
}

// Start has the service answer, until Stop.
func (p *PushService) Start() error {
	l, err := p.Listen(443)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:   p,
		ErrorLog:  log.New(io.Discard, "", 0), // of clients that have ended
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{p.cert}, NextProtos: []string{"h2", "http/1.1"}},
	}
	p.mu.Lock()
	p.server = server
	p.mu.Unlock()
	go server.ServeTLS(l, "", "")
	return nil
}

// Stop has connections refused, and drops those that are.
func (p *PushService) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		p.server.Close()
		p.server = nil
	}
}

func (p *PushService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, err := io.ReadAll(io.LimitReader(r.Body, MaxToken))
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

// Answer sets the status for a token.
func (p *PushService) Answer(token string, status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[token] = status
}

// Times are the moments at which a token was notified.
func (p *PushService) Times(token string) []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.posts[token])
}

// Count is how many notifications have come.
func (p *PushService) Count() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, times := range p.posts {
		n += len(times)
	}
	return n
}

// Protocols are those by which notifications have come, such as HTTP/2.0.
func (p *PushService) Protocols() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.protos))
}
