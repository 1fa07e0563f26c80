package renewal

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// several is what keepers share, as one of them sees it.
type several struct {
	*shared
	orders bool
}

type shared struct {
	mu      sync.Mutex
	chain   []byte
	answers map[string]string
	away    error
}

func (s several) Orders(context.Context) (bool, error)          { return s.orders, s.away }
func (s *shared) Published(context.Context) ([]byte, error)     { return s.chain, s.away }
func (s *shared) Publish(_ context.Context, chain []byte) error { s.chain = chain; return s.away }
func (s *shared) CleanUp(_ context.Context, token string) error {
	return s.Present(context.Background(), token, "")
}
func (s *shared) Present(_ context.Context, token, answer string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[token] = answer
	return s.away
}

func (s *shared) Answer(_ context.Context, token string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answers[token], s.away
}

// day is that of a test's authority.
const day = 24 * time.Hour

// issue makes a certificate for a keeper's key, as an authority does that ago.
func issue(t *testing.T, key crypto.Signer, ago, life time.Duration) []byte {
	t.Helper()
	authority, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-ago), NotAfter: time.Now().Add(life - ago),
		DNSNames: []string{"chat.example", "www.chat.example"},
	}
	parent := &x509.Certificate{Subject: pkix.Name{CommonName: "authority"}}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), authority)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// TestShared: one keeper orders, and the others take what it got.
func TestShared(t *testing.T) {
	f := newAuthority(t, http.StatusForbidden, "{}")
	with := &shared{answers: map[string]string{}}
	a, b := newKeeper(t, f.URL+"/dir"), newKeeper(t, f.URL+"/dir")
	a.Shared, b.Shared = several{with, true}, several{with, false}
	key, err := a.Files.key(a.Files.PrivateKey())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(a.Files.PrivateKey())
	if err == nil {
		err = os.MkdirAll(filepath.Dir(b.Files.PrivateKey()), 0o700)
	}
	if err == nil {
		err = os.WriteFile(b.Files.PrivateKey(), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, s := b.mustStep(t); f.orders != 0 || s.Problem != nil {
		t.Errorf("one that does not order has ordered %d times: %+v", f.orders, s.Problem)
	}
	if a.mustStep(t); f.orders == 0 {
		t.Error("the one that orders has not")
	}
	for _, c := range []struct{ ago, life time.Duration }{{10 * day, 80 * day}, {9 * day, 90 * day}, {2 * day, 45 * day}} {
		chain := issue(t, key, c.ago, c.life)
		if err := a.Files.write(a.Files.Certificate(), chain); err != nil {
			t.Fatal(err)
		}
		a.mustStep(t)
		b.mustStep(t)
		if got, err := b.Files.chain(); string(got) != string(chain) || err != nil {
			t.Errorf("the other one has %q, %v", got, err)
		}
	}
	last, err := b.Files.chain()
	if err != nil {
		t.Fatal(err)
	}
	for what, chain := range map[string][]byte{
		"an older one": issue(t, key, 8*day, 90*day), "one for another key": issue(t, mustKey(t), day, 100*day), "nonsense": []byte("x"), "none": nil,
	} {
		with.chain = chain
		b.mustStep(t)
		if got, err := b.Files.chain(); string(got) != string(last) || err != nil {
			t.Errorf("%s took the place of a good one: %v", what, err)
		}
	}
	with.away = errors.New("the directory is away")
	orders := f.orders
	if a.mustStep(t); f.orders != orders {
		t.Error("without the directory it orders")
	}
}

func mustKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestSharedChallenge: each machine answers what the authority asks, even a little before it
// knows.
func TestSharedChallenge(t *testing.T) {
	const token = "abcdefghijklmnopqrstuv"
	synctest.Test(t, func(t *testing.T) {
		with := &shared{answers: map[string]string{}}
		a, b := NewResponder(), NewResponder()
		a.Share(with)
		b.Share(with)
		get := func(path string) (int, string) {
			w := httptest.NewRecorder()
			b.ServeHTTP(w, httptest.NewRequest(http.MethodGet, challengePath+path, nil))
			return w.Code, w.Body.String()
		}
		start := time.Now()
		if code, _ := get("short"); code != http.StatusNotFound || time.Since(start) != 0 {
			t.Errorf("no token: %d after %v", code, time.Since(start))
		}
		go func() {
			time.Sleep(time.Second)
			if err := a.Present(t.Context(), acme.Challenge{Token: token, KeyAuthorization: "answer"}); err != nil {
				t.Error(err)
			}
		}()
		const names, places = 3, 9
		var asked sync.WaitGroup
		for range names * places {
			asked.Go(func() {
				if code, text := get(token); code != http.StatusOK || text != "answer" || time.Since(start) > 2*time.Second {
					t.Errorf("got %d %q after %v", code, text, time.Since(start))
				}
			})
		}
		asked.Wait()
		if err := a.CleanUp(t.Context(), acme.Challenge{Token: token}); err != nil {
			t.Error(err)
		}
		start = time.Now()
		if code, _ := get(token); code != http.StatusNotFound || time.Since(start) != answerWait {
			t.Errorf("after it: %d after %v", code, time.Since(start))
		}
		var all sync.WaitGroup
		for range 3 * maxAnswers {
			all.Go(func() { get(token) })
		}
		all.Wait()
		if took := time.Since(start); took > 2*answerWait {
			t.Errorf("many that nobody has took %v", took)
		}
	})
}
