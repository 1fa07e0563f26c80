package lab

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

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
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "lab's notification service"},
		DNSNames:  []string{pushHost},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	p.cert = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	p.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	t.Cleanup(p.stop)
	return p
}

// trust makes a host trust the service.
func (p *pushService) trust(ctx context.Context, h *machine.Host) error {
	if err := h.WriteFile(ctx, "/usr/local/share/ca-certificates/lab-push.crt", 0o644, bytes.NewReader(p.ca)); err != nil {
		return err
	}
	_, err := h.Run(ctx, "update-ca-certificates")
	return err
}

// start has the service answer, until stop.
func (p *pushService) start(t *testing.T) {
	t.Helper()
	var l net.Listener
	err := p.station.Do(func() (err error) {
		l, err = new(net.ListenConfig).Listen(context.Background(), "tcp", ":443")
		return err
	})
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
