package metrics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/accounts"
	"chatmaild/applets/config"
	"chatmaild/applets/service"
	"chatmaild/applets/service/metric"
	"chatmaild/store/directory/postgres"
)

// ofThree is machine b of a, b and c.
func ofThree(t *testing.T) *config.Config {
	t.Helper()
	conf, err := config.Parse("test.toml", "mail_domain = \"chat.example\"\n[cluster]\nname = \"b\"\nmembers = [\"a 10.7.0.1\", \"b 10.7.0.2\", \"c 10.7.0.3\"]\n")
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

// TestDirectory has b look at the servers of a, b and c: "w 5 1" is a writer at position 5
// that one other copies, "c 5" a copy, "c 5 0 7" one that keeps 7 bytes, "c 5 0 0 1h" one whose
// clock is ahead; "" does not answer.
func TestDirectory(t *testing.T) {
	for _, tt := range []struct {
		servers [3]string
		want    string // without what all have
		fails   bool
	}{
		{[3]string{"w 9 2 0 1h", "c 5", "c 9 0 0 -250ms"}, "writer 0, position_bytes 5, writer_reached 1, lag_bytes 4, slot_bytes 0, a 3600, c -0.25", false},
		{[3]string{"w 4 2", "c 5", "c 9"}, "writer 0, position_bytes 5, writer_reached 1, lag_bytes 0, slot_bytes 0, a 0, c 0", false},
		{[3]string{"c 9", "w 5 1 7", ""}, "writer 1, copies 1, position_bytes 5, writer_reached 1, lag_bytes 0, slot_bytes 7, a 0", false},
		{[3]string{"", "w 5 0", ""}, "writer 1, copies 0, position_bytes 5, writer_reached 0, lag_bytes 0, slot_bytes 0", false},
		{[3]string{"w 9 0", "c 5", "c 5"}, "writer 0, position_bytes 5, writer_reached 0, lag_bytes 4, slot_bytes 0, a 0, c 0", false},
		{[3]string{"w 9 0", "c 5", "w 6 1"}, "writer 0, position_bytes 5, writer_reached 1, lag_bytes 1, slot_bytes 0, a 0, c 0", false},
		{[3]string{"", "c 5", "c 5"}, "writer 0, position_bytes 5, writer_reached 0, slot_bytes 0, c 0", false},
		{[3]string{"w 9 1", "", "c 9"}, "writer_reached 1, a 0, c 0", true},
		{[3]string{"", "", ""}, "writer_reached 0", true},
	} {
		conf, set := ofThree(t), &metric.Set{}
		m := newDirectoryMetrics(set, config.MemberNames(conf)...)
		m.ask = func(_ context.Context, address string) (s postgres.State, err error) {
			text := tt.servers[1]
			for i, member := range config.Members(conf) {
				if address == accounts.InvitesServer(member) {
					text = tt.servers[i]
				}
			}
			if text == "" {
				return s, errors.New("no answer")
			}
			var role, ahead string
			var slot postgres.Slot
			_, _ = fmt.Sscan(text, &role, &s.Position, &s.Followers, &slot.Kept, &ahead)
			s.Ahead, _ = time.ParseDuration(ahead)
			s.Writer, s.Slots = role == "w", []postgres.Slot{{}, slot}
			return s, nil
		}
		if err := m.look(t.Context(), conf); (err != nil) != tt.fails {
			t.Errorf("%q: %v", tt.servers, err)
		}
		var text strings.Builder
		if err := set.Tell(&text); err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(text.String()) {
			line = strings.TrimSpace(line)
			if line, ok := strings.CutPrefix(line, "chatmaild_directory_"); ok && line != "machines 3" {
				got = append(got, line)
			}
			if line, ok := strings.CutPrefix(line, `chatmaild_machine_clock_ahead_seconds{machine="`); ok {
				got = append(got, strings.Replace(line, `"}`, "", 1))
			}
		}
		if got := strings.Join(got, ", "); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.servers, got, tt.want)
		}
	}
}

// TestPublicOfSeveral: everybody sees the accounts of the relay, not those of one machine; and
// nothing, until they are counted.
func TestPublicOfSeveral(t *testing.T) {
	conf := ofThree(t)
	conf.RuntimeDir = filepath.Join(t.TempDir(), "r")
	set := service.NewMetrics("doveauth", time.Now())
	set.Gauge("accounts", "Accounts").At().Set(1)
	all := set.Gauge("chatmaild_relay_accounts", "Accounts of all machines").At()
	tell(t, conf, "doveauth", set)
	handler := newGatherer(&metric.Set{}, conf).handler()
	get := func() (int, string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/public", nil))
		return w.Code, w.Body.String()
	}
	if code, text := get(); code != http.StatusServiceUnavailable {
		t.Errorf("before they are counted: %d\n%s", code, text)
	}
	all.Set(3)
	if code, text := get(); code != http.StatusOK || text != "# HELP accounts Accounts of all machines\n# TYPE accounts gauge\naccounts 3\n" {
		t.Errorf("got %d\n%s", code, text)
	}
}
