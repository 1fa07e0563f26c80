package renewal

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// fakeAuthority opens any account, and answers every order with one reply. What
// a whole authority does is tested in the lab, against Pebble.
type fakeAuthority struct {
	*httptest.Server
	status int
	order  string // the body of the reply to an order
	later  string // its Retry-After, if any
	asked  string // the profile of the last order
	orders int
	plain  int // of them, those that replace nothing
}

func newAuthority(t *testing.T, status int, order string) *fakeAuthority {
	t.Helper()
	f := &fakeAuthority{status: status, order: order}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeAuthority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Replay-Nonce", "nonce")
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/dir":
		json.NewEncoder(w).Encode(map[string]any{
			"newNonce": f.URL + "/nonce", "newAccount": f.URL + "/account", "newOrder": f.URL + "/order",
			"meta": map[string]any{"caaIdentities": []string{"ca.example"}, "profiles": map[string]string{ShortLived: "six days"}},
		})
	case "/account":
		w.Header().Set("Location", f.URL+"/account/1")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"status":"valid"}`)
	case "/order":
		f.orders++
		order := orderOf(r.Body)
		if order.Replaces == "" {
			f.plain++
		}
		f.asked = order.Profile
		if f.later != "" {
			w.Header().Set("Retry-After", f.later)
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(f.status)
		fmt.Fprint(w, f.order)
	}
}

// order is what a request for a certificate says beside the names: which one it replaces,
// and what kind it wants.
type order struct{ Replaces, Profile string }

// orderOf reads a signed order.
func orderOf(body io.Reader) (o order) {
	var signed struct{ Payload string }
	if json.NewDecoder(body).Decode(&signed) == nil {
		if text, err := base64.RawURLEncoding.DecodeString(signed.Payload); err == nil {
			json.Unmarshal(text, &o)
		}
	}
	return o
}

// TestProfile asks for a kind of certificate only where the authority offers it.
func TestProfile(t *testing.T) {
	for profile, want := range map[string]string{"": "", ShortLived: ShortLived, "unheard-of": ""} {
		f := newAuthority(t, http.StatusForbidden, "{}")
		k := newKeeper(t, f.URL+"/dir")
		k.Authority.Profile = profile
		k.mustStep(t)
		if f.orders == 0 || f.asked != want {
			t.Errorf("%q: %d orders, the last for %q, want %q", profile, f.orders, f.asked, want)
		}
	}
}

func newKeeper(t *testing.T, directory string) *Keeper {
	t.Helper()
	return &Keeper{
		Files: Files(t.TempDir()),
		Names: []string{"chat.example", "www.chat.example"},
		Authority: &Authority{
			Directory: directory, Solver: NewResponder(), Challenge: "http-01",
		},
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

func (k *Keeper) mustStep(t *testing.T) (next time.Time, s State) {
	t.Helper()
	next, err := k.step(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(k.Files.StateFile())
	if err != nil {
		t.Fatal(err)
	}
	if s, err = ParseState(text); err != nil {
		t.Fatal(err)
	}
	return next, s
}

// TestRefusal holds that a refusal is kept, with the authority's words and what
// to do about it, and that the next question waits longer and longer.
func TestRefusal(t *testing.T) {
	for _, tt := range []struct {
		status        int
		reply         string
		kind, detail  string
		advice        string
		first, second time.Duration // the least pauses
	}{
		{
			http.StatusTooManyRequests, `{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many certificates","status":429}`,
			"rateLimited", "too many certificates", "the authority wants us to wait", 10 * time.Minute, 20 * time.Minute,
		},
		{
			http.StatusForbidden, `{"type":"urn:ietf:params:acme:error:rejectedIdentifier","detail":"no","status":403,
				"subproblems":[{"type":"urn:ietf:params:acme:error:rejectedIdentifier","detail":"forbidden name","identifier":{"type":"dns","value":"www.chat.example"}}]}`,
			"rejectedIdentifier", "no; www.chat.example: forbidden name", "this authority issues no certificates", 10 * time.Minute, 20 * time.Minute,
		},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			f := newAuthority(t, tt.status, tt.reply)
			k := newKeeper(t, f.URL+"/dir")
			start := time.Now()
			next, s := k.mustStep(t)
			if s.Problem == nil || s.Problem.Type != tt.kind || s.Problem.Detail != tt.detail || s.Problem.Times != 1 {
				t.Fatalf("got %+v, want %s: %s", s.Problem, tt.kind, tt.detail)
			}
			if !strings.HasPrefix(s.Problem.Advice(), tt.advice) {
				t.Errorf("advice: got %q, want %q", s.Problem.Advice(), tt.advice)
			}
			if got := next.Sub(start); got < tt.first || got > 2*tt.first {
				t.Errorf("the first pause: got %v, want at least %v", got, tt.first)
			}
			if s.AccountURI != f.URL+"/account/1" || s.Issuer != "ca.example" {
				t.Errorf("account: got %q of %q", s.AccountURI, s.Issuer)
			}
			since := s.Problem.Since
			if next, s = k.mustStep(t); time.Until(next) < tt.second-time.Minute || s.Problem.Times != 2 || !s.Problem.Since.Equal(since) {
				t.Errorf("the second time: got %v and %+v, want %v", time.Until(next), s.Problem, tt.second)
			}
			if f.orders != 2 {
				t.Errorf("the authority was asked %d times, want 2", f.orders)
			}
		})
	}
}

// TestDisputed holds that a renewal is ordered again, as a new certificate, when the
// authority may not like what it replaces, and is not when it wants us to wait.
func TestDisputed(t *testing.T) {
	for _, tt := range []struct {
		kind   string
		status int
		plain  int
	}{
		{"malformed", http.StatusNotFound, 1},
		{"unauthorized", http.StatusForbidden, 1}, // another account's
		{"serverInternal", http.StatusNotFound, 1},
		{"rateLimited", http.StatusTooManyRequests, 0},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			f := newAuthority(t, tt.status, fmt.Sprintf(`{"type":"urn:ietf:params:acme:error:%s","status":%d}`, tt.kind, tt.status))
			k := newKeeper(t, f.URL+"/dir")
			key, err := k.Files.key(k.Files.PrivateKey())
			if err != nil {
				t.Fatal(err)
			}
			old := &x509.Certificate{SerialNumber: big.NewInt(1 << 40), AuthorityKeyId: []byte("authority")}
			if _, _, err := k.Authority.Obtain(t.Context(), key, key, k.Names, old); err == nil {
				t.Fatal("an order was refused, and there is no error")
			}
			if f.plain != tt.plain || f.orders != 1+tt.plain {
				t.Errorf("got %d orders, %d of them for a new certificate, want %d", f.orders, f.plain, tt.plain)
			}
		})
	}
}

// TestUnreachable holds that an authority that does not answer is asked again
// soon, and that keys are made once.
func TestUnreachable(t *testing.T) {
	f := newAuthority(t, 0, "")
	f.Close()
	k := newKeeper(t, f.URL+"/dir")
	next, s := k.mustStep(t)
	if s.Problem == nil || s.Problem.Type != "" || time.Until(next) > 2*time.Minute {
		t.Errorf("got %+v and a pause of %v", s.Problem, time.Until(next))
	}
	key := func() crypto.Signer {
		t.Helper()
		key, err := k.Files.key(k.Files.PrivateKey())
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	first := key()
	k.mustStep(t)
	if !first.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(key().Public()) {
		t.Error("the key is another one after the second failure")
	}
	info, err := os.Stat(k.Files.PrivateKey())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode: got %v, %v, want 600", info.Mode(), err)
	}
}

// TestResponder answers what was asked for, while it is asked for, and nothing else.
func TestResponder(t *testing.T) {
	r := NewResponder()
	challenge := acme.Challenge{Token: "token", KeyAuthorization: "token.print"}
	get := func(method, path string) (int, string) {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w.Code, w.Body.String()
	}
	want := func(method, path string, status int) {
		t.Helper()
		if got, body := get(method, path); got != status || (status == http.StatusOK) != (body == "token.print") {
			t.Errorf("%s %s: got %d %q, want %d", method, path, got, body, status)
		}
	}
	want("GET", challengePath+"token", http.StatusNotFound)
	if err := r.Present(t.Context(), challenge); err != nil {
		t.Fatal(err)
	}
	want("GET", challengePath+"token", http.StatusOK)
	want("POST", challengePath+"token", http.StatusNotFound)
	want("GET", challengePath, http.StatusNotFound)
	want("GET", challengePath+"other", http.StatusNotFound)
	want("GET", "/token", http.StatusNotFound)
	if err := r.CleanUp(t.Context(), challenge); err != nil {
		t.Fatal(err)
	}
	want("GET", challengePath+"token", http.StatusNotFound)
}
