package filtermail

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"chatmaild/applets/config"
)

// few allows each sender so many.
type few struct {
	mu   sync.Mutex
	left int
	sent map[string]int
}

func (f *few) Allow(sender string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sent[sender] >= f.left {
		return false
	}
	f.sent[sender]++
	return true
}

// machines are three of a relay, each with a limit of its own.
func machines(t *testing.T, limit int) (all map[string]*shared, servers map[string]*httptest.Server) {
	t.Helper()
	all, servers = map[string]*shared{}, map[string]*httptest.Server{}
	for _, name := range []string{"a", "b", "c"} {
		conf, err := config.Parse("test.toml", fmt.Sprintf("mail_domain = \"chat.example\"\n[cluster]\nname = %q\nmembers = [\"a 10.7.0.1\", \"b 10.7.0.2\", \"c 10.7.0.3\"]\n", name))
		if err != nil {
			t.Fatal(err)
		}
		s := newShared(conf, &few{left: limit, sent: map[string]int{}})
		s.from[netip.MustParseAddr("127.0.0.1")] = true
		s.client.Timeout = time.Minute
		all[name], servers[name] = s, httptest.NewServer(s)
		t.Cleanup(servers[name].Close)
	}
	for _, s := range all {
		for name, server := range servers {
			s.others[name] = server.URL
		}
	}
	return all, servers
}

// TestSharedLimit: a sender has one allowance, whichever machines are used; without the one
// that counts it, each of the others counts for itself.
func TestSharedLimit(t *testing.T) {
	const limit = 5
	all, servers := machines(t, limit)
	counts := map[string]int{}
	for i := range 30 {
		sender, sent := fmt.Sprintf("user%d@chat.example", i), 0
		home, err := all["a"].place.Home(sender)
		if err != nil {
			t.Fatal(err)
		}
		counts[home]++
		for range limit {
			for _, s := range all {
				if s.Allow(sender) {
					sent++
				}
			}
		}
		if sent != limit {
			t.Errorf("%s, for whom %s counts, has sent %d, want %d", sender, home, sent, limit)
		}
	}
	if len(counts) != len(all) {
		t.Errorf("only some machines count: %v", counts)
	}
	servers["b"].Close()
	now := time.Now()
	for _, name := range []string{"a", "c"} {
		all[name].now = func() time.Time { return now }
	}
	for i := range 300 {
		sender := fmt.Sprintf("other%d@chat.example", i)
		if home, err := all["a"].place.Home(sender); err != nil || home != "b" {
			continue
		}
		for _, name := range []string{"a", "c"} {
			sent := 0
			for range 2 * limit {
				if all[name].Allow(sender) {
					sent++
				}
			}
			if sent != limit {
				t.Errorf("without b, at %s %s has sent %d, want %d", name, sender, sent, limit)
			}
		}
	}
	if !all["a"].rests("b") || all["a"].rests("c") {
		t.Error("who does not answer is asked again and again")
	}
	now = now.Add(countRest)
	if all["a"].rests("b") {
		t.Error("who did not answer is never asked again")
	}
}

// TestLimitAnswers: nobody but the relay's machines is answered.
func TestLimitAnswers(t *testing.T) {
	all, _ := machines(t, 1)
	for _, tt := range []struct {
		method, from, sender string
		want                 int
	}{
		{http.MethodPost, "10.7.0.2:1000", "x@chat.example", http.StatusNoContent},
		{http.MethodPost, "[::ffff:10.7.0.3]:1000", "x@chat.example", http.StatusTooManyRequests},
		{http.MethodPost, "192.0.2.1:1000", "y@chat.example", http.StatusForbidden},
		{http.MethodGet, "10.7.0.2:1000", "y@chat.example", http.StatusBadRequest},
		{http.MethodPost, "10.7.0.2:1000", "", http.StatusBadRequest},
		{http.MethodPost, "10.7.0.2:1000", strings.Repeat("y", maxAddress+1), http.StatusBadRequest},
		{http.MethodPost, "odd", "y@chat.example", http.StatusForbidden},
	} {
		r := httptest.NewRequest(tt.method, "/", strings.NewReader(tt.sender))
		r.RemoteAddr = tt.from
		w := httptest.NewRecorder()
		all["a"].ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s from %s: got %d, want %d", tt.method, tt.from, w.Code, tt.want)
		}
	}
	// What answers there is no machine of ours.
	s := all["a"]
	odd := httptest.NewServer(http.NotFoundHandler())
	defer odd.Close()
	s.others["b"] = odd.URL
	if _, err := s.ask("b", "z@chat.example"); err == nil {
		t.Error("404 is an answer")
	}
	s.others["b"] = "http://" + net.JoinHostPort("127.0.0.1", "1") + "/"
	if _, err := s.ask("b", "z@chat.example"); err == nil {
		t.Error("nobody has answered")
	}
}
