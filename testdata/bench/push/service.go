package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// service is a notification service.
type service struct {
	url, certFile string
	delay         atomic.Int64
	dead          atomic.Bool

	mu     sync.Mutex
	posts  int
	latest time.Time
}

func startService(dir string) (*service, error) {
	s := &service{certFile: filepath.Join(dir, "ca.pem")}
	server := httptest.NewUnstartedServer(s)
	server.EnableHTTP2 = true
	server.StartTLS()
	s.url = server.URL + "/notify"
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return s, os.WriteFile(s.certFile, ca, 0o600)
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.dead.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	s.mu.Lock()
	s.posts++
	s.latest = time.Now()
	s.mu.Unlock()
	if delay := time.Duration(s.delay.Load()); delay > 0 {
		time.Sleep(delay)
	}
}

func (s *service) answerAfter(delay time.Duration) { s.delay.Store(int64(delay)) }

func (s *service) die(dead bool) { s.dead.Store(dead) }

func (s *service) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posts = 0
}

// wait returns when there were count POSTs, with the time of the last.
func (s *service) wait(count int, atMost time.Duration) (time.Time, error) {
	for start := time.Now(); ; time.Sleep(50 * time.Microsecond) {
		s.mu.Lock()
		posts, latest := s.posts, s.latest
		s.mu.Unlock()
		if posts >= count {
			return latest, nil
		}
		if time.Since(start) > atMost {
			return latest, fmt.Errorf("%d POSTs after %v, want %d", posts, atMost, count)
		}
	}
}
