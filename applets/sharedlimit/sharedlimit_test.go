package sharedlimit

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

const why = "too many"

// few allows each key so many.
func few(limit int) Count {
	var mu sync.Mutex
	taken := map[string]int{}
	return func(key string) (bool, string) {
		mu.Lock()
		defer mu.Unlock()
		if taken[key] >= limit {
			return false, why
		}
		taken[key]++
		return true, ""
	}
}

// machines are three of a relay, each with a limit of its own.
func machines(t *testing.T, limit int) (all map[string]*Limit, servers map[string]*httptest.Server) {
	t.Helper()
	all, servers = map[string]*Limit{}, map[string]*httptest.Server{}
	for _, name := range []string{"a", "b", "c"} {
		conf, err := config.Parse("test.toml", fmt.Sprintf("mail_domain = \"chat.example\"\n[cluster]\nname = %q\nmembers = [\"a 10.7.0.1\", \"b 10.7.0.2\", \"c 10.7.0.3\"]\n", name))
		if err != nil {
			t.Fatal(err)
		}
		l := New(conf, 2527, few(limit))
		l.from[netip.MustParseAddr("127.0.0.1")] = true
		l.client.Timeout = time.Minute
		all[name], servers[name] = l, httptest.NewServer(l)
		t.Cleanup(servers[name].Close)
	}
	for _, l := range all {
		for name, server := range servers {
			l.others[name] = server.URL
		}
	}
	return all, servers
}

// TestTake: a key has one allowance, whichever machines are asked, and all say why not;
// without the one that counts, each of the others counts for itself.
func TestTake(t *testing.T) {
	const limit = 5
	all, servers := machines(t, limit)
	counts := map[string]int{}
	for i := range 30 {
		key, taken := fmt.Sprintf("user%d@chat.example", i), 0
		home, err := all["a"].place.Home(key)
		if err != nil {
			t.Fatal(err)
		}
		counts[home]++
		for range limit {
			for _, l := range all {
				ok, reason := l.Take(key, key)
				if ok {
					taken++
				} else if reason != why {
					t.Errorf("%s is refused: %q, want %q", key, reason, why)
				}
			}
		}
		if taken != limit {
			t.Errorf("%s, for whom %s counts, has taken %d, want %d", key, home, taken, limit)
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
		key := fmt.Sprintf("other%d@chat.example", i)
		if home, err := all["a"].place.Home(key); err != nil || home != "b" {
			continue
		}
		for _, name := range []string{"a", "c"} {
			taken := 0
			for range 2 * limit {
				if ok, _ := all[name].Take(key, key); ok {
					taken++
				}
			}
			if taken != limit {
				t.Errorf("without b, at %s %s has taken %d, want %d", name, key, taken, limit)
			}
		}
	}
	if !all["a"].rests("b") || all["a"].rests("c") {
		t.Error("who does not answer is asked again and again")
	}
	now = now.Add(restTime)
	if all["a"].rests("b") {
		t.Error("who did not answer is never asked again")
	}
}

// TestOnePlace: what shares a name is counted at one machine, whatever its key.
func TestOnePlace(t *testing.T) {
	all, _ := machines(t, 1)
	n := 0
	all["a"].own = func(string) (bool, string) { n++; return true, "" }
	all["b"].own, all["c"].own = all["a"].own, all["a"].own
	home, err := all["a"].place.Home("one")
	if err != nil {
		t.Fatal(err)
	}
	all[home].own = func(string) (bool, string) { n += 100; return true, "" }
	for i := range 20 {
		for _, l := range all {
			l.Take("one", fmt.Sprint("key", i))
		}
	}
	if want := 100 * 20 * len(all); n != want {
		t.Errorf("%d are counted at %s, want %d", n/100, home, want/100)
	}
}

// TestAnswers: nobody but the relay's machines is answered.
func TestAnswers(t *testing.T) {
	all, _ := machines(t, 1)
	for _, tt := range []struct {
		method, from, key string
		want              int
	}{
		{http.MethodPost, "10.7.0.2:1000", "x@chat.example", http.StatusNoContent},
		{http.MethodPost, "[::ffff:10.7.0.3]:1000", "x@chat.example", http.StatusTooManyRequests},
		{http.MethodPost, "192.0.2.1:1000", "y@chat.example", http.StatusForbidden},
		{http.MethodGet, "10.7.0.2:1000", "y@chat.example", http.StatusBadRequest},
		{http.MethodPost, "10.7.0.2:1000", "", http.StatusBadRequest},
		{http.MethodPost, "10.7.0.2:1000", strings.Repeat("y", maxKey+1), http.StatusBadRequest},
		{http.MethodPost, "odd", "y@chat.example", http.StatusForbidden},
	} {
		r := httptest.NewRequest(tt.method, "/", strings.NewReader(tt.key))
		r.RemoteAddr = tt.from
		w := httptest.NewRecorder()
		all["a"].ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s from %s: got %d, want %d", tt.method, tt.from, w.Code, tt.want)
		}
	}
	// What answers there is no machine of ours.
	l := all["a"]
	odd := httptest.NewServer(http.NotFoundHandler())
	defer odd.Close()
	l.others["b"] = odd.URL
	if _, _, err := l.ask("b", "z@chat.example"); err == nil {
		t.Error("404 is an answer")
	}
	l.others["b"] = "http://" + net.JoinHostPort("127.0.0.1", "1") + "/"
	if _, _, err := l.ask("b", "z@chat.example"); err == nil {
		t.Error("nobody has answered")
	}
	// What refuses at length is cut short.
	long := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(w, strings.Repeat("x", 1<<20))
	}))
	defer long.Close()
	l.others["b"] = long.URL
	if ok, reason, err := l.ask("b", "z@chat.example"); ok || len(reason) != maxReason || err != nil {
		t.Errorf("got %t, %d bytes, %v", ok, len(reason), err)
	}
}

// TestEarly: a machine listens at an address that it does not have yet.
func TestEarly(t *testing.T) {
	all, _ := machines(t, 1)
	if e := all["a"].Endpoint("limit", nil); !e.Address.Early || e.Address.Addr != "10.7.0.1:2527" {
		t.Errorf("got %+v", e.Address)
	}
}
