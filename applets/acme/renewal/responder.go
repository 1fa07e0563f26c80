package renewal

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// challengePath is where the authority looks (RFC 8555 §8.3).
const challengePath = "/.well-known/acme-challenge/"

// Responder answers HTTP-01 challenges. It holds one answer for each name of an
// order, and only while the order is open.
type Responder struct {
	mu      sync.Mutex
	answers map[string]string // token → key authorization

	shared  Challenges    // with other machines; nil: there are none
	waiting chan struct{} // has room for who may wait for them
}

// NewResponder returns a responder that knows no challenge yet.
func NewResponder() *Responder { return &Responder{answers: map[string]string{}} }

var (
	_ acmez.Solver = (*Responder)(nil)
	_ http.Handler = (*Responder)(nil)
)

// Present makes the challenge's answer known.
func (r *Responder) Present(ctx context.Context, c acme.Challenge) error {
	r.mu.Lock()
	r.answers[c.Token] = c.KeyAuthorization
	r.mu.Unlock()
	return r.present(ctx, c)
}

// CleanUp forgets the challenge.
func (r *Responder) CleanUp(ctx context.Context, c acme.Challenge) error {
	r.mu.Lock()
	delete(r.answers, c.Token)
	r.mu.Unlock()
	if r.shared == nil {
		return nil
	}
	return r.shared.CleanUp(ctx, c.Token)
}

// ServeHTTP answers the authority; everything else is not found.
func (r *Responder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	token, ok := strings.CutPrefix(req.URL.Path, challengePath)
	r.mu.Lock()
	answer, known := r.answers[token]
	r.mu.Unlock()
	if ok && !known && req.Method == http.MethodGet {
		answer, known = r.elsewhere(req, token)
	}
	if !ok || !known || req.Method != http.MethodGet {
		http.NotFound(w, req)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	io.WriteString(w, answer)
}
