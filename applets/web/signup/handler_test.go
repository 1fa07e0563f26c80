package signup

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/time/rate"

	"chatmaild/packaging/www/qrcode"
)

// fixed answers everybody alike, and notes the token.
type fixed struct {
	c     Credentials
	err   error
	token string
}

func (f *fixed) Register(_ context.Context, token string) (Credentials, error) {
	f.token = token
	return f.c, f.err
}

func TestNew(t *testing.T) {
	c := Credentials{"abc@chat.example.org", "Secret1"}
	const login = "dclogin:abc@chat.example.org?p=Secret1&v=1&ic=3"
	closed := &Refusal{http.StatusForbidden, "Closed."}
	fault := errors.New("disk /dev/secret is broken")
	tests := []struct {
		request    string // method, path
		selfSigned bool
		err        error
		status     int
		body       string // of POST; "": not looked at
		location   string
		token      string
	}{
		{"POST /new", false, nil, 200, `{"email":"abc@chat.example.org","password":"Secret1"}`, "", ""},
		{"POST /new", true, nil, 200, `{"email":"abc@chat.example.org","password":"Secret1","dclogin_url":"` + login + `"}`, "", ""},
		{"POST /cgi-bin/newemail.py", false, nil, 200, `{"email":"abc@chat.example.org","password":"Secret1"}`, "", ""},
		{"POST /new?t=Ab1-_.~", false, nil, 200, "", "", "Ab1-_.~"},
		{"POST /new?t=a%0d%0ab", false, nil, 400, `{"reason":"This invite link is damaged. Please ask for a new one."}`, "", ""},
		{"POST /new?t=" + strings.Repeat("x", 129), false, nil, 400, "", "", ""},
		{"POST /new", false, closed, 403, `{"reason":"Closed."}`, "", ""},
		{"POST /new", false, fault, 503, `{"reason":"The relay cannot create a profile at the moment. Please try again later."}`, "", ""},

		{"GET /new", false, nil, 302, "", "dcaccount:https://chat.example.org/new", ""},
		{"HEAD /new", false, nil, 302, "", "dcaccount:https://chat.example.org/new", ""},
		{"GET /cgi-bin/newemail.py", false, nil, 302, "", "dcaccount:https://chat.example.org/new", ""},
		{"GET /new?t=Ab1", false, nil, 302, "", "dcaccount:https://chat.example.org/new?t=Ab1", ""},
		{"GET /new?t=%22", false, nil, 400, "", "", ""},
		{"GET /new", true, nil, 302, "", login, ""},
		{"GET /new?t=Ab1", true, nil, 200, "", "", ""},
		{"HEAD /new?t=Ab1", true, nil, 200, "", "", ""},
		{"GET /new?t=%22", true, nil, 400, "", "", ""},
		{"POST /new?t=Ab1&page", true, nil, 200, "", "", "Ab1"},
		{"POST /new?t=Ab1&page", true, closed, 403, `{"reason":"Closed."}`, "", "Ab1"},
		{"POST /new?t=Ab1&page", false, nil, 200, `{"email":"abc@chat.example.org","password":"Secret1"}`, "", "Ab1"},
		{"GET /new", true, closed, 403, `{"reason":"Closed."}`, "", ""},

		{"GET /new.svg", false, nil, 404, "", "", ""},
		{"GET /new.svg", true, closed, 403, "", "", ""},
		{"GET /new.svg?t=Ab1", true, nil, 200, "", "", ""},
		{"PUT /new", false, nil, 405, `{"reason":"Only GET and POST work here."}`, "", ""},
		{"GET /new/", false, nil, 404, `{"reason":"There is no such page on this relay."}`, "", ""},
		{"GET /", false, nil, 404, "", "", ""},
	}
	for _, test := range tests {
		var logged bytes.Buffer
		reg := &fixed{c: c, err: test.err}
		h := New(Options{Host: "chat.example.org", SelfSigned: test.selfSigned, Registration: reg, Log: slog.New(slog.NewTextHandler(&logged, nil))})
		method, target, _ := strings.Cut(test.request, " ")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
		if w.Code != test.status {
			t.Errorf("%s (self-signed %v): got %d, want %d", test.request, test.selfSigned, w.Code, test.status)
		}
		if got := strings.TrimSpace(w.Body.String()); test.body != "" && got != test.body {
			t.Errorf("%s: got body\n%s\nwant\n%s", test.request, got, test.body)
		}
		if got := w.Header().Get("Location"); got != test.location {
			t.Errorf("%s: got location %q, want %q", test.request, got, test.location)
		}
		if reg.token != test.token {
			t.Errorf("%s: got token %q, want %q", test.request, reg.token, test.token)
		}
		if got := w.Header().Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: got Cache-Control %q: secrets would be kept", test.request, got)
		}
		if got, want := strings.Contains(logged.String(), "broken"), errors.Is(test.err, fault); got != want {
			t.Errorf("%s: fault logged: %v, want %v", test.request, got, want)
		}
		if strings.Contains(logged.String(), c.Password) || strings.Contains(logged.String(), c.Email) {
			t.Errorf("%s: the log has credentials: %s", test.request, logged.String())
		}
	}
}

func TestPictureIsTheLogin(t *testing.T) {
	c := Credentials{"abc@[192.0.2.17]", "Secret1"}
	h := New(Options{Host: "192.0.2.17", SelfSigned: true, Registration: &fixed{c: c}, Log: slog.New(slog.DiscardHandler)})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/new.svg", nil))
	code, err := qrcode.Encode("dclogin:abc@[192.0.2.17]?p=Secret1&v=1&ih=192.0.2.17&sh=192.0.2.17&ic=3")
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Header().Get("Content-Type"); got != "image/svg+xml" || !bytes.Equal(w.Body.Bytes(), code.SVG()) {
		t.Errorf("got %s, %s", got, w.Body)
	}
}

func TestBodyIsBounded(t *testing.T) {
	h := New(Options{Host: "chat.example.org", SelfSigned: false, Registration: &fixed{}, Log: slog.New(slog.DiscardHandler)})
	for size, want := range map[int]int{0: 200, maxBody: 200, maxBody + 1: 413} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/new", strings.NewReader(strings.Repeat("x", size))))
		if w.Code != want {
			t.Errorf("%d bytes: got %d, want %d", size, w.Code, want)
		}
	}
}

func TestRateIsBounded(t *testing.T) {
	h := &handler{
		Options: Options{Host: "192.0.2.17", SelfSigned: true, Registration: &fixed{}, Log: slog.New(slog.DiscardHandler)},
		create:  rate.NewLimiter(0, 2),
		draw:    rate.NewLimiter(0, 1),
	}
	routes := h.routes()
	for i, test := range []struct {
		request string
		want    int
	}{
		{"POST /new", 200},
		{"GET /new", 302},
		{"POST /new", 429},
		{"GET /new", 429},
		{"GET /new.svg", 200}, // has a limit of its own
		{"GET /new.svg", 429},
	} {
		method, target, _ := strings.Cut(test.request, " ")
		w := httptest.NewRecorder()
		routes.ServeHTTP(w, httptest.NewRequest(method, target, nil))
		if w.Code != test.want || (w.Code == 429) != (w.Header().Get("Retry-After") != "") {
			t.Errorf("request %d, %s: got %d, Retry-After %q, want %d", i, test.request, w.Code, w.Header().Get("Retry-After"), test.want)
		}
	}
}

func TestParallel(t *testing.T) {
	const people = 200
	h := New(Options{Host: "chat.example.org", SelfSigned: false, Registration: open(""), Log: slog.New(slog.DiscardHandler)})
	answers := make([]Credentials, people)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("POST", "/new", nil))
			if err := json.Unmarshal(w.Body.Bytes(), &answers[i]); err != nil || w.Code != 200 {
				t.Errorf("got %d, %v", w.Code, err)
			}
		})
	}
	wg.Wait()
	emails, passwords := map[string]bool{}, map[string]bool{}
	for _, a := range answers {
		emails[a.Email], passwords[a.Password] = true, true
	}
	if len(emails) != people || len(passwords) != people {
		t.Errorf("got %d addresses and %d passwords, want %d of each", len(emails), len(passwords), people)
	}
}

func open(nocreate string) *Open {
	return &Open{Domain: "chat.example.org", Lengths: Lengths{9, 9}, NocreateFile: nocreate, Random: rand.Reader}
}

func TestNocreateFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nocreate")
	if _, err := open(file).Register(t.Context(), ""); err != nil {
		t.Errorf("without the file: %v", err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var refusal *Refusal
	if c, err := open(file).Register(t.Context(), ""); !errors.As(err, &refusal) || refusal.Status != 403 || c != (Credentials{}) {
		t.Errorf("with the file: got %v, %v, want a refusal with 403", c, err)
	}
	// What cannot be looked at may be there: a fault of ours, and no account.
	if c, err := open(filepath.Join(file, "x")).Register(t.Context(), ""); err == nil || errors.As(err, &refusal) || c != (Credentials{}) {
		t.Errorf("behind a file: got %v, %v, want a fault", c, err)
	}
}

func FuzzInviteToken(f *testing.F) {
	for _, seed := range []string{"", "t=abc", "t=a%0ab", "t=%", "t=a;b", "t=a&t=%00", "t=ü"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", "/new", nil)
		r.URL.RawQuery = query
		w := httptest.NewRecorder()
		New(Options{Host: "chat.example.org", SelfSigned: false, Registration: &fixed{}, Log: slog.New(slog.DiscardHandler)}).ServeHTTP(w, r)
		location := w.Header().Get("Location")
		for _, c := range location {
			if c <= ' ' || c >= 0x7f || strings.ContainsRune(`"<>\`, c) {
				t.Errorf("%q leads to %q", query, location)
			}
		}
		if w.Code != 302 && w.Code != 400 {
			t.Errorf("%q: got %d", query, w.Code)
		}
	})
}

func BenchmarkPost(b *testing.B) {
	h := &handler{
		Options: Options{Host: "chat.example.org", SelfSigned: false, Registration: open(""), Log: slog.New(slog.DiscardHandler)},
		create:  rate.NewLimiter(rate.Inf, 0), draw: rate.NewLimiter(rate.Inf, 0),
	}
	server := httptest.NewServer(h.routes())
	defer server.Close()
	b.ReportAllocs()
	for b.Loop() {
		resp, err := http.Post(server.URL+"/new", "", nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			b.Fatal(err)
		}
		resp.Body.Close()
	}
}

// TestHidden has only an invite get an answer.
func TestHidden(t *testing.T) {
	c := Credentials{"abc@chat.example.org", "Secret1"}
	for _, tt := range []struct {
		request string
		err     error
		status  int
	}{
		{"POST /new?t=Ab1", nil, 200},
		{"POST /new?t=Ab1", &Refusal{http.StatusForbidden, "Not invited."}, 404},
		{"POST /new?t=Ab1", errors.New("the disk is broken"), 404},
		{"POST /new?t=a%0d", nil, 404},
		{"GET /new?t=Ab1", nil, 405},
		{"POST /cgi-bin/newemail.py", nil, 404},
		{"GET /new.svg", nil, 404},
	} {
		h := New(Options{Host: "chat.example.org", Hidden: true, Registration: &fixed{c: c, err: tt.err}, Log: slog.New(slog.DiscardHandler)})
		method, target, _ := strings.Cut(tt.request, " ")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
		if body := w.Body.String(); w.Code != tt.status || tt.status == 404 && strings.Contains(body, "nvite") {
			t.Errorf("%s, %v: got %d, %s; want %d", tt.request, tt.err, w.Code, body, tt.status)
		}
	}
}
